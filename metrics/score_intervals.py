"""Intervals that need no draws, for scores of which a bootstrap is too sure.

All draws of films without an error are without an error, all draws of one patient are the
same films, and one wrong film among a few right ones is left out of a third of the draws. These
intervals depend on the number of patients instead.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import norm

CONFIDENCE = 0.95

Interval = tuple[float, float]  # lower and upper bound


def auc_interval(auc: float, positives: int, negatives: int) -> Interval:
    """Returns the 95 % interval of a ROC AUC.

    The bounds are the values from which the measured one lies 1.96 standard errors away,
    each with its own standard error (score method: Newcombe, Confidence intervals for an
    effect size measure based on the Mann-Whitney statistic, 2006; standard error: Hanley
    and McNeil, Radiology 143, 1982). So a perfect AUC on few patients has a wide interval.

    Args:
        auc: In [0, 1].
        positives: Patients with pneumonia, at least 1.
        negatives: Patients without, at least 1.

    Returns:
        Lower and upper bound, within [0, 1].
    """
    quantile = float(norm.ppf((1 + CONFIDENCE) / 2))

    def beyond(bound: float) -> float:
        return abs(auc - bound) - quantile * _auc_standard_error(bound, positives, negatives)

    step = 1e-9  # the measured value itself solves the equation where it is 0 or 1
    low = brentq(beyond, 0.0, auc - step) if auc > step else 0.0
    high = brentq(beyond, auc + step, 1.0) if auc < 1 - step else 1.0
    return float(low), float(high)


def _auc_standard_error(auc: float, positives: int, negatives: int) -> float:
    both_positive = auc / (2 - auc)
    both_negative = 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (positives - 1) * (both_positive - auc**2)
        + (negatives - 1) * (both_negative - auc**2)
    ) / (positives * negatives)
    return math.sqrt(max(variance, 0.0))


def proportion_interval(share: float, trials: int) -> Interval:
    """Returns Wilson's 95 % interval of a proportion.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, J. Am.
    Stat. Assoc. 22, 1927. Written out because films of few patients make shares that are no
    whole number of patients, which SciPy's takes alone.

    Args:
        share: In [0, 1].
        trials: At least 1.

    Returns:
        Lower and upper bound, within [0, 1].
    """
    per_trial = float(norm.ppf((1 + CONFIDENCE) / 2)) ** 2 / trials
    centre = (share + per_trial / 2) / (1 + per_trial)
    spread = math.sqrt(per_trial * (share * (1 - share) + per_trial / 4)) / (1 + per_trial)
    return max(0.0, centre - spread), min(1.0, centre + spread)
