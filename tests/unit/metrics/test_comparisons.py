"""Margins: differences of scikit-learn's AUCs, over the same draws of patients."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from metrics.comparisons import auc_margin
from metrics.score_intervals import auc_interval
from metrics.scores import Scores


@pytest.fixture(name="model")
def make_scores() -> Scores:
    random = np.random.default_rng(1)
    labels = np.arange(200) % 2
    probabilities = labels * 0.3 + random.random(200)
    return Scores(np.arange(200) // 2 * 2 + labels, labels, probabilities, labels)


def test_the_margin_is_the_difference_of_aucs(model: Scores) -> None:
    control = np.random.default_rng(2).random(200)
    found = auc_margin(control, model, samples=500)
    auc = roc_auc_score(model.labels, control)
    assert found.auc == pytest.approx(auc)
    assert found.margin == pytest.approx(roc_auc_score(model.labels, model.probabilities) - auc)
    assert found.margin_interval[0] < found.margin < found.margin_interval[1]


def test_the_same_patients_are_drawn_for_both(model: Scores) -> None:
    found = auc_margin(2 * model.probabilities, model, samples=500)
    assert found.margin == 0
    assert found.margin_interval == (0, 0)
    assert found.auc_interval[1] - found.auc_interval[0] > 0.1


def test_a_perfect_control_is_as_sure_as_there_are_patients(model: Scores) -> None:
    found = auc_margin(model.labels.astype(float), model, samples=100)
    patients = [len(np.unique(model.patients[model.labels == label])) for label in (1, 0)]
    assert found.auc == 1
    assert found.auc_interval == auc_interval(1.0, *patients)
    assert found.auc_interval[0] < 0.99
