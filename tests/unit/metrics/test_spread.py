"""Spread over seeds against SciPy's Student interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from metrics.spread import spread

AUCS = [0.985, 0.99, 0.983, 0.991, 0.979]


def test_spread_agrees_with_scipy() -> None:
    one = spread(AUCS)
    low, high = stats.t.interval(0.95, len(AUCS) - 1, np.mean(AUCS), stats.sem(AUCS))
    assert one.mean == pytest.approx(sum(AUCS) / 5)
    assert one.stddev**2 == pytest.approx(sum((auc - sum(AUCS) / 5) ** 2 for auc in AUCS) / 4)
    assert (one.mean - one.half_width, one.mean + one.half_width) == pytest.approx((low, high))


def test_one_seed_has_a_mean_and_no_spread() -> None:
    one = spread([0.9])
    assert one.mean == 0.9
    assert math.isnan(one.stddev) and math.isnan(one.half_width)


def test_two_seeds_have_a_spread() -> None:
    one = spread([0.8, 0.9])
    assert one.stddev == pytest.approx(0.1 / math.sqrt(2))
    assert one.half_width == pytest.approx(0.05 * stats.t.ppf(0.975, 1))


def test_an_undefined_value_leaves_all_open() -> None:
    one = spread([0.9, math.nan, 0.8])
    assert math.isnan(one.mean) and math.isnan(one.stddev) and math.isnan(one.half_width)
