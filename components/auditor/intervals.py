"""How sure a metric is: a bootstrap over patients.

Films of one patient resemble each other, so an interval that takes them for independent
is too narrow. Patients are drawn with replacement, each with all films (Field and Welsh,
Bootstrapping clustered data, J. R. Stat. Soc. B 69, 2007; for ROC curves of clustered
data see Obuchowski, Biometrics 53, 1997). A drawn patient is a weight on the films, so a
thousand draws are a few matrix products.

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

from components.auditor.score_intervals import CONFIDENCE, auc_interval, proportion_interval

AUC = "auc"
RECALL = "recall"
SPECIFICITY = "specificity"
CALIBRATION_ERROR = "expected_calibration_error"
METRICS = (
    AUC, RECALL, SPECIFICITY, "precision", "f1_score", "binary_accuracy", "brier_score",
    CALIBRATION_ERROR,
)  # fmt: skip

CALIBRATION_BINS = 10
SEED = 0

_ROUNDING = 1e-12  # draws that agree may differ by that in the order of a sum
_WEIGHTS_AT_ONCE = 4_000_000  # 32 MB for each matrix of draws by films

Interval = tuple[float, float]


@dataclass(frozen=True)
class Scores:
    """What a model said of films, each array `[films]`.

    Attributes:
        patients: Pseudonyms.
        labels: 1 for pneumonia, 0 for normal.
        probabilities: P(pneumonia), or any score that rises with it for the AUC alone.
        decisions: 1 where the model says pneumonia at its operating point, else 0.
    """

    patients: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    decisions: np.ndarray

    def where(self, chosen: np.ndarray) -> Scores:
        """Returns some of the films, by a mask `[films]` or by indices."""
        return Scores(
            self.patients[chosen],
            self.labels[chosen],
            self.probabilities[chosen],
            self.decisions[chosen],
        )


# Of which films a metric is a proportion.
_CONDITIONS: dict[str, Callable[[Scores], np.ndarray]] = {
    RECALL: lambda scores: scores.labels == 1,
    SPECIFICITY: lambda scores: scores.labels == 0,
    "precision": lambda scores: scores.decisions == 1,
    "binary_accuracy": lambda scores: np.isfinite(scores.labels),
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


def estimate(scores: Scores, samples: int) -> Estimate:
    """Measures every metric with its interval.

    Args:
        scores: At least one film.
        samples: Draws of patients.

    Returns:
        Values and intervals.
    """

    def table(weights: np.ndarray) -> np.ndarray:
        return np.stack(list(weighted_metrics(weights, scores).values()), axis=1)

    values = table(np.ones((1, len(scores.labels))))[0]
    metrics = {name: float(value) for name, value in zip(METRICS, values, strict=True)}
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


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    patients: np.ndarray,
    samples: int,
    seed: int = SEED,
) -> np.ndarray:
    """Calls a statistic with patients drawn again and again.

    Args:
        statistic: From weights `[draws, films]` float64 to values `[draws, ...]`.
        patients: `[films]` pseudonyms.
        samples: Draws.
        seed: Of the draws; the same seed draws the same patients, so differences are paired.

    Returns:
        `[samples, ...]` values.
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    random = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // len(patients))
    values = []
    for start in range(0, samples, at_once):
        draws = min(at_once, samples - start)
        counts = random.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
        values.append(statistic(counts[:, patient_of].astype(np.float64)))
    return np.concatenate(values)


def percentile_interval(draws: np.ndarray) -> Interval:
    """Returns the 95 % percentile interval of a bootstrap.

    Args:
        draws: `[samples]`; NaN, where a draw has missed a class, is left out.

    Returns:
        Lower and upper bound.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def weighted_metrics(weights: np.ndarray, scores: Scores) -> dict[str, np.ndarray]:
    """Measures every metric of films that count more or less than once.

    The expected calibration error has bins of equal width (Naeini et al., Obtaining Well
    Calibrated Probabilities Using Bayesian Binning, AAAI 2015).

    Args:
        weights: `[draws, films]`, at least 0.
        scores: The films.

    Returns:
        `[draws]` for each of `METRICS`, in their order; NaN where it is not defined.
    """
    labels, decisions = scores.labels.astype(float), scores.decisions.astype(float)
    total, positives, called = weights.sum(axis=1), weights @ labels, weights @ decisions
    found = weights @ (labels * decisions)
    left_alone = total - positives - called + found
    error = labels - scores.probabilities
    bins = np.minimum((scores.probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    errors_of_bins = weights @ (error[:, None] * np.eye(CALIBRATION_BINS)[bins])
    values = (
        weighted_auc(weights, labels, scores.probabilities),
        _ratio(found, positives),
        _ratio(left_alone, total - positives),
        _ratio(found, called),
        _ratio(2 * found, positives + called),
        _ratio(found + left_alone, total),
        _ratio(weights @ error**2, total),
        _ratio(np.abs(errors_of_bins).sum(axis=1), total),
    )
    return dict(zip(METRICS, values, strict=True))


def weighted_auc(weights: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Measures the ROC AUC as the share of pairs in the right order; a tie is half a pair.

    Args:
        weights: `[draws, films]`, at least 0.
        labels: `[films]` of 0 and 1.
        scores: `[films]`, rising with the probability of 1.

    Returns:
        `[draws]`; NaN where a class has no weight.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)  # of each distinct score
    positive = np.add.reduceat(weights[:, order] * labels[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * (1 - labels[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return _ratio((positive * below).sum(axis=1), pairs)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
