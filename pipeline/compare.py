"""Two runs of a work directory side by side, as a table, as HTML and as JSON.

python -m pipeline.report compare RUN RUN --workdir W
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.report_gen.environment import number, signed
from components.report_gen.render import compare_page
from components.report_gen.report import Report
from components.report_gen.sections import METRIC_TITLES
from components.report_gen.two_runs import TwoRuns, compare
from pipeline.locations import WorkDirectory
from pipeline.progress import PLAIN_WIDTH
from pipeline.run_report import report_of
from pipeline.runs import CONFIG_FILE, SUMMARY_FILE, Run, write_json, write_text

_MOST_LISTED = 20  # films in the terminal


def add_compare(commands: Any) -> None:
    """Adds the command to a parser of `pipeline.report`."""
    parser = commands.add_parser("compare", help="two runs: settings, metrics, changed films")
    parser.add_argument("runs", nargs=2, metavar="RUN", help="run id, or latest")
    parser.add_argument("--workdir", type=Path, default=Path("work"))
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers")
    parser.set_defaults(show=print_comparison)


def print_comparison(work: WorkDirectory, flags: argparse.Namespace) -> int:
    """Prints two runs side by side and writes what was asked for.

    Args:
        work: Of the runs.
        flags: `runs`, `html`, `json`.

    Returns:
        Exit status: 1 where they cannot be compared, which is said in a sentence.
    """
    try:
        before, after = (_report(work, run) for run in flags.runs)
        both = compare(before, after)
        files = _write(both, flags.html, flags.json)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    for table in (settings_table(both), metrics_table(both), changed_table(both)):
        console.print(table)
    console.print(both.sentence, markup=False, highlight=False)
    for file in files:
        console.print(str(file), markup=False, highlight=False)
    return 0


def settings_table(both: TwoRuns) -> Table:
    """Returns the settings that differ."""
    table = _table("Settings that differ", "setting", *both.names)
    for row in both.settings:
        table.add_row(*map(escape, row))
    return table


def metrics_table(both: TwoRuns) -> Table:
    """Returns the metrics on the common films, with the 95 % interval of each change."""
    columns = ("metric", *both.names, "change", "95 % interval", "p")
    table = _table(f"Metrics on {both.common:,} common test films", *columns)
    for name, one in both.metrics.items():
        bounds = " to ".join(map(signed, one.interval)) if one.interval else "-"
        values = (number(one.before), number(one.after), signed(one.change), bounds)
        table.add_row(METRIC_TITLES[name], *values, number(one.p_value))
    return table


def changed_table(both: TwoRuns) -> Table:
    """Returns the films that moved most of those that are called otherwise."""
    shown = both.changed[:_MOST_LISTED]
    title = f"Films that are called otherwise: {len(shown)} of {len(both.changed)}"
    table = _table(title, "file", "is", *both.names)
    for film in shown:
        calls = [
            f"{called} {number(probability)}"
            for called, probability in zip(film.called, film.probabilities, strict=True)
        ]
        table.add_row(film.sha256[:16], film.label, *calls)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(escape(column))
    return table


def _report(work: WorkDirectory, run: str) -> Report:
    folder = work.run(run).resolve()  # `latest` is a link
    if folder.parent != work.runs.resolve() or not (folder / CONFIG_FILE).is_file():
        raise ValueError(f"{work.path} has no run '{run}'; look into {work.runs}")
    summary = folder / SUMMARY_FILE
    told = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else {}
    return report_of(work, Run(folder.name, folder), told.get("data", {}).get("root", ""))


def _write(both: TwoRuns, page: Path | None, numbers: Path | None) -> list[Path]:
    writers = {
        page: lambda file: write_text(file, compare_page(both)),
        numbers: lambda file: write_json(file, both.to_json()),
    }
    written = []
    for file, write in writers.items():
        if file is None:
            continue
        try:
            write(file)
        except OSError as error:
            raise ValueError(
                f"{file} cannot be written: {error.strerror}; give another file"
            ) from None
        written.append(file)
    return written
