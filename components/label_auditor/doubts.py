"""Which labels are doubtful, by confident learning on out-of-fold probabilities.

Source: C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", Journal of Artificial Intelligence Research 70, 2021; cleanlab is its code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, eq=False)
class Doubts:
    """What the films of others say of labels.

    Attributes:
        quality: `[films]` float in [0, 1]: probability of the given label.
        suggested: `[films]` int, class of the highest probability.
        doubtful: `[films]` bool: of each class and suggestion those that are judged most surely,
            as many as there are errors by `joint`.
        joint: `[classes, classes]` int: films by given class, a row each, and by what they are
            estimated to be.
    """

    quality: npt.NDArray[np.float64]
    suggested: npt.NDArray[np.int64]
    doubtful: npt.NDArray[np.bool_]
    joint: npt.NDArray[np.int64]


def find_doubts(classes: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating]) -> Doubts:
    """Holds given labels against probabilities.

    Args:
        classes: `[films]` class index by the given labels; every class has films.
        probabilities: `[films, classes]`, each from films of others.

    Returns:
        The doubts; they name films to look at, not films that are wrong.
    """
    floored = np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY)
    floored /= floored.sum(axis=1, keepdims=True)
    suggested = floored.argmax(axis=1)
    found = find_label_issues(classes, floored, filter_by="prune_by_noise_rate", n_jobs=1)
    return Doubts(
        quality=get_label_quality_scores(classes, floored, method="self_confidence"),
        suggested=suggested,
        doubtful=found & (suggested != classes),
        joint=np.asarray(compute_confident_joint(classes, floored), np.int64),
    )
