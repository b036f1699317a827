"""Bad input gets an exit status and one clear sentence, and loses nothing that was there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support import (
    LocalRun,
    digests,
    draw_film,
    encode,
    fill,
    mount,
    run_local,
    settings,
    write_films,
)

EXIT_FAILED, EXIT_USAGE, EXIT_DATA = 1, 2, 3


@pytest.fixture(name="root")
def make_root(tmp_path: Path) -> Path:
    """A data root with four patients of each class."""
    root = tmp_path / "films"
    write_films(root, "NORMAL", 4)
    write_films(root, "PNEUMONIA", 4, first_seed=10)
    return root


@pytest.fixture(name="served_before")
def put_served_model(workdir: Path) -> Path:
    """A model that is being served from the work directory."""
    model = workdir / "serving_model" / "cxr_pneumonia" / "1" / "saved_model.pb"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"a model")
    return model


def run_over(root: Path, workdir: Path, *arguments: str) -> LocalRun:
    return run_local(workdir, "--preset", "demo", "--data-root", str(root), *arguments)


def assert_refused(run: LocalRun, status: int, sentence: str) -> None:
    assert run.status == status, run.terminal
    assert run.text.count("local_runner: ") == 1
    assert sentence in run.text
    assert "Traceback" not in run.terminal


class TestDataRoot:
    @pytest.mark.parametrize(
        ("kind", "sentence"),
        [
            ("missing", "is not a folder; check --data-root"),
            ("file", "is not a folder; check --data-root"),
            ("empty", "is empty; it needs NORMAL/ and PNEUMONIA/"),
        ],
    )
    def test_that_is_none(self, tmp_path: Path, workdir: Path, kind: str, sentence: str) -> None:
        root = tmp_path / "films"
        if kind == "file":
            root.write_text("not a folder", encoding="utf-8")
        elif kind == "empty":
            root.mkdir()
        run = run_over(root, workdir)
        assert_refused(run, EXIT_USAGE, f"the data root {root} {sentence}")
        assert not workdir.exists()

    @pytest.mark.parametrize("how", ["folder without films", "no folder"])
    def test_with_one_class(self, root: Path, workdir: Path, how: str) -> None:
        shutil.rmtree(root / "PNEUMONIA")
        if how == "folder without films":
            (root / "PNEUMONIA").mkdir()
        run = run_over(root, workdir)
        assert_refused(
            run,
            EXIT_DATA,
            "the class folder PNEUMONIA is missing or has no images; both classes are needed, so "
            "add films of it",
        )
        assert run.summary["status"] == "failed"
        assert run.summary["error"] in run.text

    def test_with_too_many_unusable_files(
        self, root: Path, workdir: Path, served_before: Path
    ) -> None:
        (root / "NORMAL" / "normal1.png").write_bytes(b"no image")
        films, model = digests(root), digests(workdir)
        run = run_over(root, workdir)
        assert_refused(
            run,
            EXIT_DATA,
            "1 of 8 files are unusable (12.5%, allowed is 5.0%), the first is NORMAL/normal1.png: "
            "the content is no image; only JPEG, PNG and DICOM are read; mend them or raise "
            "data.max_quarantine_fraction",
        )
        assert (run.folder / "quarantine.csv").read_text(encoding="utf-8").splitlines() == [
            "path,reason",
            'NORMAL/normal1.png,"the content is no image; only JPEG, PNG and DICOM are read"',
        ]
        assert f"all of it: {run.folder}/quarantine.csv" in run.text
        assert digests(root) == films
        assert model.items() <= digests(workdir).items()

    def test_with_the_same_bytes_under_both_labels(self, root: Path, workdir: Path) -> None:
        twin = (root / "NORMAL" / "normal1.png").read_bytes()
        (root / "PNEUMONIA" / "pneumonia1.png").write_bytes(twin)
        run = run_over(root, workdir)
        assert_refused(
            run,
            EXIT_DATA,
            "label conflict: the same bytes are under both labels: 'NORMAL/normal1.png' (NORMAL) "
            "and 'PNEUMONIA/pneumonia1.png' (PNEUMONIA); correct the labels",
        )
        assert (run.folder / "label_conflicts.csv").read_text(encoding="utf-8").splitlines() == [
            "group,path,label",
            "1,NORMAL/normal1.png,NORMAL",
            "1,PNEUMONIA/pneumonia1.png,PNEUMONIA",
        ]

    def test_with_a_link_out_of_it(self, root: Path, workdir: Path, tmp_path: Path) -> None:
        (tmp_path / "far.png").write_bytes(encode(draw_film(99)))
        (root / "NORMAL" / "far.png").symlink_to(tmp_path / "far.png")
        run = run_over(root, workdir)
        assert_refused(run, EXIT_DATA, "the link 'NORMAL/far.png' leads out of the data root, to ")

    def test_that_holds_the_work_directory(self, root: Path) -> None:
        before = digests(root)
        run = run_over(root, root / "work")
        assert_refused(run, EXIT_USAGE, f"the work directory {root}/work lies inside the data root")
        assert digests(root) == before

    @pytest.mark.parametrize("pattern", ["(", "virus"])
    def test_with_a_pattern_that_finds_nothing(
        self, root: Path, workdir: Path, pattern: str
    ) -> None:
        run = run_over(root, workdir, *settings(data__patient_pattern=pattern))
        assert_refused(run, EXIT_USAGE, "local_runner: data.patient_pattern: ")
        assert not workdir.exists()


class TestManifest:
    @pytest.mark.parametrize(
        ("columns", "row", "sentence"),
        [
            ("subtype", "absent.png,NORMAL,", "not below the data root: 'absent.png' (line 10)"),
            ("subtype", "NORMAL/normal0.png,NORMAL,", "'NORMAL/normal0.png' was named before"),
            ("subtype", "spare.png,HEALTHY,", "line 10: the label 'HEALTHY' is not known"),
            ("age_years", "spare.png,NORMAL,-4", "line 10: the age_years '-4' is no age"),
            ("age_years", "spare.png,NORMAL,old", "line 10: the age_years 'old' is no age"),
            ("view", "spare.png,NORMAL,lateral", "line 10: the view 'lateral' is not known"),
        ],
    )
    def test_with_a_bad_row(
        self, root: Path, workdir: Path, columns: str, row: str, sentence: str
    ) -> None:
        rows = [f"{film.relative_to(root)},{film.parent.name}," for film in root.rglob("*.png")]
        (root / "spare.png").write_bytes(encode(draw_film(99)))
        lines = [f"path,label,{columns}", *rows, row]
        (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        before = digests(root)
        run = run_over(root, workdir)
        assert_refused(run, EXIT_DATA, sentence)
        assert "manifest.csv" in run.text
        assert digests(root) == before


def test_leaks_between_given_splits_are_listed(root: Path, workdir: Path) -> None:
    for split, first_seed in (("train", 100), ("val", 200), ("test", 300)):
        write_films(root / split, "NORMAL", 2, first_seed)
        write_films(root / split, "PNEUMONIA", 2, first_seed + 50)
    for label in ("NORMAL", "PNEUMONIA"):
        shutil.rmtree(root / label)
    for split in ("train", "val", "test"):
        for film in sorted((root / split).rglob("*.png")):
            film.rename(film.with_stem(f"{split}-{film.stem}"))
    for split, number in (("train", 1), ("test", 2)):
        film = root / split / "PNEUMONIA" / f"person7_virus_{number}.png"
        film.write_bytes(encode(draw_film(400 + number)))
    twin = (root / "val" / "NORMAL" / "val-normal0.png").read_bytes()
    (root / "test" / "NORMAL" / "test-normal0.png").write_bytes(twin)
    (root / "train" / "NORMAL" / "broken.png").write_bytes(twin[:200])
    changes = settings(data__split="given", data__max_quarantine_fraction=0.1)
    run = run_over(root, workdir, *changes)
    assert_refused(run, EXIT_DATA, "the data breaks its contract:")
    assert "train and test, patient_id: 1 patients are in both splits (person7_virus)" in run.text
    assert "eval and test, sha256: 1 byte-identical images are in both splits" in run.text
    assert run.text.count("set data.split=by_patient") == 2
    anomalies = json.loads((run.folder / "anomalies.json").read_text(encoding="utf-8"))
    assert {one["what"] for one in anomalies} == {"patient_id", "sha256"}
    quarantined = (run.folder / "quarantine.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in quarantined] == ["path", "train/NORMAL/broken.png"]
    assert not run.work.serving_root.exists()


def test_stack_trace_is_for_those_who_ask(root: Path, workdir: Path) -> None:
    shutil.rmtree(root / "PNEUMONIA")
    quiet, verbose = run_over(root, workdir), run_over(root, workdir, "--verbose")
    assert "Traceback" not in quiet.terminal
    assert "Traceback" in quiet.log
    assert "Traceback" in verbose.terminal
    assert quiet.status == verbose.status == EXIT_DATA


class TestWorkDirectory:
    def test_below_a_file(self, root: Path, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("mine", encoding="utf-8")
        run = run_over(root, file / "work")
        assert_refused(run, EXIT_USAGE, f"the work directory {file}/work cannot be written: ")
        assert "choose another with --workdir" in run.text
        assert file.read_text(encoding="utf-8") == "mine"

    def test_without_write_permission(self, root: Path, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere; see test_on_a_read_only_disk")
        tmp_path.chmod(0o500)
        run = run_over(root, tmp_path / "work")
        tmp_path.chmod(0o700)
        assert_refused(run, EXIT_USAGE, f"{tmp_path}/work cannot be written: ")
        assert os.strerror(errno.EACCES) in run.text

    @pytest.mark.parametrize("name", ["w [1]", "*", "w?", "w\\x", "{x}"])
    def test_whose_name_is_a_pattern(self, root: Path, tmp_path: Path, name: str) -> None:
        before = digests(tmp_path)
        run = run_over(root, tmp_path / name)
        assert_refused(run, EXIT_USAGE, f"the work directory {tmp_path / name} has a '")
        assert digests(tmp_path) == before
        assert not (tmp_path / name).exists()

    def test_on_a_read_only_disk(self, root: Path, disk: Path) -> None:
        mount("-o", "remount,ro", str(disk))
        run = run_over(root, disk / "work")
        assert_refused(run, EXIT_USAGE, f"the work directory {disk}/work cannot be written: ")
        assert os.strerror(errno.EROFS) in run.text

    def test_on_a_disk_that_is_full(self, root: Path, disk: Path) -> None:
        fill(disk / "filling")
        run = run_over(root, disk / "work")
        assert_refused(run, EXIT_USAGE, f"the work directory {disk}/work cannot be written: ")
        assert os.strerror(errno.ENOSPC) in run.text

    @pytest.mark.parametrize("free_kib", [64, 240, 400])
    def test_on_a_disk_that_fills_up(self, root: Path, disk: Path, free_kib: int) -> None:
        mount("-o", f"remount,size={free_kib}k", str(disk))
        (disk / "mine").write_text("mine", encoding="utf-8")
        run = run_over(root, disk / "work")
        assert_refused(run, EXIT_FAILED, f"the disk that holds {disk}/work is full; free some")
        assert (disk / "mine").read_text(encoding="utf-8") == "mine"
        assert not list(disk.rglob("*.partial"))


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("KERAS_BACKEND", "torch", "KERAS_BACKEND is 'torch', and only 'tensorflow' is used here"),
        ("KERAS_HOME", "{folder}", "{folder}/keras.json sets floatx to 'float16', and only"),
        ("TMPDIR", "{folder}/absent", "TMPDIR is {folder}/absent, which is no folder; make it"),
    ],
)
def test_an_environment_that_cannot_do_is_named_before_anything_runs(
    root: Path, workdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    variable: str, value: str, sentence: str,
) -> None:  # fmt: skip
    (tmp_path / "keras.json").write_text('{"floatx": "float16"}', encoding="utf-8")
    monkeypatch.setenv(variable, value.format(folder=tmp_path))
    run = run_over(root, workdir)
    assert_refused(run, EXIT_USAGE, sentence.format(folder=tmp_path))
    assert not workdir.exists()


def test_another_site_without_both_classes_is_refused_before_anything_is_read(
    root: Path, workdir: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    write_films(site, "NORMAL", 2)
    run = run_over(root, workdir, "--set", f"evaluation.external_data_root={site}")
    assert_refused(run, 3, f"evaluation.external_data_root: {site}: the class folder PNEUMONIA is")
    assert run.summary["durations_seconds"] == {}


def test_another_site_with_one_of_the_films_is_refused_before_anything_is_read(
    root: Path, workdir: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    write_films(site, "NORMAL", 2, first_seed=1000)
    write_films(site, "PNEUMONIA", 2, first_seed=2000)
    own = next((root / "PNEUMONIA").iterdir())
    (site / "PNEUMONIA" / f"renamed{own.suffix}").write_bytes(own.read_bytes())
    run = run_over(root, workdir, "--set", f"evaluation.external_data_root={site}")
    assert_refused(run, 3, f"1 of the 5 films below {site} are films of train, eval or test")
    assert run.summary["durations_seconds"] == {}


def test_the_data_root_is_no_other_site(root: Path, workdir: Path) -> None:
    for site in (root, root / "NORMAL", root.parent):
        run = run_over(root, workdir, "--set", f"evaluation.external_data_root={site}")
        assert_refused(run, 2, f"the data root {root}, so its films would be no other site's")
    assert not workdir.exists()


@pytest.mark.parametrize("setting", ["evaluation.external_data_root", "network.weights"])
def test_a_path_that_is_missing_is_said_before_anything_runs(
    workdir: Path, tmp_path: Path, setting: str
) -> None:
    missing = tmp_path / "missing.h5"
    run = run_local(workdir, "--set", f"{setting}={missing}")
    assert run.status == 2
    assert str(missing) in run.terminal
    assert setting in run.terminal
    assert not workdir.exists()
