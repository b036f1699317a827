"""The page of a run that stopped early, and what the metadata store adds to any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import run_report
from pipeline.config import load_config
from pipeline.locations import WorkDirectory
from pipeline.run_report import report_of, with_files, write_failed_page
from pipeline.runs import Run, open_run

REASON = "the data breaks its contract:\n  - train, label: <b>none</b>"
FILES = {
    "anomalies.json": json.dumps([{"where": "train", "what": "label", "why": "<i>there is none"}]),
    "quarantine.csv": "path,reason\n<u>.png,blank\n",
}


@pytest.fixture(name="work")
def make_work(tmp_path: Path) -> WorkDirectory:
    """A work directory in which no component has run."""
    return WorkDirectory(tmp_path / "work")


@pytest.fixture(name="run")
def start_run(work: WorkDirectory) -> Run:
    """A run of it."""
    return open_run(work, load_config(overrides=["train.epochs=7"]))


def test_a_run_that_the_data_gate_stopped_has_a_page(work: WorkDirectory, run: Run) -> None:
    page = write_failed_page(work, run, "/films/<s>", REASON, FILES)
    assert page == run.report_folder / "index.html"
    text = page.read_text(encoding="utf-8")
    assert "Not pushed: the run stopped early" in text
    assert "The run stopped early: the data breaks its contract." in text
    assert "train, label: &lt;i&gt;there is none" in text
    assert "<td>&lt;u&gt;.png</td>" in text
    assert "/films/&lt;s&gt;" in text
    assert "There is no trace of the evaluation." in text


def test_configuration_and_code_are_in_the_lineage(work: WorkDirectory, run: Run) -> None:
    report = report_of(work, run, "/films")
    assert report.run.configuration["train.epochs"] == "7"
    assert report.run.run_id == run.run_id
    lineage = dict(report.run.lineage)
    assert lineage["data root"] == "/films"
    assert len(lineage["code, SHA-256 begins with"]) == 16
    assert lineage["compared with"] == "no earlier model"


def test_files_of_other_names_add_nothing(work: WorkDirectory, run: Run) -> None:
    report = report_of(work, run, "/films")
    assert with_files(report, {"other.txt": "{"}) == report


def test_where_the_page_cannot_be_written_the_run_still_ends(
    work: WorkDirectory,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(run_report, "write_text", full)
    assert write_failed_page(work, run, "/films", REASON, {}) is None
    assert "the report cannot be written" in caplog.text
