"""Score intervals: coverage by simulation, textbook formulas for many films."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from metrics.score_intervals import auc_interval, proportion_interval


def test_auc_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    truth = stats.norm.cdf(1.0 / np.sqrt(2))
    covered = 0
    for _ in range(300):
        positives, negatives = random.normal(1.0, 1, 60), random.normal(0.0, 1, 40)
        auc = stats.mannwhitneyu(positives, negatives).statistic / (60 * 40)
        low, high = auc_interval(auc, 60, 40)
        covered += low <= truth <= high
    assert 0.9 <= covered / 300 <= 1.0


@pytest.mark.parametrize("successes", [0, 45, 50])
def test_proportion_interval_is_wilsons(successes: int) -> None:
    expected = stats.binomtest(successes, 50).proportion_ci(method="wilson")
    assert proportion_interval(successes / 50, 50) == pytest.approx((expected.low, expected.high))


def test_auc_interval_of_a_perfect_score_depends_on_the_films() -> None:
    few, many = auc_interval(1.0, 4, 2), auc_interval(1.0, 400, 200)
    assert few[1] == many[1] == 1.0
    assert few[0] < 0.6 < 0.97 < many[0]
    mirrored = auc_interval(0.0, 2, 4)
    assert mirrored[0] == 0.0
    assert mirrored[1] == pytest.approx(1 - few[0], abs=0.02)


def test_auc_interval_nears_hanley_and_mcneil_on_many_films() -> None:
    auc, positives, negatives = 0.8, 5000, 5000
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    half = 1.959964 * np.sqrt(variance / (positives * negatives))
    assert auc_interval(auc, positives, negatives) == pytest.approx(
        (auc - half, auc + half), abs=2e-4
    )


@pytest.mark.parametrize(
    ("auc", "positives", "negatives"), [(0.75, 3, 5), (0.6, 7, 2), (0.9, 4, 4)]
)
def test_auc_interval_solves_its_equation_on_few_films(
    auc: float, positives: int, negatives: int
) -> None:
    for bound in auc_interval(auc, positives, negatives):
        assert 0 < bound < 1
        q1, q2 = bound / (2 - bound), 2 * bound**2 / (1 + bound)
        spread = bound * (1 - bound)
        spread += (positives - 1) * (q1 - bound**2) + (negatives - 1) * (q2 - bound**2)
        error = np.sqrt(spread / (positives * negatives))
        assert abs(auc - bound) == pytest.approx(stats.norm.ppf(0.975) * error, abs=1e-6)
