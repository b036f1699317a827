"""An inspection for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from radiographs.ignored import ignored_sentence
from radiographs.inspect.sentences import (
    group_lines,
    known_lines,
    layout_lines,
    printable,
    quarantine_line,
    size_lines,
    verdict,
)

_SHOWN = 5  # files of a list; the JSON file has all


def show(values: Mapping[str, Any], console: Console) -> None:
    """Prints what `findings` gives.

    Args:
        values: Of `radiographs.inspect.findings`.
        console: Of the terminal.
    """
    style = "red" if values["would_stop"] else "green"
    _print(console, verdict(values), style=f"bold {style}")
    for stop in values["stops"]:
        for line in f"{stop['step']}: {stop['why']}".split("\n"):
            _print(console, line, style="red")
    if "films" not in values:
        return
    for line in layout_lines(values):
        _print(console, line)
    console.print(_table(values["counts"]))
    for line in (*known_lines(values), *size_lines(values), *group_lines(values)):
        _print(console, line)
    _show_files(console, quarantine_line(values), values["quarantine"])
    ignored = ignored_sentence(values.get("ignored_reasons", {}), values.get("ignored_folders", {}))
    _show_files(console, ignored, values["ignored_files"])
    for note in values["notes"]:
        _print(console, note)
    for line in values["not_checked"]:
        _print(console, f"not checked: {line}", style="dim")


def _table(counts: Sequence[Mapping[str, Any]]) -> Table:
    table = Table()
    table.add_column("split")
    table.add_column("class")
    table.add_column("films", justify="right")
    table.add_column("patients", justify="right")
    for row in counts:
        table.add_row(row["split"], row["label"], f"{row['films']:,}", f"{row['patients']:,}")
    return table


def _show_files(console: Console, line: str, files: Sequence[Mapping[str, str]]) -> None:
    if not files:
        return
    _print(console, line)
    for file in files[:_SHOWN]:
        _print(console, f"  {file['path']}: {file['reason']}", style="dim")
    if len(files) > _SHOWN:
        _print(console, f"  and {len(files) - _SHOWN:,} more, see --json", style="dim")


def _print(console: Console, line: str, style: str = "") -> None:
    console.print(Text(printable(line), style=style))
