"""How well fields agree with those that were drawn: Dice, Jaccard, and the interval of a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial import distance

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_RESAMPLINGS = 2000


def dice(found: Mask, drawn: Mask) -> float:
    """Returns 2 |A and B| / (|A| + |B|), in [0, 1]; 1 for two empty masks.

    Args:
        found: `[height, width]`.
        drawn: the same shape.
    """
    either = found.any() or drawn.any()
    return 1 - float(distance.dice(found.ravel(), drawn.ravel())) if either else 1.0


def jaccard(found: Mask, drawn: Mask) -> float:
    """Returns |A and B| / |A or B|, in [0, 1]: intersection over union; 1 for two empty masks.

    Args:
        found: `[height, width]`.
        drawn: the same shape.
    """
    either = found.any() or drawn.any()
    return 1 - float(distance.jaccard(found.ravel(), drawn.ravel())) if either else 1.0


def between_the_lungs(drawn: Mask) -> Mask:
    """Returns what lies between the inner edges of two drawn lungs, row by row.

    Masks that leave out the heart and masks that count the lung behind it differ here and hardly
    anywhere else, so a comparison of one with the other passes over it. Rows with one lung only
    have no such place.

    Args:
        drawn: `[height, width, 2]`, the left and the right of the picture.

    Returns:
        `[height, width]`.
    """
    left, right = drawn[..., 0], drawn[..., 1]
    right_of_left = ~left & (np.cumsum(left[:, ::-1], axis=1)[:, ::-1] == 0)
    left_of_right = ~right & (np.cumsum(right, axis=1) == 0)
    both = left.any(axis=1) & right.any(axis=1)
    return right_of_left & left_of_right & both[:, np.newaxis]


def interval(values: Sequence[float], patients: Sequence[str]) -> tuple[float, float]:
    """Returns the 95 % percentile interval of a mean, from resampled patients.

    Args:
        values: one a film.
        patients: of whom each film is.

    Returns:
        Lower and upper bound; NaN for the films of one patient.
    """
    _, of_film = np.unique(np.asarray(patients), return_inverse=True)
    sums, counts = np.bincount(of_film, weights=np.asarray(values)), np.bincount(of_film)
    if len(counts) < 2:
        return math.nan, math.nan
    found = stats.bootstrap(
        (sums, counts), _mean_of_films, paired=True, vectorized=True, n_resamples=_RESAMPLINGS,
        method="percentile", random_state=0,
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def _mean_of_films(sums: Array, counts: Array, axis: int = -1) -> Array:
    return sums.sum(axis=axis) / counts.sum(axis=axis)
