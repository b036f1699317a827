"""The uncertain band: its bounds hold as often as promised, and algebra finds the same one."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, norm

from models.calibration import OperatingPoint
from models.hyperparameters import Hyperparameters, Selective
from models.scoring import calibrate
from models.selective import NO_PROBABILITY, with_uncertain_band

RESAMPLINGS = 200
APART = 2.5  # between the means of the logits of the two classes, in standard deviations


def point_at(threshold: float = 0.5) -> OperatingPoint:
    return OperatingPoint(threshold, 0.9, 0.9, 0.9)


def draw(
    random: np.random.Generator, ill: int = 400, well: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities whose laws are known, and labels."""
    labels = np.repeat([1, 0], [ill, well])
    logits = random.normal(APART * (labels - 0.5), 1)
    return expit(logits), labels


def thresholds(point: OperatingPoint) -> tuple[float, float]:
    assert point.normal_below is not None and point.pneumonia_from is not None
    return point.normal_below, point.pneumonia_from


def risks(point: OperatingPoint) -> tuple[float, float]:
    """Of a film to come: missed though ill, alarmed though well; by the normal law."""
    low, high = (
        np.log(one) - np.log1p(-one) if 0 < one < 1 else (-np.inf if one <= 0 else np.inf)
        for one in thresholds(point)
    )
    return norm.cdf(low - APART / 2), norm.sf(high + APART / 2)


@pytest.mark.parametrize("confidence", [0.6, 0.9])
def test_both_bounds_hold_as_often_as_promised(confidence: float) -> None:
    wished = Selective(max_missed=0.05, max_false_alarms=0.08, confidence=confidence)
    random = np.random.default_rng(0)
    found = [
        risks(with_uncertain_band(point_at(), *draw(random), wished)) for _ in range(RESAMPLINGS)
    ]
    held = sum(
        missed <= wished.max_missed and alarmed <= wished.max_false_alarms
        for missed, alarmed in found
    )
    # A promise that is kept would be seen broken this often once in 10,000 suites.
    assert held >= binom.ppf(1e-4, RESAMPLINGS, confidence)
    assert np.mean(found, axis=0)[0] > 0.4 * wished.max_missed  # the band is not idly wide


def test_never_lets_more_errors_through_than_the_binomial_law_allows() -> None:
    wished = Selective(max_missed=0.05, max_false_alarms=0.1, confidence=0.9)
    probabilities, labels = draw(np.random.default_rng(1))
    band = with_uncertain_band(point_at(), probabilities, labels, wished)
    low, high = thresholds(band)
    missed = np.sum(probabilities[labels == 1] < low)
    alarmed = np.sum(probabilities[labels == 0] >= high)
    for errors, films, bound in ((missed, 400, 0.05), (alarmed, 200, 0.1)):
        allowed = max(count for count in range(films) if binom.cdf(count, films, bound) <= 0.05)
        assert allowed - 3 <= errors <= allowed


def test_wide_bounds_leave_every_film_its_answer() -> None:
    probabilities, labels = draw(np.random.default_rng(2))
    wished = Selective(max_missed=0.9, max_false_alarms=0.9)
    band = with_uncertain_band(point_at(0.4), probabilities, labels, wished)
    assert band.normal_below == band.pneumonia_from == 0.4


def test_what_the_films_cannot_show_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    """59 films without an error show 5 % at 95 %: 0.95 ** 59 is just below 0.05."""
    wished = Selective(max_missed=0.05, max_false_alarms=0.05, confidence=0.9)
    labels = np.repeat([1, 0], [400, 58])
    with caplog.at_level(logging.WARNING):
        band = with_uncertain_band(point_at(), np.where(labels, 0.99, 0.01), labels, wished)
    assert band.pneumonia_from == NO_PROBABILITY
    assert band.normal_below == 0.5
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("no film will be called PNEUMONIA")
    assert "on the 58 eval films" in said and "it takes 59," in said


def test_what_the_operating_point_was_stays() -> None:
    point = OperatingPoint(0.3, 0.95, 0.8, 0.95, cost_ratio=2.0)
    band = with_uncertain_band(point, *draw(np.random.default_rng(3)), Selective())
    assert (band.threshold, band.sensitivity, band.specificity) == (0.3, 0.95, 0.8)
    low, high = thresholds(band)
    assert low <= 0.3 <= high


@pytest.mark.parametrize("enabled", [False, True])
def test_training_lays_the_band_only_where_it_is_wished(enabled: bool) -> None:
    wished = {"enabled": enabled, "max_missed": 0.05, "max_false_alarms": 0.1}
    settings = Hyperparameters.model_validate({"train": {"selective": wished}})
    probabilities, labels = draw(np.random.default_rng(4))
    logits = (np.log(probabilities) - np.log1p(-probabilities))[:, np.newaxis]
    calibration, point = calibrate(logits, labels, settings)
    if not enabled:
        assert point.normal_below is None and point.pneumonia_from is None
        return
    low, high = thresholds(point)
    calibrated = calibration.probabilities(logits[:, 0])
    assert 0 < low < point.threshold < high < 1
    assert 0.7 < np.mean((calibrated < low) | (calibrated >= high)) < 0.95
