"""Figures of a metric over the slices, with its intervals: TFMA's overview of slices, on paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from components.evaluation.slices import SliceMetrics
from components.report_gen.svg import MODEL, MUTED, drawing

_WIDTH_PX = 330
_MARGIN_PX, _ROW_PX = 60, 17


def slice_figures(slices: Sequence[SliceMetrics], metrics: Mapping[str, str]) -> list[Markup]:
    """Draws one figure a metric, a row a slice, the overall value as a line.

    Args:
        slices: Of `components.evaluation.slices.load_slices`, the overall one first.
        metrics: Name of each metric by title; its values lie in [0, 1].

    Returns:
        The figures of those metrics that any slice defines.
    """
    defined = {
        title: metric
        for title, metric in metrics.items()
        if any(not math.isnan(one.metrics.get(metric, math.nan)) for one in slices)
    }
    return [_figure(slices, title, metric) for title, metric in defined.items()]


def _figure(slices: Sequence[SliceMetrics], title: str, metric: str) -> Markup:
    size_px = (_WIDTH_PX, _MARGIN_PX + _ROW_PX * len(slices))
    with drawing(f"slices-{metric}", f"{title} by slice", size_px) as drawn:
        axes = drawn.axes
        overall = slices[0].metrics.get(metric, math.nan)
        axes.axvline(overall, color=MUTED, linewidth=0.8, linestyle="--")
        for row, one in enumerate(slices):
            if one.intervals.get(metric):
                axes.plot(one.intervals[metric], [row] * 2, color=MODEL, linewidth=1, alpha=0.6)
            axes.plot(one.metrics.get(metric, math.nan), row, "o", color=MODEL, markersize=5)
        axes.set_yticks(range(len(slices)), [one.name for one in slices])
        axes.set(xlabel=title, xlim=(-0.02, 1.02), ylim=(len(slices) - 0.5, -0.5))
    return drawn.svg
