"""Shows a run's slices without writing code: a table, CSV and HTML.

python -m pipeline.report slices --workdir W
"""

from __future__ import annotations

import argparse
import html
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.verdicts import Verdict
from pipeline.audit_report import audit_html, audit_lines
from pipeline.drift_report import drift_lines
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from pipeline.progress import PLAIN_WIDTH
from pipeline.runs import write_text
from pipeline.slices import SliceMetrics, load_slices
from pipeline.style_report import style_lines, styles_html
from pipeline.summary import Summary, audited_intervals, read_audit
from radiographs.ignored import ignored_sentence

# Column title and TFMA's metric, in the order of the report.
COLUMNS = {
    "AUC": "auc",
    "recall": "recall",
    "specificity": "specificity",
    "precision": "precision",
    "F1": "f1_score",
    "accuracy": "binary_accuracy",
    "PR-AUC": "auc_precision_recall",
    "ECE": "expected_calibration_error",
    "Brier": "brier_score",
    "TP": "true_positives",
    "FP": "false_positives",
    "TN": "true_negatives",
    "FN": "false_negatives",
}
_TERMINAL_COLUMNS = ("AUC", "recall", "specificity", "precision", "F1", "accuracy", "ECE")
_WITH_INTERVAL = ("AUC", "recall")  # in the terminal, which is narrow
_COUNT_COLUMNS = ("TP", "FP", "TN", "FN")

_STYLE = """
img { max-width: 100% }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums;
        display: block; overflow-x: auto }
th, td { padding: .3rem .4rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
.failed { color: #b00020; font-weight: 600 } .passed { color: #1b6e3c }
.overruled { color: #8a5a00; font-weight: 600 }
small { color: #666 } td small { display: block; line-height: 1.1; white-space: nowrap }
"""


def slice_frame(slices: Sequence[SliceMetrics]) -> pd.DataFrame:
    """Returns one row a slice, with counts, metrics and interval bounds.

    Args:
        slices: Of `pipeline.slices.load_slices`.

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
    for line in (*_ignored_lines(summary), *drift_lines(summary.drift)):
        print_plain(line)
    console.print(slice_table(summary.slices))
    styles = summary.data.get("styles", [])
    for line in (*style_lines(styles, summary.slices), *audit_lines(summary.audit)):
        print_plain(line)
    for verdict in summary.verdicts:
        if not verdict.passed:
            print_plain(f"gate failed: {verdict.why}", style="red")
        elif verdict.accepted:
            print_plain(f"gate overruled: {verdict.why}", style="yellow")
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
        slices: Of `pipeline.slices.load_slices`.
        folder: Created if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    csv_file, html_file = folder / "slices.csv", folder / "slices.html"
    write_text(csv_file, slice_frame(slices).to_csv(index=False))
    _write_page(html_file, "Slices", _slices_html(slices))
    return csv_file, html_file


def write_report(summary: Summary, folder: Path) -> Path:
    """Writes the page of a run, `index.html`, and returns it.

    Args:
        summary: Of the run.
        folder: Created if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    _write_page(page, f"Run {summary.run_id}", _run_html(summary))
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the slices of a run and says where CSV and HTML are."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.report")
    commands = parser.add_subparsers(dest="command", required=True)
    slices = commands.add_parser(
        "slices", help="metrics by subtype, view, sex, age band, site, style"
    )
    slices.add_argument("--workdir", type=Path, default=Path("work"))
    slices.add_argument("--run", default="latest", metavar="ID", help="run id (latest)")
    flags = parser.parse_args(arguments)
    return _print_slices(WorkDirectory(flags.workdir.resolve()), flags.run)


def _print_slices(work: WorkDirectory, run: str) -> int:
    run_id = work.run(run).resolve().name  # `latest` is a link
    outputs = run_outputs(work.metadata, run_id)
    evaluation = outputs.get(("Evaluator", "evaluation"))
    if evaluation is None:
        print(f"{work.path} has no evaluated run '{run}'; look into {work.runs}", file=sys.stderr)
        return 1
    slices = load_slices(evaluation.uri, audited_intervals(read_audit(outputs)))
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


def _slices_html(slices: Sequence[SliceMetrics]) -> str:
    titles = ["slice", "films", "pneumonia", *COLUMNS]
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    return f"<table><tr>{head}</tr>{''.join(_row_html(one) for one in slices)}</table>"


def _row_html(one: SliceMetrics) -> str:
    cells = [html.escape(one.name), str(one.films), str(one.positives)]
    for title, metric in COLUMNS.items():
        if title in _COUNT_COLUMNS:
            cells.append(f"{one.metrics[metric]:.0f}")
        else:
            interval = _interval(one, metric)
            small = f"<small>{interval}</small>" if interval else ""
            cells.append(_cell(one, metric) + small)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _run_html(summary: Summary) -> str:
    gates = "".join(
        f'<li class="{_gate_class(verdict)}">{html.escape(verdict.why)}</li>'
        for verdict in summary.verdicts
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in summary.data.get("notes", []))
    durations = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{seconds:.1f} s</td></tr>"
        for name, seconds in summary.durations_seconds.items()
    )
    sections = [
        f'<p class="{"passed" if summary.pushed else "failed"}">{html.escape(summary.status)}'
        f" {html.escape(summary.pushed_version)}</p>",
        f"<h2>Data</h2>{_counts_html(summary)}<ul>{notes}</ul>",
        f"<h2>Slices</h2>{_slices_html(summary.slices)}" if summary.slices else "",
        styles_html(summary.data.get("styles", []), summary.slices, summary.styles_picture),
        audit_html(summary.audit, summary.swaps_picture),
        f"<h2>Gates</h2><p>{html.escape(_comparison_line(summary))}</p><ul>{gates}</ul>"
        if gates
        else "",
        f"<h2>Operating point</h2>{_operating_point_html(summary)}" if summary.training else "",
        f"<h2>Durations</h2><table>{durations}</table>" if durations else "",
        "<p><small>Research software to assist engineers and radiologists; "
        "not a medical device.</small></p>",
    ]
    return "".join(sections)


def _gate_class(verdict: Verdict) -> str:
    if verdict.accepted:
        return "overruled"
    return "passed" if verdict.passed else "failed"


def _counts_html(summary: Summary) -> str:
    images = summary.data.get("images", {})
    patients = summary.data.get("patients", {})
    rows = "".join(
        f"<tr><td>{split}</td><td>{count}</td><td>{patients.get(split, '')}</td></tr>"
        for split, count in images.items()
    )
    rejected = summary.data.get("rejected", 0)
    ignored = "".join(f"<p>{html.escape(line)}</p>" for line in _ignored_lines(summary))
    return (
        f"<table><tr><th>split</th><th>images</th><th>patients</th></tr>{rows}</table>"
        f"<p>{rejected} files quarantined</p>{ignored}"
    )


def _ignored_lines(summary: Summary) -> list[str]:
    """Returns what was set aside, as one line or none."""
    reasons = summary.data.get("ignored_reasons", {})
    line = ignored_sentence(reasons, summary.data.get("ignored_folders", {}))
    return [line] if line else []


def _operating_point_html(summary: Summary) -> str:
    point = summary.training["operating_point"]
    return (
        f"<p>PNEUMONIA from a calibrated probability of {point['threshold']:.4f}; on the eval "
        f"split that gives sensitivity {point['sensitivity']:.4f} and specificity "
        f"{point['specificity']:.4f}.</p>"
    )


def _write_page(file: Path, title: str, body: str) -> None:
    write_text(
        file,
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>\n",
    )


if __name__ == "__main__":
    sys.exit(main())
