"""The share of pneumonia among films without labels, on scores whose law is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import norm

from metrics.prevalence import estimate_prevalence, most_likely_prevalence

ASSUMED = 0.7


def draw_probabilities(films: int, share: float, seed: int = 0) -> np.ndarray:
    """Draws a measurement of each film, N(1, 1) of the ill and N(-1, 1) of the others.

    Its log likelihood ratio is twice the measurement, so the calibrated logit is known.
    """
    random = np.random.default_rng(seed)
    ill = np.arange(films) < share * films
    measured = random.normal(np.where(ill, 1.0, -1.0), 1.0)
    return expit(2 * measured + logit(ASSUMED))


def likeliest(probabilities: np.ndarray) -> float:
    """Maximises the likelihood of the mixture of both densities, without a step of EM."""
    measured = (logit(probabilities) - logit(ASSUMED)) / 2
    densities = norm.pdf(measured, 1), norm.pdf(measured, -1)
    return minimize_scalar(
        lambda share: -np.sum(np.log(share * densities[0] + (1 - share) * densities[1])),
        bounds=(1e-6, 1 - 1e-6),
        method="bounded",
        options={"xatol": 1e-9},
    ).x


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.7, 0.95])
def test_is_the_likeliest_and_near_the_truth(share: float) -> None:
    probabilities = draw_probabilities(20_000, share)
    found = most_likely_prevalence(np.ones((1, 20_000)), probabilities, ASSUMED)[0]
    assert found == pytest.approx(likeliest(probabilities), abs=1e-4)
    assert found == pytest.approx(share, abs=0.015)
    # The mean of what the model says is far off, or there would be nothing to correct.
    assert share == ASSUMED or abs(probabilities.mean() - share) > 3 * abs(found - share)


def test_films_like_those_of_the_calibration_have_its_share() -> None:
    probabilities = np.array([0.9, 0.8, 0.7, 0.4])
    found = most_likely_prevalence(np.ones((1, 4)), probabilities, probabilities.mean())[0]
    assert found == pytest.approx(probabilities.mean(), abs=1e-6)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_certain_films_are_of_one_class(certain: float) -> None:
    found = most_likely_prevalence(np.ones((1, 3)), np.full(3, certain), ASSUMED)[0]
    assert found == pytest.approx(certain, abs=1e-6)


def test_a_film_that_counts_twice_is_two_films() -> None:
    probabilities = draw_probabilities(60, 0.4)
    weights = np.random.default_rng(1).integers(0, 4, (5, 60)).astype(float)
    found = most_likely_prevalence(weights, probabilities, ASSUMED)
    for row, share in zip(weights.astype(int), found, strict=True):
        again = most_likely_prevalence(
            np.ones((1, row.sum())), np.repeat(probabilities, row), ASSUMED
        )
        assert share == pytest.approx(again[0], abs=1e-4)


def test_the_interval_is_by_patient() -> None:
    films = np.repeat(draw_probabilities(80, 0.4), 5)
    apart = estimate_prevalence(films, ASSUMED, np.arange(400), 200)
    together = estimate_prevalence(films, ASSUMED, np.repeat(np.arange(80), 5), 200)
    assert apart.share == together.share
    assert together.interval[0] < together.share < together.interval[1]
    widths = [one.interval[1] - one.interval[0] for one in (together, apart)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(5), rel=0.25)
