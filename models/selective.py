"""Selective answers: between two thresholds the label is UNCERTAIN.

Of all pneumonia films at most a wished share may be called NORMAL, and of all normal films at most
another be called PNEUMONIA, each bound on the films to come and not on those of eval. Both risks
only grow as a threshold nears the other class, so the thresholds are tested in that order, from
the one that answers nothing on, until the bound can no longer be told from broken (Angelopoulos et
al., Learn then Test, 2021; fixed sequence testing by MAPIE). Each test has half of what the
confidence leaves, so that both bounds hold together as often as that.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mapie.risk_control import BinaryClassificationController
from scipy.special import expit

from models.calibration import OperatingPoint
from models.hyperparameters import Selective

_LOG = logging.getLogger(__name__)

NO_PROBABILITY = 2.0  # a threshold that nothing reaches

# Probabilities that are tested, near in their logits: chosen before any film is seen.
_THRESHOLDS = expit(np.linspace(-12, 12, 481))


def with_uncertain_band(
    point: OperatingPoint, probabilities: np.ndarray, labels: np.ndarray, wished: Selective
) -> OperatingPoint:
    """Lays an uncertain band around an operating point.

    Where the films are too few to show that a bound holds, or the model is too poor, no film gets
    the label in question, and the log says so: an answer that cannot be vouched for is none.

    Args:
        point: Where the forced answer turns.
        probabilities: `[films]` calibrated, of films not trained on.
        labels: `[films]` of 0 and 1, both present.
        wished: The bounds and how surely they hold.

    Returns:
        The same point with `normal_below` and `pneumonia_from`; both are the threshold where
        forced answers keep the bounds already.
    """
    positive = np.asarray(labels, dtype=bool)
    ill, well = probabilities[positive], probabilities[~positive]
    each = (1 + wished.confidence) / 2
    below = _controlled("recall", 1 - wished.max_missed, each, ill, 1, _THRESHOLDS)
    above = _controlled("fpr", wished.max_false_alarms, each, well, 0, _THRESHOLDS[::-1])
    for found, label, films, bound in (
        (below, "NORMAL", len(ill), wished.max_missed),
        (above, "PNEUMONIA", len(well), wished.max_false_alarms),
    ):
        if not found:
            _LOG.warning(_NONE_FOUND, label, bound, each, films, _least_films(bound, each))
    return replace(
        point,
        normal_below=min(max(below, default=0.0), point.threshold),
        pneumonia_from=max(min(above, default=NO_PROBABILITY), point.threshold),
    )


_NONE_FOUND = (
    "no film will be called %s, since no threshold keeps the wished bound of %g at a confidence of "
    "%g on the %d eval films that tell; without any error it takes %d, so raise the bound of "
    "train.selective, lower its confidence or add films to eval"
)


def _controlled(
    metric: str,
    level: float,
    confidence: float,
    probabilities: np.ndarray,
    label: int,
    thresholds: np.ndarray,
) -> Sequence[float]:
    """Returns the thresholds that keep a bound; the first ones are the safest."""
    controller = BinaryClassificationController(
        lambda some: np.stack([1 - some, some], axis=-1),
        metric,
        level,
        confidence_level=confidence,
        list_predict_params=thresholds,
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that none was found is said in words of ours
        controller.calibrate(probabilities, np.full(len(probabilities), label))
    return controller.valid_predict_params.tolist()


def _least_films(bound: float, confidence: float) -> int:
    """Returns the films without an error that show a bound: (1 - bound)^films = 1 - confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - bound))
