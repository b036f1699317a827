"""Metrics of films that count more or less than once: many draws of a bootstrap in one call.

scikit-learn has the same for one draw at a time, and is what the tests compare with.
"""

from __future__ import annotations

import numpy as np

from metrics.scores import METRICS, Scores

CALIBRATION_BINS = 10


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
