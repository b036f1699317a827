"""An index of all runs of a work directory, as one page that leads to theirs.

python -m pipeline.report index --workdir W
"""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.report_gen.all_runs import RunRow, row_of
from components.report_gen.executor import PAGE_FILE
from components.report_gen.render import all_runs_page
from pipeline.locations import WorkDirectory
from pipeline.runs import CONFIG_FILE, SUMMARY_FILE, Run, write_text

_UNREADABLE = (AttributeError, LookupError, OSError, TypeError, ValueError)


def add_index(commands: Any) -> None:
    """Adds the command to a parser of `pipeline.report`."""
    parser = commands.add_parser("index", help="all runs of a work directory, on one page")
    parser.add_argument("--workdir", type=Path, default=Path("work"))
    parser.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show it in a browser (on a terminal)",
    )
    parser.set_defaults(show=print_index)


def print_index(work: WorkDirectory, flags: argparse.Namespace) -> int:
    """Writes the index, says where it is and opens it.

    Args:
        work: Of the runs.
        flags: `open`; None means on a terminal only.

    Returns:
        Exit status: 1 where there is no run or the index cannot be written, which is said.
    """
    if not work.runs.is_dir():
        print(f"{work.path} has no runs; start one, or give another --workdir", file=sys.stderr)
        return 1
    try:
        index = write_index(work)
    except OSError as error:
        print(f"{work.runs} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(index)
    if sys.stdout.isatty() if flags.open is None else flags.open:
        _open(index)
    return 0


def write_index(work: WorkDirectory) -> Path:
    """Writes `runs/index.html` and returns it.

    Args:
        work: Of the runs.
    """
    index = work.runs / PAGE_FILE
    write_text(index, all_runs_page(run_rows(work), str(work.path)))
    return index


def run_rows(work: WorkDirectory) -> list[RunRow]:
    """Returns all runs of a work directory, the oldest first.

    Args:
        work: Of the runs.
    """
    folders = [
        one
        for one in work.runs.iterdir()
        if one.is_dir() and not one.is_symlink() and (one / CONFIG_FILE).is_file()
    ]
    return [_row(Run(folder.name, folder)) for folder in sorted(folders)]


def _row(run: Run) -> RunRow:
    page = run.report_folder / PAGE_FILE
    link = quote(f"{run.run_id}/{page.relative_to(run.folder)}") if page.is_file() else ""
    try:
        text = run.summary_file.read_text(encoding="utf-8") if run.summary_file.exists() else ""
        return row_of(run.run_id, json.loads(text) if text else None, link)
    except _UNREADABLE as error:
        return RunRow(
            run.run_id, "no account", f"Its {SUMMARY_FILE} cannot be read: {error}.", link=link
        )


def _open(index: Path) -> None:
    try:
        webbrowser.open(index.as_uri())
    except webbrowser.Error:
        print("no browser is at hand; open the file in one", file=sys.stderr)
