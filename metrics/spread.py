"""How far a value spreads over trainings that differ in their seed alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from metrics.score_intervals import CONFIDENCE


@dataclass(frozen=True)
class Spread:
    """A metric over seeds; what too few seeds or an undefined value leave open is NaN.

    Attributes:
        mean: Of all seeds.
        stddev: With n - 1.
        half_width: Of the 95 % t-interval of the mean.
    """

    mean: float
    stddev: float
    half_width: float


def spread(values: Sequence[float]) -> Spread:
    """Sums up the values of all seeds, at least one; NaN among them makes all NaN."""
    count = len(values)
    if count < 2:
        return Spread(values[0], math.nan, math.nan)
    stddev = float(np.std(values, ddof=1))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return Spread(float(np.mean(values)), stddev, quantile * stddev / math.sqrt(count))
