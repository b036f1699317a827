"""Two sets of scores of the same films: by how much one is better, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.bootstrap import bootstrap, percentile_interval
from metrics.estimates import interval_of_auc
from metrics.score_intervals import Interval
from metrics.scores import METRICS, Scores
from metrics.weighted import weighted_auc, weighted_metrics


@dataclass(frozen=True)
class AucMargin:
    """By how much a model ranks films better than a rival does.

    Attributes:
        auc: Of the rival.
        auc_interval: 95 %, over patients.
        margin: AUC of the model above it.
        margin_interval: 95 %, over patients drawn for both alike.
    """

    auc: float
    auc_interval: Interval
    margin: float
    margin_interval: Interval


def auc_margin(rival: np.ndarray, model: Scores, samples: int) -> AucMargin:
    """Compares two rankings of the same films.

    Args:
        rival: `[films]` scores that rise with P(pneumonia).
        model: What the model said of the same films, of both classes.
        samples: Draws of patients.

    Returns:
        AUC of the rival, margin of the model and their intervals.
    """

    def aucs(weights: np.ndarray) -> np.ndarray:
        scores = (rival, model.probabilities)
        return np.stack([weighted_auc(weights, model.labels, one) for one in scores], axis=1)

    rival_auc, model_auc = aucs(np.ones((1, len(rival))))[0]
    draws = bootstrap(aucs, model.patients, samples)
    return AucMargin(
        auc=float(rival_auc),
        auc_interval=interval_of_auc(float(rival_auc), draws[:, 0], model.labels, model.patients),
        margin=float(model_auc - rival_auc),
        margin_interval=percentile_interval(draws[:, 1] - draws[:, 0]),
    )


@dataclass(frozen=True)
class Paired:
    """A metric of two models on the same films.

    Attributes:
        before: Of the one; NaN where it is not defined.
        after: Of the other.
        change: `after` less `before`.
        interval: 95 % of the change, over patients drawn for both alike; None where no draw
            defines it.
        p_value: Two-sided, of no change, from the same draws (B. Efron and R. J. Tibshirani, An
            Introduction to the Bootstrap, 1993, chapter 15); None likewise.
    """

    before: float
    after: float
    change: float
    interval: Interval | None
    p_value: float | None


def paired_metrics(before: Scores, after: Scores, samples: int) -> dict[str, Paired]:
    """Compares two models by every metric.

    Args:
        before: What the one said of films; at least one.
        after: What the other said of the same films, in the same order.
        samples: Draws of patients.

    Returns:
        By each of `METRICS`.
    """

    def table(weights: np.ndarray) -> np.ndarray:
        both = (weighted_metrics(weights, one).values() for one in (before, after))
        return np.stack([np.stack(list(values), axis=1) for values in both], axis=1)

    values = table(np.ones((1, len(before.labels))))[0]
    draws = bootstrap(table, before.patients, samples)
    changes = draws[:, 1] - draws[:, 0]
    return {
        name: _paired(values[0, column], values[1, column], changes[:, column])
        for column, name in enumerate(METRICS)
    }


def _paired(before: float, after: float, changes: np.ndarray) -> Paired:
    drawn = changes[np.isfinite(changes)]
    change = float(after - before)
    if not len(drawn) or not np.isfinite(change):
        return Paired(float(before), float(after), change, None, None)
    tail = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
    p_value = min(1.0, 2 * float(tail + 1) / (len(drawn) + 1))
    return Paired(float(before), float(after), change, percentile_interval(drawn), p_value)
