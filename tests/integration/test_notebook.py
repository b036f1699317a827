"""The notebook, executed over the run that the tests share."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support import ROOT, LocalRun, open_store

NOTEBOOK = ROOT / "notebooks" / "run.ipynb"
TIMEOUT_SECONDS = 300


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def text_of(cell: nbformat.NotebookNode) -> str:
    """Returns what a cell shows, as HTML where it has some."""
    shown = [output.get("data", {}) for output in cell.outputs]
    return "".join(one.get("text/html", one.get("text/plain", "")) for one in shown)


@pytest.fixture(scope="module", name="shown")
def execute(pushed: LocalRun) -> dict[str, str]:
    """What the cells show, by the heading that they stand under."""
    notebook = read()
    (parameters,) = (one for one in notebook.cells if "parameters" in one.metadata.get("tags", []))
    workdir, run = str(pushed.work.path), pushed.latest
    parameters.source = f"from pathlib import Path\nWORKDIR = Path({workdir!r})\nRUN = {run!r}"
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=TIMEOUT_SECONDS, resources=where).execute()
    heading, shown = "", dict[str, str]()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = re.match("#+ (.*)", cell.source)
            heading = found[1] if found else heading
        else:
            shown[heading] = shown.get(heading, "") + text_of(cell)
    return shown


def test_it_is_committed_without_what_it_has_shown() -> None:
    for cell in read().cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_it_opens_the_statistics(pushed: LocalRun, shown: dict[str, str]) -> None:
    images = pushed.summary["data"]["images"]
    for split, films in images.items():
        assert f"{split} {films} films" in shown["Statistics"]
    assert "facets-overview" in shown["Statistics"]  # TFDV's own view


def test_it_opens_the_evaluation(pushed: LocalRun, shown: dict[str, str]) -> None:
    overall = pushed.summary["metrics"]["overall"]
    assert f"<td>{overall['auc']:.3f}".rstrip("0") in shown["Evaluation"]
    for name in pushed.summary["metrics"]["slices"]:
        assert f"<td>{name}</td>" in shown["Evaluation"]
    assert "SlicingMetricsViewer" in shown["Evaluation"]  # TFMA's own view
    assert "ROC curve, area" in shown["Evaluation"]


def test_it_opens_the_lineage(pushed: LocalRun, shown: dict[str, str]) -> None:
    lineage = shown["Lineage"]
    for component in pushed.summary["durations_seconds"]:
        assert f"<td>{component}</td>" in lineage
    by_uri = {one.uri: one.id for one in open_store(pushed).get_artifacts()}
    for component, output in (
        ("RadiographExampleGen", "examples"), ("Transform", "transform_graph"),
        ("Tuner", "best_hyperparameters"),
    ):  # fmt: skip
        uri = str(pushed.uri(component, output))
        assert f"{output} #{by_uri[uri]}" in lineage
        assert f"<td>{by_uri[uri]}</td>" in lineage.rpartition("<table")[2]
    later = by_uri[str(pushed.uri("Evaluator", "evaluation"))]
    assert f"<td>{later}</td>" not in lineage.rpartition("<table")[2]


def test_it_lies_where_the_readme_says() -> None:
    named = re.findall(r"notebooks/\S+?\.ipynb", (ROOT / "README.md").read_text(encoding="utf-8"))
    there = {f"notebooks/{one.name}" for one in NOTEBOOK.parent.glob("*.ipynb")}
    assert set(named) == there == {"notebooks/run.ipynb"}
