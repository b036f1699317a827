"""Metrics of weighted films against scikit-learn's sample weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from metrics.weighted import weighted_auc, weighted_metrics
from tests.unit.metrics.films import draw_scores


@pytest.fixture(name="weights")
def draw_weights() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 4, (5, 120)).astype(float)


def test_auc_agrees_with_scikit_learn(weights: np.ndarray) -> None:
    scores = draw_scores(decimals=1)
    assert len(np.unique(scores.probabilities)) < 12
    expected = [
        sklearn_metrics.roc_auc_score(scores.labels, scores.probabilities, sample_weight=one)
        for one in weights
    ]
    found = weighted_auc(weights, scores.labels, scores.probabilities)
    assert found == pytest.approx(expected, abs=1e-12)


def test_decisions_agree_with_scikit_learn(weights: np.ndarray) -> None:
    scores = draw_scores()
    found = weighted_metrics(weights, scores)
    for draw, one in enumerate(weights):
        given = {"sample_weight": one}
        pair = scores.labels, scores.decisions
        expected = {
            "recall": sklearn_metrics.recall_score(*pair, **given),
            "specificity": sklearn_metrics.recall_score(*pair, pos_label=0, **given),
            "precision": sklearn_metrics.precision_score(*pair, **given),
            "f1_score": sklearn_metrics.f1_score(*pair, **given),
            "binary_accuracy": sklearn_metrics.accuracy_score(*pair, **given),
            "brier_score": sklearn_metrics.brier_score_loss(
                scores.labels, scores.probabilities, **given
            ),
        }
        for name, value in expected.items():
            assert found[name][draw] == pytest.approx(value), name


def test_calibration_error_is_the_distance_in_ten_bins(weights: np.ndarray) -> None:
    scores = draw_scores(decimals=9)
    expected = np.zeros(len(weights))
    bins = np.digitize(scores.probabilities, np.linspace(0, 1, 11)[:-1])
    for inside in (bins == number for number in range(1, 11)):
        of_bin = weights[:, inside]
        confidence = of_bin @ scores.probabilities[inside]
        expected += np.abs(of_bin @ scores.labels[inside] - confidence)
    found = weighted_metrics(weights, scores)["expected_calibration_error"]
    assert found == pytest.approx(expected / weights.sum(axis=1))


def test_what_is_not_defined_is_nan() -> None:
    scores = draw_scores()
    normal = scores.where(scores.labels == 0)
    found = weighted_metrics(np.ones((1, len(normal.labels))), normal)
    undefined = {name for name, value in found.items() if np.isnan(value[0])}
    assert undefined == {"auc", "recall"}
