"""Shows runs without writing code: slices, plots, statistics of one, two side by side, all of them.

python -m pipeline.report slices --workdir W
python -m pipeline.report plots --workdir W
python -m pipeline.report statistics --workdir W
python -m pipeline.report compare RUN RUN --workdir W
python -m pipeline.report index --workdir W
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.evaluation.slices import SliceMetrics, load_slices
from components.report_gen.audit_words import audit_lines, ungated_lines
from components.report_gen.collect import audited_intervals, read_audit
from components.report_gen.drift_words import drift_lines
from components.report_gen.label_words import label_lines
from components.report_gen.render import slices_page
from components.report_gen.sections import COLUMNS
from components.report_gen.style_words import style_lines
from pipeline.browse import add_index
from pipeline.compare import add_compare
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from pipeline.progress import PLAIN_WIDTH
from pipeline.runs import write_text
from pipeline.summary import Summary
from pipeline.views import EVALUATION, add_run_flags, add_views, output_of_run
from radiographs.ignored import ignored_sentence

_TERMINAL_COLUMNS = ("AUC", "recall", "specificity", "precision", "F1", "accuracy", "ECE")
_WITH_INTERVAL = ("AUC", "recall")  # in the terminal, which is narrow


def slice_frame(slices: Sequence[SliceMetrics]) -> pd.DataFrame:
    """Returns one row a slice, with counts, metrics and interval bounds.

    Args:
        slices: Of `components.evaluation.slices.load_slices`.

    Returns:
        Frame with the columns `slice`, `films`, `pneumonia`, those of `COLUMNS` and
        `<column> low`, `<column> high` for metrics that have an interval.
    """
    rows = []
    for one in slices:
        row: dict[str, float | str] = {
            "slice": one.name,
            "films": one.films,
            "pneumonia": one.positives,
        }
        for title, metric in COLUMNS.items():
            row[title] = one.metrics[metric]
            if metric in one.intervals:
                row[f"{title} low"], row[f"{title} high"] = one.intervals[metric]
        rows.append(row)
    return pd.DataFrame(rows)


def slice_table(slices: Sequence[SliceMetrics]) -> Table:
    """Returns the slices as a table for the terminal, with 95 % intervals of AUC and recall."""
    table = Table(title="Test films, at the operating point", title_justify="left")
    table.add_column("slice", no_wrap=True)
    for title in ("films", "pneumonia", *_TERMINAL_COLUMNS):
        table.add_column(title, justify="right", no_wrap=True)
    for one in slices:
        cells = [
            f"{_cell(one, COLUMNS[title])} {_interval(one, COLUMNS[title])}".strip()
            if title in _WITH_INTERVAL
            else _cell(one, COLUMNS[title])
            for title in _TERMINAL_COLUMNS
        ]
        table.add_row(escape(one.name), str(one.films), str(one.positives), *cells)
    return table


def show(summary: Summary, console: Console, serving_root: Path, page: Path) -> None:
    """Prints what came of a run: slices, gates, where the model went.

    Args:
        summary: Of the run.
        console: Of the terminal.
        serving_root: Holds the pushed versions.
        page: The report.
    """
    counts = ", ".join(f"{split} {count:,}" for split, count in summary.data["images"].items())
    print_plain = partial(console.print, markup=False)
    print_plain(f"films: {counts}; quarantined {summary.data['rejected']:,}")
    told = (_ignored_lines(summary), drift_lines(summary.drift), label_lines(summary.labels))
    for line in chain(*told):
        print_plain(line)
    console.print(slice_table(summary.slices))
    styles, agreement = summary.data.get("styles", []), summary.data.get("style_agreement")
    for line in (*style_lines(styles, agreement, summary.slices), *audit_lines(summary.audit)):
        print_plain(line)
    for verdict in summary.verdicts:
        if not verdict.passed:
            print_plain(f"gate failed: {verdict.why}", style="red")
        elif verdict.accepted:
            print_plain(f"gate overruled: {verdict.why}", style="yellow")
    for line in ungated_lines(summary.audit):
        print_plain(line, style="yellow")
    print_plain(_comparison_line(summary))
    passed = sum(verdict.passed for verdict in summary.verdicts)
    overruled = sum(bool(verdict.accepted) for verdict in summary.verdicts)
    others = f", {overruled} overruled" if overruled else ""
    print_plain(f"{passed - overruled} of {len(summary.verdicts)} gates passed{others}")
    if summary.pushed:
        print_plain(f"pushed {serving_root / summary.pushed_version}")
    else:
        reason = "it cannot be served, see the log" if summary.blessed else "a gate failed"
        print_plain(f"not pushed: {reason}; {serving_root} is as it was")
    print_plain(f"report {page}")


def write_slices(slices: Sequence[SliceMetrics], folder: Path) -> tuple[Path, Path]:
    """Writes `slices.csv` and `slices.html` and returns both.

    Args:
        slices: Of `components.evaluation.slices.load_slices`.
        folder: Created if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    csv_file, html_file = folder / "slices.csv", folder / "slices.html"
    write_text(csv_file, slice_frame(slices).to_csv(index=False))
    write_text(html_file, slices_page(slices))
    return csv_file, html_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.report")
    commands = parser.add_subparsers(dest="command", required=True)
    slices = commands.add_parser(
        "slices", help="metrics by subtype, view, sex, age band, site, style"
    )
    add_run_flags(slices)
    slices.set_defaults(show=_print_slices)
    add_views(commands)
    add_compare(commands)
    add_index(commands)
    flags = parser.parse_args(arguments)
    status: int = flags.show(WorkDirectory(flags.workdir.resolve()), flags)
    return status


def _print_slices(work: WorkDirectory, flags: argparse.Namespace) -> int:
    found = output_of_run(work, flags.run, EVALUATION, "evaluated run")
    if found is None:
        return 1
    run_id, evaluation = found
    outputs = run_outputs(work.metadata, run_id)
    audit = outputs.get(("Auditor", "audit"))
    intervals = audited_intervals(read_audit(audit.uri)) if audit else {}
    slices = load_slices(evaluation, intervals)
    csv_file, html_file = write_slices(slices, work.run(run_id) / "report")
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    console.print(slice_table(slices))
    console.print(f"CSV   {csv_file}\nHTML  {html_file}", highlight=False, markup=False)
    return 0


def _comparison_line(summary: Summary) -> str:
    if summary.comparison is None:
        return "no earlier blessed model to compare with"
    return summary.comparison.why


def _cell(one: SliceMetrics, metric: str) -> str:
    value = one.metrics[metric]
    return "-" if math.isnan(value) else f"{value:.3f}"


def _interval(one: SliceMetrics, metric: str) -> str:
    low, high = one.intervals.get(metric, (math.nan, math.nan))
    return "" if math.isnan(low) else f"{low:.3f}-{high:.3f}"


def _ignored_lines(summary: Summary) -> list[str]:
    """Returns what was set aside, as one line or none."""
    reasons = summary.data.get("ignored_reasons", {})
    line = ignored_sentence(reasons, summary.data.get("ignored_folders", {}))
    return [line] if line else []


if __name__ == "__main__":
    sys.exit(main())
