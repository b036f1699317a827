"""Calibration and operating point against scikit-learn, known distortions and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration
from sklearn.metrics import log_loss, recall_score

from models.calibration import Calibration, choose_operating_point, fit_calibration


def _scores(films: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(films) < 0.7).astype(float)
    return random.normal(2.0 * labels - 1.0, 1.0) * 3 + 1, labels


def test_calibration_agrees_with_scikit_learn() -> None:
    logits, labels = _scores(400, seed=1)
    ours = fit_calibration(logits, labels)
    theirs = _SigmoidCalibration().fit(logits, labels)  # sigmoid(-(a * x + b))
    assert ours.slope_above == pytest.approx(-theirs.a_, rel=1e-3)
    assert ours.intercept == pytest.approx(-theirs.b_, abs=1e-3)


def test_calibration_recovers_a_known_distortion() -> None:
    random = np.random.default_rng(2)
    true_logits = random.normal(0.0, 2.0, 50_000)
    labels = (random.random(true_logits.size) < expit(true_logits)).astype(float)
    fitted = fit_calibration(4.0 * true_logits + 2.0, labels)
    assert fitted.slope_above == pytest.approx(0.25, rel=0.05)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.05)


def test_temperature_is_the_one_that_is_most_likely() -> None:
    logits, labels = _scores(2_000, seed=4)
    fitted = fit_calibration(logits, labels, "temperature")
    assert fitted.intercept == 0
    assert fitted.slope_above == fitted.slope_below
    slopes = np.linspace(0.05, 1, 1_000)
    losses = [log_loss(labels, expit(slope * logits)) for slope in slopes]
    assert fitted.slope_above == pytest.approx(slopes[np.argmin(losses)], rel=0.02)


def test_beta_calibration_recovers_different_slopes() -> None:
    random = np.random.default_rng(5)
    logits = random.normal(0.0, 3.0, 100_000)
    score = expit(logits)
    truth = expit(2.0 * np.log(score) - 0.5 * np.log1p(-score) + 0.3)
    labels = (random.random(logits.size) < truth).astype(float)
    fitted = fit_calibration(logits, labels, "beta")
    assert fitted.slope_below == pytest.approx(2.0, rel=0.05)
    assert fitted.slope_above == pytest.approx(0.5, rel=0.05)
    assert fitted.intercept == pytest.approx(0.3, abs=0.05)


def test_beta_calibration_never_turns_the_order_of_films() -> None:
    random = np.random.default_rng(6)
    logits = random.normal(0.0, 3.0, 2_000)
    labels = (random.random(logits.size) < expit(-np.abs(logits))).astype(float)
    probabilities = fit_calibration(logits, labels, "beta").probabilities(np.sort(logits))
    assert np.all(np.diff(probabilities) >= 0)


def test_calibration_stays_finite_where_the_classes_separate() -> None:
    logits = np.array([-30.0, -20.0, 20.0, 30.0])
    fitted = fit_calibration(logits, np.array([0.0, 0.0, 1.0, 1.0]))
    probabilities = fitted.probabilities(logits)
    assert np.all((probabilities > 0.0) & (probabilities < 1.0))
    assert probabilities[0] < 0.5 < probabilities[-1]


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.99])
def test_operating_point_is_the_best_of_all_thresholds(target: float) -> None:
    logits, labels = _scores(300, seed=3)
    probabilities = Calibration(0.3, 0.3, 0.1).probabilities(logits)
    point = choose_operating_point(probabilities, labels, target)

    def sensitivity_and_specificity(threshold: float) -> tuple[float, float]:
        called = probabilities >= threshold
        return recall_score(labels, called), recall_score(1 - labels, ~called)

    reached = [sensitivity_and_specificity(threshold) for threshold in probabilities]
    best = max(sum(pair) for pair in reached if pair[0] >= target)
    assert sensitivity_and_specificity(point.threshold) == pytest.approx(
        (point.sensitivity, point.specificity)
    )
    assert point.sensitivity >= target
    assert point.sensitivity + point.specificity == pytest.approx(best)


def test_operating_point_lies_between_two_films() -> None:
    point = choose_operating_point(np.array([0.1, 0.2, 0.6, 0.8]), np.array([0, 0, 1, 1]), 0.95)
    assert point.threshold == pytest.approx(0.4)
    assert (point.sensitivity, point.specificity) == (1.0, 1.0)


@pytest.mark.parametrize("cost_ratio", [0.2, 1.0, 5.0, 50.0])
def test_cost_ratio_chooses_the_cheapest_threshold(cost_ratio: float) -> None:
    logits, labels = _scores(300, seed=7)
    probabilities = expit(0.3 * logits)

    def cost(threshold: float) -> float:
        called = probabilities >= threshold
        return cost_ratio * np.sum(~called & (labels == 1)) + np.sum(called & (labels == 0))

    point = choose_operating_point(probabilities, labels, 0.95, cost_ratio)
    assert cost(point.threshold) == min(cost(threshold) for threshold in (*probabilities, 1.1))
    assert point.cost_ratio == cost_ratio
