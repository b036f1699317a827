"""Dot plots of what the audits measured: a row a case, its interval, and the floor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from components.evaluation.slices import SliceMetrics
from components.report_gen.svg import BAD, MODEL, MUTED, drawing

_ROW_PX, _AROUND_PX = 24, 74
_LONGEST_NAME = 34


@dataclass(frozen=True)
class Row:
    """A case.

    Attributes:
        name: What it is.
        value: What was measured; NaN where it is not defined.
        interval: 95 %, or None.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None


def dot_figure(
    name: str, title: str, metric: str, rows: Sequence[Row], floor: float | None = None
) -> Markup:
    """Draws a forest of values; nothing where none is defined.

    Args:
        name: Of the figure, unlike any other's.
        title: What the rows are.
        metric: What the axis shows.
        rows: From top to bottom.
        floor: What was demanded, or None; 0 demands nothing.
    """
    shown = [row for row in rows if not math.isnan(row.value)]
    if not shown:
        return Markup()
    size_px = (500, _AROUND_PX + _ROW_PX * len(shown))
    with drawing(name, f"{metric}: {title}", size_px) as drawn:
        axes = drawn.axes
        for place, row in enumerate(reversed(shown)):
            colour = BAD if floor and row.value < floor else MODEL
            if row.interval:
                axes.plot(row.interval, [place, place], color=colour, linewidth=1.2)
            axes.plot(row.value, place, "o", color=colour, markersize=5, clip_on=False)
        if floor:
            axes.axvline(floor, color=MUTED, linewidth=1, linestyle="--", label="floor")
            axes.legend(loc="lower left")
        axes.set_yticks(range(len(shown)), [_short(row.name) for row in reversed(shown)])
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=metric, ylim=(-0.7, len(shown) - 0.3))
        lowest = min(bound for row in shown for bound in (row.value, *(row.interval or ())))
        axes.set_xlim(max(0.0, min(lowest, floor or 1.0) - 0.03), 1.01)
    return drawn.svg


def rows_of(found: Sequence[Mapping[str, Any]], metric: str) -> list[Row]:
    """Returns rows of an audit, whichever way it keeps its intervals.

    Args:
        found: Rows with a `name`, and `metrics` and `intervals` or the metric itself.
        metric: Such as `auc`.
    """
    rows = []
    for one in found:
        value = one.get("metrics", one).get(metric)
        interval = one.get("intervals", {}).get(metric) or one.get(f"{metric}_interval")
        bounds = (float(interval[0]), float(interval[1])) if interval else None
        rows.append(Row(one["name"], math.nan if value is None else value, bounds))
    return rows


def rows_of_slices(slices: Sequence[SliceMetrics], metric: str) -> list[Row]:
    """Returns a row a slice.

    Args:
        slices: With intervals.
        metric: Such as `recall`.
    """
    return [Row(one.name, one.metrics[metric], one.intervals.get(metric)) for one in slices]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
