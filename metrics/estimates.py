"""Every metric of some films, and how sure it is.

A bootstrap is too sure where hardly a film is wrong, and of a perfect score altogether. So the
interval of an AUC or a proportion also holds the one of as many independent films as there are
patients, see `score_intervals`: a better score never has a lower bound that is worse. Of patients
with many films each it asks for more than need be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from metrics.bootstrap import bootstrap, percentile_interval
from metrics.score_intervals import Interval, auc_interval, proportion_interval
from metrics.scores import (
    ACCURACY,
    AUC,
    CALIBRATION_ERROR,
    METRICS,
    PRECISION,
    RECALL,
    SPECIFICITY,
    Scores,
)
from metrics.weighted import weighted_auc, weighted_metrics

_ROUNDING = 1e-12  # draws that agree may differ by that in the order of a sum

# Of which films a metric is a proportion.
_CONDITIONS: dict[str, Callable[[Scores], np.ndarray]] = {
    RECALL: lambda scores: scores.labels == 1,
    SPECIFICITY: lambda scores: scores.labels == 0,
    PRECISION: lambda scores: scores.decisions == 1,
    ACCURACY: lambda scores: np.isfinite(scores.labels),
}


@dataclass(frozen=True)
class Estimate:
    """Metrics of some films and how sure they are.

    Attributes:
        films: How many.
        patients: How many.
        positives: Pneumonia films.
        metrics: Value of each of `METRICS`; NaN where a class or a decision is missing.
        intervals: 95 % interval of each metric that has a value. An F1 or Brier score on which
            all draws agree has none, nor has the calibration error, which is larger in a draw
            than in the films that it is drawn from (Kumar et al., Verified Uncertainty
            Calibration, NeurIPS 2019).
    """

    films: int
    patients: int
    positives: int
    metrics: dict[str, float]
    intervals: dict[str, Interval]

    def lower_bound(self, metric: str) -> float:
        """Returns the bound that a gate may rely on; NaN where the metric has no value."""
        return self.intervals.get(metric, (math.nan, math.nan))[0]


def metrics_of(scores: Scores) -> dict[str, float]:
    """Measures every metric without its interval.

    Args:
        scores: Of no film, nothing is defined.

    Returns:
        As `Estimate.metrics`.
    """
    films = len(scores.labels)
    if not films:
        return dict.fromkeys(METRICS, math.nan)
    values = weighted_metrics(np.ones((1, films)), scores)
    return {name: float(of_films[0]) for name, of_films in values.items()}


def estimate(scores: Scores, samples: int) -> Estimate:
    """Measures every metric with its interval.

    Args:
        scores: Of no film, nothing is defined.
        samples: Draws of patients.

    Returns:
        Values and intervals.
    """
    metrics = metrics_of(scores)
    if not len(scores.labels):
        return Estimate(0, 0, 0, metrics, {})

    def table(weights: np.ndarray) -> np.ndarray:
        return np.stack(list(weighted_metrics(weights, scores).values()), axis=1)

    draws = bootstrap(table, scores.patients, samples)
    return Estimate(
        films=len(scores.labels),
        patients=len(np.unique(scores.patients)),
        positives=int(np.sum(scores.labels)),
        metrics=metrics,
        intervals=dict(_intervals(metrics, draws, scores)),
    )


def _intervals(
    metrics: dict[str, float], draws: np.ndarray, scores: Scores
) -> Iterator[tuple[str, Interval]]:
    for column, (name, value) in enumerate(metrics.items()):
        if math.isnan(value) or name == CALIBRATION_ERROR:
            continue
        drawn = percentile_interval(draws[:, column])
        if name == AUC:
            yield name, interval_of_auc(value, draws[:, column], scores.labels, scores.patients)
        elif name in _CONDITIONS:
            patients = len(np.unique(scores.patients[_CONDITIONS[name](scores)]))
            yield name, _spanning(drawn, proportion_interval(value, patients))
        elif drawn[1] - drawn[0] > _ROUNDING:
            yield name, drawn


def _spanning(one: Interval, other: Interval) -> Interval:
    return min(one[0], other[0]), max(one[1], other[1])


def estimate_auc(
    labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, samples: int
) -> tuple[float, Interval]:
    """Measures a ROC AUC with its 95 % interval.

    Args:
        labels: `[films]` of 0 and 1, both present.
        scores: `[films]`, rising with the probability of 1.
        patients: `[films]` pseudonyms.
        samples: Draws of patients.

    Returns:
        AUC and its interval.
    """
    auc = float(weighted_auc(np.ones((1, len(labels))), labels, scores)[0])
    draws = bootstrap(lambda weights: weighted_auc(weights, labels, scores), patients, samples)
    return auc, interval_of_auc(auc, draws, labels, patients)


def interval_of_auc(
    auc: float, draws: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> Interval:
    """Returns the 95 % interval of a ROC AUC, of the draws and of the number of patients.

    Args:
        auc: Measured.
        draws: `[samples]` of `bootstrap`.
        labels: `[films]` of 0 and 1.
        patients: `[films]` pseudonyms.

    Returns:
        Lower and upper bound.
    """
    positives, negatives = (len(np.unique(patients[labels == label])) for label in (1, 0))
    return _spanning(percentile_interval(draws), auc_interval(auc, positives, negatives))
