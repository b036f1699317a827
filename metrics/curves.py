"""Curves of what a model said of films: ROC, precision-recall, reliability, net benefit.

scikit-learn measures; the bands come from drawing patients anew, each with all of its films.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn import calibration
from sklearn import metrics as sklearn_metrics

from metrics.bootstrap import bootstrap
from metrics.score_intervals import CONFIDENCE, Interval, proportion_interval
from metrics.scores import Scores

GRID = np.linspace(0, 1, 101)  # where bands are measured
RELIABILITY_BINS = 10


@dataclass(frozen=True)
class Curve:
    """A curve in the unit square with its band.

    Attributes:
        x: `[points]` in [0, 1].
        y: `[points]` in [0, 1].
        thresholds: `[points]` from which a film is called pneumonia; infinite where none is.
        area: Below the curve, of ROC by the trapezium rule; of precision-recall the average
            precision.
        band_low: `[len(GRID)]` 95 % of the draws, over `GRID`.
        band_high: `[len(GRID)]` likewise.
    """

    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray
    area: float
    band_low: np.ndarray
    band_high: np.ndarray


@dataclass(frozen=True)
class ReliabilityBin:
    """Films of about the same probability.

    Attributes:
        predicted: Their mean probability.
        observed: Share of pneumonia among them.
        films: How many.
        interval: 95 % interval of the share, of as many independent films as there are patients.
    """

    predicted: float
    observed: float
    films: int
    interval: Interval


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit by threshold probability, in true positives a film.

    Attributes:
        thresholds: `[points]` in (0, 1).
        model: `[points]` of calling what the model gives at least the threshold.
        treat_all: `[points]` of calling every film; calling none has 0.
    """

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray


def roc_curve(scores: Scores, samples: int) -> Curve:
    """Returns sensitivity (y) by 1 - specificity (x).

    Args:
        scores: Of films of both classes.
        samples: Draws of patients behind the band.
    """

    def drawn(weights: np.ndarray) -> np.ndarray:
        x, y, _ = sklearn_metrics.roc_curve(
            scores.labels, scores.probabilities, sample_weight=weights
        )
        return np.interp(GRID, x, y)

    x, y, thresholds = sklearn_metrics.roc_curve(scores.labels, scores.probabilities)
    area = float(sklearn_metrics.roc_auc_score(scores.labels, scores.probabilities))
    return Curve(x, y, thresholds, area, *_band(drawn, scores, samples))


def precision_recall_curve(scores: Scores, samples: int) -> Curve:
    """Returns precision (y) by recall (x), from recall 1 to 0.

    Args:
        scores: Of films of both classes.
        samples: Draws of patients behind the band.
    """

    def drawn(weights: np.ndarray) -> np.ndarray:
        precision, recall, _ = sklearn_metrics.precision_recall_curve(
            scores.labels, scores.probabilities, sample_weight=weights
        )
        return np.interp(GRID, recall[::-1], precision[::-1])

    precision, recall, thresholds = sklearn_metrics.precision_recall_curve(
        scores.labels, scores.probabilities
    )
    area = float(sklearn_metrics.average_precision_score(scores.labels, scores.probabilities))
    return Curve(
        recall, precision, np.append(thresholds, np.inf), area, *_band(drawn, scores, samples)
    )


def reliability(scores: Scores) -> list[ReliabilityBin]:
    """Returns how often films of a probability are pneumonia, in bins of equal width.

    Args:
        scores: Of at least one film.

    Returns:
        The bins that hold a film, lowest probability first.
    """
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    observed, predicted = calibration.calibration_curve(
        scores.labels, scores.probabilities, n_bins=RELIABILITY_BINS
    )
    # As scikit-learn sorts them, so that the counts are of its bins.
    bin_of = np.searchsorted(edges[1:-1], scores.probabilities)
    filled = np.unique(bin_of)
    return [
        ReliabilityBin(
            float(share_predicted),
            float(share),
            int(np.sum(bin_of == number)),
            proportion_interval(float(share), len(np.unique(scores.patients[bin_of == number]))),
        )
        for share, share_predicted, number in zip(observed, predicted, filled, strict=True)
    ]


def decision_curve(scores: Scores, points: int = 99) -> DecisionCurve:
    """Weighs films found against false alarms at every threshold probability.

    Who acts from a probability p on holds a missed pneumonia for (1 - p) / p times as bad as a
    false alarm (Vickers and Elkin, Decision Curve Analysis, Medical Decision Making 26, 2006).

    Args:
        scores: Of at least one film.
        points: Thresholds, evenly spread within (0, 1).

    Returns:
        The curve.
    """
    thresholds = np.linspace(0, 1, points + 2)[1:-1]
    everything = np.ones(len(scores.labels), dtype=np.int64)
    model = [
        _net_benefit(scores.labels, (scores.probabilities >= one).astype(np.int64), one)
        for one in thresholds
    ]
    treat_all = [_net_benefit(scores.labels, everything, one) for one in thresholds]
    return DecisionCurve(thresholds, np.array(model), np.array(treat_all))


def _net_benefit(labels: np.ndarray, called: np.ndarray, threshold: float) -> float:
    _, alarms, _, found = sklearn_metrics.confusion_matrix(labels, called, labels=[0, 1]).ravel()
    return float((found - alarms * threshold / (1 - threshold)) / len(labels))


def _band(
    curve: Callable[[np.ndarray], np.ndarray], scores: Scores, samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bounds of a curve over `GRID`; draws that miss a class are left out."""

    def of_draws(weights: np.ndarray) -> np.ndarray:
        has_both = (weights @ scores.labels > 0) & (weights @ (1 - scores.labels) > 0)
        return np.stack(
            [
                curve(one) if whole else np.full(len(GRID), np.nan)
                for one, whole in zip(weights, has_both, strict=True)
            ]
        )

    tail = (1 - CONFIDENCE) / 2
    drawn = bootstrap(of_draws, scores.patients, samples)
    low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=0)
    return low, high
