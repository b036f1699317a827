"""`python -m pipeline.report compare`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.report_gen.collect import collect
from components.report_gen.performance import performance_of
from components.report_gen.report import Report, RunFacts
from pipeline import compare, report
from pipeline.locations import WorkDirectory
from pipeline.runs import Run
from tests.unit.components.report_gen.small_run import GATES, draw_predictions, write_run

SETTING = "[bold]a"  # which rich would take for a style


@pytest.fixture(scope="module", name="drawn")
def collect_run(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The drawn run."""
    return collect(write_run(tmp_path_factory.mktemp("drawn")), GATES, band_samples=10)


@pytest.fixture(name="work")
def make_work(tmp_path: Path, drawn: Report, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    """Three runs: two with other settings and thresholds, and one that stopped early."""
    work = WorkDirectory(tmp_path / "work")
    films = draw_predictions()
    films["predicted_label"] = films["probability"].map(
        lambda one: "PNEUMONIA" if one >= 0.7 else "NORMAL"
    )
    reports = {
        "a": drawn,
        "b": replace(drawn, performance=performance_of(films, 10)),
        "early": Report(),
    }
    for name in reports:
        (work.run(name)).mkdir(parents=True)
        (work.run(name) / "config.json").write_text("{}")
    (work.runs / "latest").symlink_to("b")

    def report_of(_: WorkDirectory, run: Run, data_root: str) -> Report:
        facts = RunFacts(run.run_id, configuration={SETTING: run.run_id, "root": data_root})
        return replace(reports[run.run_id], run=facts)

    monkeypatch.setattr(compare, "report_of", report_of)
    return work


def call(work: WorkDirectory, *arguments: str) -> int:
    return report.main(["compare", *arguments, f"--workdir={work.path}"])


def test_tables_page_and_json(
    work: WorkDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, numbers = tmp_path / "both.html", tmp_path / "both.json"
    assert call(work, "a", "latest", f"--html={page}", f"--json={numbers}") == 0
    told = json.loads(numbers.read_text(encoding="utf-8"))
    shown = capsys.readouterr().out
    films = draw_predictions()
    changed = int(films["probability"].between(0.45, 0.7, inclusive="left").sum())
    assert len(told["changed"]) == changed > 3
    assert told["runs"] == ["a", "b"]
    assert f"{changed} are called otherwise" in shown
    assert SETTING in shown
    recall = told["metrics"]["recall"]
    assert f"{recall['before']:.3f}" in shown and f"{recall['change']:+.3f}" in shown
    assert recall["change"] < 0 and told["metrics"]["auc"]["change"] == 0
    assert page.read_text(encoding="utf-8").count("data-sha256") == changed


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        (("a", "c"), "has no run 'c'; look into"),
        (("a", ".."), "has no run '..'"),
        (("early", "a"), "Run early has no audit with scored test films"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    work: WorkDirectory,
    capsys: pytest.CaptureFixture[str],
    runs: tuple[str, str],
    sentence: str,
) -> None:
    assert call(work, *runs) == 1
    told = capsys.readouterr()
    assert sentence in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


def test_a_file_that_cannot_be_written_is_named(
    work: WorkDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "none" / "both.html"
    assert call(work, "a", "b", f"--html={page}") == 1
    assert f"{page} cannot be written: No such file" in capsys.readouterr().err
