"""The folder of a run: never half a file, never two runs in one, `latest` is the newest."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pipeline import runs
from pipeline.config import ConfigError, load_config
from pipeline.locations import WorkDirectory
from pipeline.runs import Run, only_run, open_run, refuse_demo_over_films, write_json


@pytest.fixture(name="work")
def make_work_directory(tmp_path: Path) -> WorkDirectory:
    return WorkDirectory(tmp_path / "work")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestOpen:
    def test_keeps_the_configuration(self, work: WorkDirectory) -> None:
        config = load_config("demo", None, ["train.epochs=3"])
        run = open_run(work, config)
        assert names(run.folder) == ["config.json"]
        kept = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
        assert kept == config.model_dump(mode="json")
        assert kept["train"]["epochs"] == 3

    def test_runs_of_the_same_second_have_their_own_folders(self, work: WorkDirectory) -> None:
        opened = [open_run(work, load_config()) for _ in range(3)]
        assert len({run.run_id for run in opened}) == 3
        assert all(run.folder == work.runs / run.run_id for run in opened)
        assert os.readlink(work.runs / "latest") == opened[-1].run_id
        assert names(work.runs) == sorted([*(run.run_id for run in opened), "latest"])

    def test_a_work_directory_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("mine", encoding="utf-8")
        with pytest.raises(ConfigError) as error:
            open_run(WorkDirectory(file), load_config())
        assert str(error.value) == (
            f"the work directory {file} cannot be written: {os.strerror(errno.ENOTDIR)}; choose "
            "another with --workdir"
        )


class TestFailure:
    def test_account(self, tmp_path: Path) -> None:
        run = Run("one", tmp_path)
        run.write_failure("interrupted", "stopped by the user", {"Transform": 1.3})
        assert json.loads(run.summary_file.read_text(encoding="utf-8")) == {
            "run_id": "one",
            "status": "interrupted",
            "error": "stopped by the user",
            "blessed": False,
            "servable": False,
            "pushed": False,
            "pushed_version": "",
            "data": {},
            "metrics": {},
            "gates": [],
            "operating_point": {},
            "durations_seconds": {"Transform": 1.3},
        }

    def test_what_was_pushed_before_is_said(self, tmp_path: Path) -> None:
        run = Run("one", tmp_path)
        run.write_failure("failed", "no picture", {"Pusher": 0.1}, pushed_version="1700000000")
        account = json.loads(run.summary_file.read_text(encoding="utf-8"))
        assert account["pushed"] is account["blessed"] is account["servable"] is True
        assert (account["status"], account["pushed_version"]) == ("failed", "1700000000")

    def test_a_full_disk_does_not_hide_the_reason(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _fill_disk(monkeypatch)
        Run("one", tmp_path).write_failure("failed", "the disk is full", {})
        assert names(tmp_path) == []

    def test_keeps_the_lists_that_belong_to_it(self, tmp_path: Path) -> None:
        Run("one", tmp_path).write_failure("failed", "why", {}, {"quarantine.csv": "a,b\n"})
        assert (tmp_path / "quarantine.csv").read_text(encoding="utf-8") == "a,b\n"


class TestGuards:
    def test_a_second_run_is_kept_out(self, work: WorkDirectory) -> None:
        with only_run(work), pytest.raises(ConfigError, match="another run uses"), only_run(work):
            pass
        with only_run(work):  # the first one has ended
            assert (work.path / ".lock").exists()

    @pytest.mark.parametrize(
        ("pushed", "root", "refused"),
        [(True, "/films", True), (False, "/films", False), (True, "phantoms", False)],
    )
    def test_a_demo_does_not_replace_a_model_of_films(
        self, work: WorkDirectory, pushed: bool, root: str, refused: bool
    ) -> None:
        run = open_run(work, load_config())
        account = {"pushed": pushed, "data": {"root": str(work.path / root)}}
        write_json(run.summary_file, account)
        assert is_refused(work) == refused


def is_refused(work: WorkDirectory) -> bool:
    try:
        refuse_demo_over_films(work)
    except ConfigError as error:
        assert "serves a model of the films in /films" in str(error)
        return True
    return False


class TestWriteJson:
    def test_is_read_back(self, tmp_path: Path) -> None:
        content = {"größe": [1, None, 0.5], "nested": {"x": True}}
        write_json(tmp_path / "a.json", content)
        assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
        assert names(tmp_path) == ["a.json"]

    def test_what_was_there_stays_until_the_new_is_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "a.json"
        write_json(file, {"old": 1})
        _fill_disk(monkeypatch)
        with pytest.raises(OSError, match="full"):
            write_json(file, {"new": 2})
        assert json.loads(file.read_text(encoding="utf-8")) == {"old": 1}
        assert names(tmp_path) == ["a.json"]


def _fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets every file end in the middle."""

    def write_half(file: Path, text: str, encoding: str) -> None:
        file.write_bytes(text.encode(encoding)[: len(text) // 2])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(runs.Path, "write_text", write_half)
