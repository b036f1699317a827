"""Draws of patients: memory, and draws that miss a class."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import bootstrap as bootstrap_module
from metrics.bootstrap import bootstrap, percentile_interval
from tests.unit.metrics.films import draw_scores


def test_memory_is_bounded_without_changing_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = draw_scores()

    def total(weights: np.ndarray) -> np.ndarray:
        shapes.append(weights.shape)
        return weights @ scores.probabilities

    shapes: list[tuple[int, ...]] = []
    at_once = bootstrap(total, scores.patients, 100)
    monkeypatch.setattr(bootstrap_module, "_WEIGHTS_AT_ONCE", 120 * 30)
    assert bootstrap(total, scores.patients, 100) == pytest.approx(at_once)
    assert shapes == [(100, 120), (30, 120), (30, 120), (30, 120), (10, 120)]


def test_draws_that_miss_a_class_are_left_out() -> None:
    draws = np.array([np.nan, *np.linspace(0, 1, 1001)])
    assert percentile_interval(draws) == pytest.approx((0.025, 0.975))
