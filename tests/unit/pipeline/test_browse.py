"""`python -m pipeline.report index`: every run has a row, whatever it left behind."""

from __future__ import annotations

import json
import math
import re
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from components.report_gen.all_runs import NO_ACCOUNT, RunRow, auc_sparkline, best_of
from pipeline import report
from pipeline.browse import run_rows
from pipeline.config import load_config
from pipeline.locations import WorkDirectory
from pipeline.runs import Run

METRICS = {
    "films": 10, "auc": 0.9, "recall": 0.8, "specificity": 0.7, "precision": 0.6,
    "expected_calibration_error": 0.1,
}  # fmt: skip
WHY = "AUC on overall is 0.5, 0.2 below"
ACCOUNTS: dict[str, Any] = {
    "1 & co": {
        "status": "pushed", "error": "", "blessed": True, "pushed_version": "7",
        "data": {"root": "/films"}, "metrics": {"overall": METRICS},
        "gates": [{"passed": True, "why": "fine"}], "durations_seconds": {"A": 1.5, "B": 2},
    },
    "2": {
        "status": "not blessed", "error": "", "blessed": False, "pushed_version": "",
        "data": {}, "metrics": {"overall": {**METRICS, "auc": None}},
        "gates": [{"passed": True, "why": "fine"}, {"passed": False, "why": WHY}],
    },
    "5": [],
}  # fmt: skip


@pytest.fixture(name="work")
def make_work(tmp_path: Path) -> WorkDirectory:
    """Six runs: pushed, refused, failed, killed, of a strange account, of half an account."""
    work = WorkDirectory(tmp_path / "work")
    for name in ("1 & co", "2", "3", "4", "5", "6"):
        work.run(name).mkdir(parents=True)
        (work.run(name) / "config.json").write_text(load_config().model_dump_json())
    for name, account in ACCOUNTS.items():
        (work.run(name) / "summary.json").write_text(json.dumps(account))
    Run("3", work.run("3")).write_failure("failed", "no <b>films</b>", {"A": 0.5})
    (work.run("6") / "summary.json").write_text('{"run_id": ')
    page = work.run("1 & co") / "report" / "index.html"
    page.parent.mkdir()
    page.touch()
    (work.runs / "latest").symlink_to("4")
    (work.runs / "notes").mkdir()
    return work


@pytest.fixture(name="opened", autouse=True)
def watch_browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser was told to show."""
    opened: list[str] = []

    def show(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", show)
    return opened


def test_every_run_has_a_row(work: WorkDirectory) -> None:
    rows = run_rows(work)
    assert [row.run_id for row in rows] == ["1 & co", "2", "3", "4", "5", "6"]
    pushed, refused, failed, killed, strange, half = rows
    assert (pushed.status, pushed.blessed, pushed.pushed_version) == ("pushed", True, "7")
    assert (pushed.auc, pushed.films, pushed.seconds, pushed.root) == (0.9, 10, 3.5, "/films")
    assert pushed.link == "1%20%26%20co/report/index.html"
    assert (refused.sentence, refused.blessed, refused.link) == (WHY, False, "")
    assert math.isnan(refused.auc)
    assert (failed.status, failed.sentence) == ("failed", "no <b>films</b>")
    assert killed.sentence == NO_ACCOUNT
    assert strange.sentence.startswith("Its summary.json cannot be read")
    assert half.sentence.startswith("Its summary.json cannot be read")


def test_the_page_is_written_and_named(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str], opened: list[str]
) -> None:
    assert report.main(["index", f"--workdir={work.path}"]) == 0
    index = work.runs / "index.html"
    assert capsys.readouterr().out.strip() == str(index)
    assert opened == []  # not on a terminal
    text = index.read_text(encoding="utf-8")
    assert "no &lt;b&gt;films&lt;/b&gt;" in text
    for target in re.findall(r'href="([^"]*index\.html)"', text):
        assert (work.runs / target.replace("%20", " ").replace("%26", "&")).is_file()
    assert report.main(["index", f"--workdir={work.path}"]) == 0  # the index itself is no run


def test_a_browser_shows_it_when_asked(work: WorkDirectory, opened: list[str]) -> None:
    assert report.main(["index", f"--workdir={work.path}", "--open"]) == 0
    assert opened == [(work.runs / "index.html").as_uri()]


def test_without_a_browser_the_page_is_there(
    work: WorkDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(_: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "open", none)
    assert report.main(["index", f"--workdir={work.path}", "--open"]) == 0
    assert "no browser is at hand" in capsys.readouterr().err


def test_a_work_directory_without_runs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(["index", f"--workdir={tmp_path / 'none'}"]) == 1
    assert f"{tmp_path / 'none'} has no runs" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_best_is_the_highest_and_the_first_of_equals() -> None:
    aucs = {"a": 0.8, "b": 0.9, "c": 0.9}
    rows = [RunRow(name, "", metrics={"auc": auc}) for name, auc in aucs.items()]
    rows.insert(0, RunRow("d", "", metrics={"auc": math.nan}))
    best = best_of(rows)
    assert best is not None and best.run_id == "b"
    assert best_of(rows[:1]) is None
    assert auc_sparkline(rows[:1]) == ""
    assert auc_sparkline(rows).count("<svg") == 1
