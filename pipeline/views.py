"""TFMA's plots and TFDV's statistics of a run, as pages that open from disk.

python -m pipeline.report plots --workdir W
python -m pipeline.report statistics --workdir W
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.report_gen.distributions import read_statistics
from components.report_gen.tfma_plots import read_plots
from components.report_gen.views import plots_page, statistics_page
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from pipeline.runs import Run, write_text

EVALUATION = ("Evaluator", "evaluation")


@dataclass(frozen=True)
class _View:
    """A page of what a component has put out.

    Attributes:
        name: Of the command and, with `.html`, of the page.
        words: What it shows.
        output: Component id and output name.
        kind: What a run is, in words, that has that output.
        page: From the folder of the artifact and the run id to HTML.
    """

    name: str
    words: str
    output: tuple[str, str]
    kind: str
    page: Callable[[str, str], str]


_VIEWS = (
    _View(
        "plots",
        "TFMA's curves, calibration, confusion by slice",
        EVALUATION,
        "evaluated run",
        lambda uri, run_id: plots_page(read_plots(uri), run_id),
    ),
    _View(
        "statistics",
        "TFDV's statistics of every feature",
        ("StatisticsGen", "statistics"),
        "run with statistics",
        lambda uri, run_id: statistics_page(read_statistics(uri), run_id),
    ),
)


def add_views(commands: Any) -> None:
    """Adds the commands to a parser of `pipeline.report`."""
    for view in _VIEWS:
        parser = commands.add_parser(view.name, help=view.words)
        add_run_flags(parser)
        parser.set_defaults(show=partial(_write, view))


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


def _write(view: _View, work: WorkDirectory, flags: argparse.Namespace) -> int:
    found = output_of_run(work, flags.run, view.output, view.kind)
    if found is None:
        return 1
    run_id, uri = found
    folder = Run(run_id, work.run(run_id)).report_folder
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{view.name}.html"
    write_text(file, view.page(uri, run_id))
    print(file)
    return 0
