"""One small run and its report, shared."""

from __future__ import annotations

import pytest

from components.report_gen.collect import collect
from components.report_gen.render import render
from components.report_gen.report import Report
from components.report_gen.sources import Source
from tests.unit.components.report_gen.small_run import GATES, write_run


@pytest.fixture(scope="package", name="sources")
def write_artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Artifacts of a run that was pushed."""
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="package", name="report")
def collect_run(sources: dict[str, Source]) -> Report:
    """All of it."""
    return collect(sources, GATES)


@pytest.fixture(scope="package", name="page")
def render_run(report: Report) -> str:
    """Its page."""
    return render(report)
