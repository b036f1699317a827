"""TFMA's plots and TFDV's statistics of a run, as pages that open from disk.

python -m pipeline.report plots --workdir W
python -m pipeline.report statistics --workdir W
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from components.report_gen.distributions import read_statistics
from components.report_gen.tfma_plots import read_plots
from components.report_gen.views import plots_page, statistics_page
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from pipeline.runs import Run, write_text

EVALUATION = ("Evaluator", "evaluation")
STATISTICS = ("StatisticsGen", "statistics")

PLOTS_FILE = "plots.html"
STATISTICS_FILE = "statistics.html"


def add_views(commands: Any) -> None:
    """Adds the commands to a parser of `pipeline.report`."""
    plots = commands.add_parser("plots", help="TFMA's curves, calibration, confusion by slice")
    statistics = commands.add_parser("statistics", help="TFDV's statistics of every feature")
    for parser, show in ((plots, _write_plots), (statistics, _write_statistics)):
        add_run_flags(parser)
        parser.set_defaults(show=show)


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say which run is shown."""
    parser.add_argument("--workdir", type=Path, default=Path("work"))
    parser.add_argument("--run", default="latest", metavar="ID", help="run id (latest)")


def output_of_run(
    work: WorkDirectory, run: str, output: tuple[str, str], kind: str
) -> tuple[str, str] | None:
    """Finds what a component of a run has put out.

    Args:
        work: Of the runs.
        run: Run id, or `latest`.
        output: Component id and output name.
        kind: What the run is, in words, where it has that output.

    Returns:
        The run id and the folder of the artifact; None where there is none, which is said.
    """
    run_id = work.run(run).resolve().name  # `latest` is a link
    found = run_outputs(work.metadata, run_id).get(output)
    if found is None:
        print(f"{work.path} has no {kind} '{run}'; look into {work.runs}", file=sys.stderr)
        return None
    return run_id, found.uri


def _write_plots(work: WorkDirectory, flags: argparse.Namespace) -> int:
    found = output_of_run(work, flags.run, EVALUATION, "evaluated run")
    if found is None:
        return 1
    run_id, uri = found
    return _write(work, run_id, PLOTS_FILE, plots_page(read_plots(uri), run_id))


def _write_statistics(work: WorkDirectory, flags: argparse.Namespace) -> int:
    found = output_of_run(work, flags.run, STATISTICS, "run with statistics")
    if found is None:
        return 1
    run_id, uri = found
    return _write(work, run_id, STATISTICS_FILE, statistics_page(read_statistics(uri), run_id))


def _write(work: WorkDirectory, run_id: str, name: str, page: str) -> int:
    folder = Run(run_id, work.run(run_id)).report_folder
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / name, page)
    print(folder / name)
    return 0
