"""Figures of how well films are told apart, and how far a probability can be believed."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from components.report_gen.performance import Performance
from components.report_gen.svg import INK, MODEL, MUTED, OTHER, drawing
from metrics.curves import GRID, Curve, DecisionCurve, ReliabilityBin
from metrics.scores import Scores

_HISTOGRAM_BINS = 20


def roc_figure(curve: Curve, point: tuple[float, float]) -> Markup:
    """Draws ROC with its band and the operating point.

    Args:
        curve: Of `metrics.curves.roc_curve`.
        point: 1 - specificity and sensitivity at the operating point.
    """
    with drawing("roc", f"ROC curve, area {curve.area:.3f}") as drawn:
        axes = drawn.axes
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
        _with_band(axes, curve, point)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    return drawn.svg


def precision_recall_figure(curve: Curve, point: tuple[float, float], prevalence: float) -> Markup:
    """Draws precision by recall with its band and the operating point.

    Args:
        curve: Of `metrics.curves.precision_recall_curve`.
        point: Recall and precision at the operating point.
        prevalence: Share of pneumonia, which is what guessing reaches.
    """
    description = f"Precision-recall curve, average precision {curve.area:.3f}"
    with drawing("precision-recall", description) as drawn:
        axes = drawn.axes
        axes.axhline(prevalence, color=MUTED, linewidth=0.8, linestyle="--")
        _with_band(axes, curve, point)
        axes.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)")
    return drawn.svg


def _with_band(axes: Axes, curve: Curve, point: tuple[float, float]) -> None:
    axes.fill_between(
        GRID, curve.band_low, curve.band_high, color=MODEL, alpha=0.18, linewidth=0, label="95 %"
    )
    axes.plot(curve.x, curve.y, color=MODEL, label="model")
    axes.plot(*point, "o", color=OTHER, markersize=7, label="operating point", clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower right")


def reliability_figure(bins: tuple[ReliabilityBin, ...]) -> Markup:
    """Draws how often films of a probability are pneumonia.

    Args:
        bins: Of `metrics.curves.reliability`.
    """
    with drawing("reliability", "Reliability diagram: observed by predicted probability") as drawn:
        axes = drawn.axes
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--", label="perfect")
        films = sum(one.films for one in bins)
        for one in bins:
            axes.plot([one.predicted] * 2, one.interval, color=MODEL, linewidth=1, alpha=0.6)
        predicted = [one.predicted for one in bins]
        observed = [one.observed for one in bins]
        axes.plot(predicted, observed, color=MODEL, linewidth=0.8, alpha=0.6)
        areas = [10 + 150 * one.films / films for one in bins]
        axes.scatter(predicted, observed, areas, color=MODEL, label="model, by films", zorder=3)
        axes.set(
            xlabel="predicted probability", ylabel="share of pneumonia", xlim=(0, 1), ylim=(0, 1.02)
        )
        axes.legend(loc="upper left")
    return drawn.svg


def histogram_figure(scores: Scores, threshold: float | None) -> Markup:
    """Draws the probabilities of both classes.

    Args:
        scores: Of the judged films.
        threshold: Operating point, or None where it is not known.
    """
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    with drawing("histogram", "Histogram of the probability by class") as drawn:
        axes = drawn.axes
        for label, colour, name in ((0, MODEL, "normal"), (1, OTHER, "pneumonia")):
            of_class = scores.probabilities[scores.labels == label]
            axes.hist(of_class, edges.tolist(), color=colour, alpha=0.55, label=name)
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1, linestyle="--", label="threshold")
        axes.set(xlabel="probability of pneumonia", ylabel="films", xlim=(0, 1))
        axes.legend(loc="upper center")
    return drawn.svg


def decision_figure(curve: DecisionCurve, threshold: float | None) -> Markup:
    """Draws net benefit by threshold probability.

    Args:
        curve: Of `metrics.curves.decision_curve`.
        threshold: Operating point, or None where it is not known.
    """
    with drawing("decision", "Decision curve: net benefit by threshold probability") as drawn:
        axes = drawn.axes
        axes.plot(curve.thresholds, curve.treat_all, color=MUTED, linewidth=1, label="call all")
        axes.axhline(0, color=INK, linewidth=1, label="call none")
        axes.plot(curve.thresholds, curve.model, color=MODEL, label="model")
        if threshold is not None:
            axes.axvline(threshold, color=OTHER, linewidth=1, linestyle="--", label="threshold")
        top = max(float(np.max(curve.model)), float(np.max(curve.treat_all)), 0.05)
        axes.set(xlabel="threshold probability", ylabel="net benefit", xlim=(0, 1))
        axes.set_ylim(-0.15 * top, 1.08 * top)
        axes.legend(loc="lower left")
    return drawn.svg


def operating_rates(performance: Performance) -> tuple[float, float, float]:
    """Returns sensitivity, specificity and precision at the operating point; NaN if undefined."""
    counts = performance.confusion
    tp, fp = counts["true_positives"], counts["false_positives"]
    tn, fn = counts["true_negatives"], counts["false_negatives"]
    return _share(tp, tp + fn), _share(tn, tn + fp), _share(tp, tp + fp)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
