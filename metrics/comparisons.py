"""Two sets of scores of the same films: by how much one is better, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.bootstrap import bootstrap, percentile_interval
from metrics.estimates import interval_of_auc
from metrics.score_intervals import Interval
from metrics.scores import Scores
from metrics.weighted import weighted_auc


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
