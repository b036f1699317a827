"""How well fields agree with those that were drawn: Dice, Jaccard, and the interval of a mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

_RESAMPLINGS = 2000


def dice(found: Mask, drawn: Mask) -> float:
    """Returns 2 |A and B| / (|A| + |B|), in [0, 1]; 1 for two empty masks.

    Args:
        found: `[height, width]`.
        drawn: the same shape.
    """
    both = np.count_nonzero(found & drawn)
    sizes = np.count_nonzero(found) + np.count_nonzero(drawn)
    return 2 * both / sizes if sizes else 1.0


def jaccard(found: Mask, drawn: Mask) -> float:
    """Returns |A and B| / |A or B|, in [0, 1]: intersection over union; 1 for two empty masks.

    Args:
        found: `[height, width]`.
        drawn: the same shape.
    """
    either = np.count_nonzero(found | drawn)
    return np.count_nonzero(found & drawn) / either if either else 1.0


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


def interval(
    values: Sequence[float], patients: Sequence[str], seed: int = 0
) -> tuple[float, float]:
    """Returns the 95 % interval of a mean, from resampled patients.

    Args:
        values: one a film.
        patients: of whom each film is.
        seed: of the resampling.
    """
    _, of_film = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.bincount(of_film, weights=np.asarray(values, np.float64))
    counts = np.bincount(of_film)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(counts), size=(_RESAMPLINGS, len(counts)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
