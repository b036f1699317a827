"""From records of runs to Markdown: spread over seeds, audits, wall time, ablations.

The interval of a mean is Student's: it tells how much another set of seeds may differ, and
nothing of other films. That is what the intervals in each run's report are for.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality_runs import Record
from components.auditor.findings import OTHER_FRAME, SAME_FRAME, UNCHANGED
from metrics.spread import Spread, spread
from models import features

TEST = "test split"

_UNDEFINED = "n/a"
_PREPARED = "Transform"  # the component that the cache answers for where the films are prepared
_LEAST_OF_A_CLASS = 5  # films of a style, below which its AUC says next to nothing
_DATA_SPLITS = ("train", "eval", "test")


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        label: For people.
        key: In `summary.json`.
        higher_is_better: Which end is the worst.
    """

    label: str
    key: str
    higher_is_better: bool = True


AUC = Metric("AUC", "auc")
_SPECIFICITY = Metric("specificity", "specificity")
CALIBRATION = Metric("calibration error", "expected_calibration_error", higher_is_better=False)
METRICS = (
    AUC,
    Metric("accuracy", "binary_accuracy"),
    Metric("sensitivity", "recall"),
    _SPECIFICITY,
    CALIBRATION,
    Metric("Brier score", "brier_score", higher_is_better=False),
)
_COMPARED = METRICS[:5]  # in the table of ablations
_SPREAD_COLUMNS = ("mean", "std. dev.", "95 % interval of the mean", "worst seed")


@dataclass(frozen=True)
class Ablation:
    """A row of the table of ablations.

    Attributes:
        name: What is changed.
        settings: The change, by dotted name.
        records: Of the seeds of the standard, in the same order.
    """

    name: str
    settings: Mapping[str, Any]
    records: Sequence[Record]


def metric_of(record: Record, films: str, key: str) -> float:
    """Returns a metric on the test split or another site; NaN where it is undefined."""
    on_test = films == TEST
    metrics = record.summary["metrics"]["overall"] if on_test else record.external[films]["metrics"]
    return _number(metrics.get(key))


def worst_shift(record: Record, key: str) -> float:
    """Returns the lowest value of a metric under a change; NaN without a shift audit."""
    changed = [shift for shift in _audit(record, "shifts") if shift["name"] != UNCHANGED]
    return float(np.min([_number(shift[key]) for shift in changed])) if changed else math.nan


def worst_style(record: Record, metric: Metric) -> float:
    """Returns the worst value of a metric in a style of acquisition.

    Args:
        record: Of a run.
        metric: Of which the worst is the lowest, or the highest.

    Returns:
        Of the styles with at least `_LEAST_OF_A_CLASS` test films of each class; NaN where there
        is none. The calibration error of few films is large by chance, so that this one tells two
        models apart, and not how well either is calibrated.
    """
    values = [
        _number(one[metric.key])
        for one in _slices(record, features.STYLE).values()
        if _LEAST_OF_A_CLASS <= one["pneumonia_films"] <= one["films"] - _LEAST_OF_A_CLASS
    ]
    return (min if metric.higher_is_better else max)(values, default=math.nan)


def quality_report(records: Sequence[Record]) -> str:
    """Returns the tables of one variant: metrics, audits, wall time.

    Args:
        records: One a seed, all with the same external films.
    """
    sections = [
        _metric_table(records),
        _group_table(records),
        _shift_table(records),
        _swap_table(records),
        _control_table(records),
        _wall_time(records),
    ]
    return "\n\n".join(sections)


def ablation_report(
    standard: Sequence[Record], rows: Sequence[Ablation], left_out: Mapping[str, str]
) -> str:
    """Returns the table of ablations and how to read it.

    Args:
        standard: Records that the rows are compared with, one a seed.
        rows: What was changed.
        left_out: Names of rows that were not trained, with the reason.
    """
    external = list(standard[0].external)
    values: dict[str, Callable[[Record], float]] = {
        metric.label: _on(TEST, metric.key) for metric in _COMPARED
    }
    for metric in (AUC, _SPECIFICITY):
        values[f"worst acquisition change {metric.label}"] = _worst(metric.key)
    for metric in (AUC, CALIBRATION):
        values[f"worst style {metric.label}"] = _in_worst_style(metric)
    values.update({name: _swapped(name, "auc") for name in (SAME_FRAME, OTHER_FRAME)})
    values.update({f"{name} AUC": _on(name, "auc") for name in external})

    epochs = standard[0].summary["hyperparameters"]["train"]["epochs"]
    first = [_cell(_over(standard, value).mean) for value in values.values()]
    table = [["standard", "", *first, _training_minutes(standard)]]
    for row in rows:
        changes = [_change(standard, row.records, value) for value in values.values()]
        settings = ", ".join(f"`{name}={value}`" for name, value in row.settings.items())
        table.append([row.name, settings, *changes, _training_minutes(row.records)])
    lines = [
        f"Ablations at {epochs} epochs, seeds {_seeds(standard)}, one choice at a time. The first "
        "row holds values; the others hold the mean difference to it at the same seed, ± half of "
        "the 95 % t-interval of that mean.",
        "",
        *_table(["changed", "settings", *values, "training, min"], table, text_columns=2),
    ]
    if left_out:
        named = "; ".join(f"{name} ({reason})" for name, reason in left_out.items())
        lines += ["", f"Left out: {named}."]
    return "\n".join(lines)


def heading(
    command: str, records: Sequence[Record], machine: Mapping[str, str], fingerprint: str
) -> str:
    """Returns what a reader needs to repeat the numbers.

    Args:
        command: As typed.
        records: Of the standard.
        machine: Name and value of what describes it.
        fingerprint: Of the code.
    """
    lines = [
        f"- Command: `{command}`",
        f"- Films: {_film_counts(records[0])}",
        f"- Seeds: {_seeds(records)}, which set weights, order and augmentation; the splits stay",
        f"- Machine: {', '.join(f'{name} {value}' for name, value in machine.items())}",
        f"- Date: {datetime.date.today().isoformat()}; code fingerprint `{fingerprint}`",
    ]
    return "\n".join(lines)


def _film_counts(record: Record) -> str:
    data = record.summary["data"]
    splits = ", ".join(
        f"{split} {data['images'][split]:,} ({data['patients'][split]:,} patients)"
        for split in _DATA_SPLITS
    )
    sites = (
        f"; {name} {site['films']:,}, {site['rejected']:,} rejected"
        for name, site in record.external.items()
    )
    return f"{splits}, {data['rejected']:,} rejected{''.join(sites)}"


def _metric_table(records: Sequence[Record]) -> str:
    rows = [
        [films, metric.label, *_spread_cells(records, _on(films, metric.key), metric)]
        for films in (TEST, *records[0].external)
        for metric in METRICS
    ]
    if not any(math.isnan(_subtype_auc(record)) for record in records):
        cells = _spread_cells(records, _subtype_auc, AUC)
        rows.append([TEST, "bacterial against viral AUC", *cells])
    return "\n".join(_table(["films", "metric", *_SPREAD_COLUMNS], rows, text_columns=2))


def _group_table(records: Sequence[Record]) -> str:
    """Returns a row for each style and site where there are several, which all seeds share."""
    rows = []
    for group in (features.STYLE, features.SITE):
        of_first = _slices(records[0], group)
        if len(of_first) < 2:
            continue
        for name, one in of_first.items():
            means = (_over(records, _in_group(group, name, metric)).mean for metric in _COMPARED)
            rows.append([name, str(one["films"]), str(one["pneumonia_films"]), *map(_cell, means)])
    if not rows:
        return "Styles and sites: these films are of one, or were not told apart."
    columns = ["films alike", "films", "pneumonia", *(f"mean {one.label}" for one in _COMPARED)]
    return "\n".join(_table(columns, rows))


def _shift_table(records: Sequence[Record]) -> str:
    if not all(_audit(record, "shifts") for record in records):
        return "Acquisition changes: not audited in these runs."
    keys = ("auc", "recall", "specificity")
    values = {"worst of each seed": [_worst(key) for key in keys]}
    for shift in _audit(records[0], "shifts"):
        values[shift["name"]] = [_audited("shifts", shift["name"], key) for key in keys]
    rows = [
        [
            name,
            *_spread_cells(records, auc, AUC),
            *(_cell(_over(records, value).mean) for value in decided),
        ]
        for name, (auc, *decided) in values.items()
    ]
    titles = ["AUC under an acquisition change", *_SPREAD_COLUMNS]
    columns = [*titles, "mean sensitivity", "mean specificity"]
    return "\n".join(_table(columns, rows))


def _swap_table(records: Sequence[Record]) -> str:
    if not all(_swaps(record) for record in records):
        return "Frames swapped: not audited in these runs."
    rows = []
    for name in _swaps(records[0]):
        sensitivity, specificity = (
            _cell(_over(records, _swapped(name, key)).mean) for key in ("recall", "specificity")
        )
        auc = _spread_cells(records, _swapped(name, "auc"), AUC)
        rows.append([name, *auc, sensitivity, specificity])
    columns = ["AUC of lungs and frames", *_SPREAD_COLUMNS, "mean sensitivity", "mean specificity"]
    return "\n".join(_table(columns, rows))


def _control_table(records: Sequence[Record]) -> str:
    if not all(_audit(record, "controls") for record in records):
        return "Controls that see no lungs: not audited in these runs."
    rows = []
    for control in _audit(records[0], "controls"):
        auc, margin = (_audited("controls", control["name"], key) for key in ("auc", "margin"))
        own = _over(records, auc)
        margins = _spread_cells(records, margin, AUC)
        rows.append([control["name"], _cell(own.mean), _cell(own.stddev), *margins])
    columns = ["control", "AUC of it", "std. dev.", "margin of the model", *_SPREAD_COLUMNS[1:]]
    return "\n".join(_table(columns, rows))


def _spread_cells(
    records: Sequence[Record], value: Callable[[Record], float], metric: Metric
) -> list[str]:
    """Returns the cells of `_SPREAD_COLUMNS`."""
    one = _over(records, value)
    low, high = one.mean - one.half_width, min(1, one.mean + one.half_width)  # none exceeds 1
    interval = _UNDEFINED if math.isnan(low) else f"{low:.4f} to {high:.4f}"
    worst = _UNDEFINED
    if not math.isnan(one.mean):
        at = (min if metric.higher_is_better else max)(records, key=value)
        worst = f"{value(at):.4f} (seed {at.seed})"
    return [_cell(one.mean), _cell(one.stddev), interval, worst]


def _wall_time(records: Sequence[Record]) -> str:
    timed = [
        (one.seconds, _PREPARED in one.summary["cached"])
        for one in records
        if one.seconds is not None
    ]
    whole = [seconds for seconds, prepared in timed if not prepared]
    rest = [seconds for seconds, prepared in timed if prepared]
    parts = []
    if whole:
        parts.append(f"{_minutes(whole)} for a run from the beginning ({len(whole)})")
    if rest:
        parts.append(f"{_minutes(rest)} for one that found its films prepared ({len(rest)})")
    if gone_on := len(records) - len(timed):
        parts.append(f"not measured for what went on from an interrupted run ({gone_on})")
    return f"Wall time, mean: {'; '.join(parts)}."


def _training_minutes(records: Sequence[Record]) -> str:
    """Returns the mean time of the Trainer, which alone is the same work at every seed."""
    seconds = [
        one.summary["durations_seconds"]["Trainer"] for one in records if one.seconds is not None
    ]
    return f"{np.mean(seconds) / 60:.1f}" if seconds else _UNDEFINED


def _change(
    standard: Sequence[Record], changed: Sequence[Record], value: Callable[[Record], float]
) -> str:
    pairs = zip(standard, changed, strict=True)
    one = spread([value(after) - value(before) for before, after in pairs])
    if math.isnan(one.mean):
        return _UNDEFINED
    spread_text = "" if math.isnan(one.half_width) else f" ± {one.half_width:.4f}"
    return f"{one.mean:+.4f}{spread_text}"


def _on(films: str, key: str) -> Callable[[Record], float]:
    return lambda record: metric_of(record, films, key)


def _over(records: Sequence[Record], value: Callable[[Record], float]) -> Spread:
    return spread([value(record) for record in records])


def _audited(part: str, name: str, key: str) -> Callable[[Record], float]:
    def value(record: Record) -> float:
        return _number(next(one[key] for one in _audit(record, part) if one["name"] == name))

    return value


def _swapped(name: str, key: str) -> Callable[[Record], float]:
    return lambda record: _number(_swaps(record).get(name, {}).get(key))


def _swaps(record: Record) -> dict[str, dict[str, float]]:
    """Returns the metrics of each kind of swap; empty where that audit is off."""
    swaps = (record.summary.get("audit") or {}).get("frame_swaps") or {"rows": []}
    return {row["name"]: row["metrics"] for row in swaps["rows"]}


def _worst(key: str) -> Callable[[Record], float]:
    return lambda record: worst_shift(record, key)


def _in_worst_style(metric: Metric) -> Callable[[Record], float]:
    return lambda record: worst_style(record, metric)


def _in_group(group: str, name: str, metric: Metric) -> Callable[[Record], float]:
    return lambda record: _number(_slices(record, group).get(name, {}).get(metric.key))


def _slices(record: Record, group: str) -> dict[str, dict[str, Any]]:
    """Returns the metrics of the test films by value of a feature, each named `feature=value`."""
    slices = record.summary["metrics"].get("slices", {})
    return {name: one for name, one in slices.items() if name.startswith(f"{group}=")}


def _subtype_auc(record: Record) -> float:
    model = (record.summary.get("audit") or {}).get("model") or {}
    return _number(model.get("subtype_auc"))


def _audit(record: Record, part: str) -> list[dict[str, Any]]:
    """Returns a list of the audit; empty where that audit is off."""
    return (record.summary.get("audit") or {}).get(part) or []


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _cell(value: float) -> str:
    return _UNDEFINED if math.isnan(value) else f"{value:.4f}"


def _minutes(seconds: Iterable[float]) -> str:
    return f"{np.mean(list(seconds)) / 60:.1f} min"


def _seeds(records: Sequence[Record]) -> str:
    return ", ".join(str(record.seed) for record in records)


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1
) -> list[str]:
    numbers = len(columns) - text_columns
    lines = [columns, ["---"] * text_columns + ["---:"] * numbers, *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
