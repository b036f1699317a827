"""Curves and their bands, against scikit-learn and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from metrics.curves import (
    GRID,
    decision_curve,
    precision_recall_curve,
    reliability,
    roc_curve,
)
from metrics.scores import Scores

FILMS, SAMPLES = 300, 200


def scores_of(labels: list[int], probabilities: list[float]) -> Scores:
    patients = np.array([f"p{number}" for number in range(len(labels))])
    calls = np.array([int(one >= 0.5) for one in probabilities])
    return Scores(patients, np.array(labels), np.array(probabilities), calls)


@pytest.fixture(scope="module", name="scores")
def draw_scores() -> Scores:
    """Films of which two and two are of a patient."""
    random = np.random.default_rng(5)
    labels = np.repeat(random.integers(0, 2, FILMS // 2), 2)
    probabilities = 1 / (1 + np.exp(-random.normal(1.5 * labels - 0.7, 1)))
    patients = np.repeat([f"p{number}" for number in range(FILMS // 2)], 2)
    return Scores(patients, labels, probabilities, (probabilities >= 0.5).astype(int))


def test_areas_and_points_are_scikit_learns(scores: Scores) -> None:
    roc, found = roc_curve(scores, 5), precision_recall_curve(scores, 5)
    assert roc.area == pytest.approx(metrics.auc(roc.x, roc.y), abs=1e-12)
    assert found.area == pytest.approx(
        -np.sum(np.diff(found.x) * found.y[:-1]), abs=1e-12
    )  # the average precision is a sum over steps
    for curve in (roc, found):
        assert len(curve.x) == len(curve.y) == len(curve.thresholds)
    for x, y, threshold in list(zip(roc.x, roc.y, roc.thresholds, strict=True))[1::40]:
        called = scores.probabilities >= threshold
        assert y == pytest.approx(np.mean(called[scores.labels == 1]))
        assert x == pytest.approx(np.mean(called[scores.labels == 0]))


def test_a_band_holds_the_curve_and_knows_patients(scores: Scores) -> None:
    curve = roc_curve(scores, SAMPLES)
    inside = np.interp(GRID, curve.x, curve.y)
    assert np.mean((curve.band_low <= inside + 1e-9) & (inside <= curve.band_high + 1e-9)) > 0.9
    alone = Scores(
        np.arange(FILMS).astype(str), scores.labels, scores.probabilities, scores.decisions
    )
    independent = roc_curve(alone, SAMPLES)
    width = np.mean(curve.band_high - curve.band_low)
    # Films of a patient were drawn on their own, but labels go together: hardly narrower.
    assert width == pytest.approx(np.mean(independent.band_high - independent.band_low), rel=0.5)


def test_a_band_is_wider_where_films_of_a_patient_agree() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat(random.integers(0, 2, 30), 10)
    probabilities = np.repeat(np.clip(random.normal(0.4 + 0.2 * labels[::10], 0.2, 30), 0, 1), 10)
    of_patients = Scores(np.repeat(np.arange(30).astype(str), 10), labels, probabilities, labels)
    of_films = Scores(np.arange(300).astype(str), labels, probabilities, labels)
    wide, narrow = (
        np.mean(curve.band_high - curve.band_low)
        for curve in (roc_curve(of_patients, SAMPLES), roc_curve(of_films, SAMPLES))
    )
    assert wide > 2 * narrow


def test_reliability_counts_the_films_of_its_bins() -> None:
    labels = [0, 0, 1, 0, 1, 1, 1, 1]
    probabilities = [0.0, 0.05, 0.05, 0.31, 0.35, 0.95, 1.0, 0.1]
    first, second, last = reliability(scores_of(labels, probabilities))
    assert (first.films, second.films, last.films) == (4, 2, 2)
    assert first.predicted == pytest.approx(0.2 / 4)
    assert first.observed == pytest.approx(2 / 4)
    assert (second.observed, last.observed) == (0.5, 1.0)
    assert first.interval[0] < 0.5 < first.interval[1]
    assert last.interval[1] == 1.0


def test_net_benefit_weighs_false_alarms_by_the_odds() -> None:
    # At 0.2: three called, two of them ill; a false alarm costs 0.2 / 0.8 of one found.
    curve = decision_curve(scores_of([1, 1, 0, 0], [0.9, 0.3, 0.25, 0.1]), points=4)
    np.testing.assert_allclose(curve.thresholds, [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(curve.model, [(2 - 1 * 0.25) / 4, 1 / 4, 1 / 4, 1 / 4])
    np.testing.assert_allclose(curve.treat_all[0], (2 - 2 * 0.25) / 4)
    np.testing.assert_allclose(curve.treat_all[3], (2 - 2 * 4) / 4)
