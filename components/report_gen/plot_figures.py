"""Figures of what TFMA plots of a slice: ROC, precision-recall, calibration, confusion, answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from components.report_gen.svg import BAD, MODEL, MUTED, OTHER, THIRD, drawing
from components.report_gen.tfma_plots import SlicePlots

_SIZE_PX = (300, 260)
_UNIT = {"xlim": (0, 1), "ylim": (0, 1.02)}


def plot_figures(plots: SlicePlots, number: int) -> list[Markup]:
    """Draws a slice.

    Args:
        plots: Of `read_plots`.
        number: Of the slice on its page, which makes the names of its figures its own.

    Returns:
        The figures that are defined: curves need films of both classes and counts at thresholds.
    """
    figures: list[tuple[str, str, Callable[[Axes, SlicePlots], None]]] = [
        ("calibration", "Share of pneumonia by predicted probability", _calibration),
        ("answers", "Films by predicted probability", _answers),
    ]
    if len(plots.thresholds):
        figures.append(("confusion", "Films called right and wrong by threshold", _confusion))
        if plots.has_both_classes:
            figures[:0] = [
                ("roc", f"ROC curve, area {plots.auc:.3f}", _roc),
                ("precision-recall", "Precision by recall", _precision_recall),
            ]
    return [_drawn(f"{name}-{number}", title, draw, plots) for name, title, draw in figures]


def _drawn(
    name: str, title: str, draw: Callable[[Axes, SlicePlots], None], plots: SlicePlots
) -> Markup:
    with drawing(name, f"{title}, {plots.name}", _SIZE_PX) as drawn:
        draw(drawn.axes, plots)
    return drawn.svg


def _roc(axes: Axes, plots: SlicePlots) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
    axes.plot(1 - plots.specificity, plots.sensitivity, color=MODEL)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", **_UNIT)


def _precision_recall(axes: Axes, plots: SlicePlots) -> None:
    prevalence = plots.positives.sum() / plots.films.sum()
    axes.axhline(prevalence, color=MUTED, linewidth=0.8, linestyle="--")
    axes.plot(plots.sensitivity, plots.precision, color=MODEL)
    axes.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", **_UNIT)


def _calibration(axes: Axes, plots: SlicePlots) -> None:
    filled = plots.films > 0
    areas = 10 + 150 * plots.films[filled] / plots.films.sum()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
    axes.scatter(plots.predicted[filled], plots.observed[filled], areas, color=MODEL, zorder=3)
    axes.set(xlabel="predicted probability", ylabel="share of pneumonia", **_UNIT)


def _answers(axes: Axes, plots: SlicePlots) -> None:
    edges = np.linspace(0, 1, len(plots.films) + 1)
    parts: Sequence[tuple[str, str, np.ndarray, np.ndarray]] = (
        ("pneumonia", OTHER, plots.positives, np.zeros(len(plots.films))),
        ("normal", MODEL, plots.films - plots.positives, plots.positives),
    )
    for label, colour, films, below in parts:
        axes.bar(edges[:-1], films, 0.9 / len(films), below, align="edge", color=colour,
                 label=label)  # fmt: skip
    axes.set(xlabel="predicted probability", ylabel="films", xlim=(0, 1))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def _confusion(axes: Axes, plots: SlicePlots) -> None:
    kinds = (("TP", THIRD, "-"), ("FP", BAD, "--"), ("TN", MODEL, "-"), ("FN", OTHER, "--"))
    for column, (label, colour, line) in enumerate(kinds):
        axes.plot(
            plots.thresholds, plots.counts[:, column], color=colour, linestyle=line, label=label
        )
    axes.set(xlabel="threshold", ylabel="films", xlim=(0, 1))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, fontsize=9)
