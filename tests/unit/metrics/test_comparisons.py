"""Margins: differences of scikit-learn's AUCs, over the same draws of patients."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score

from metrics.comparisons import auc_margin, paired_metrics
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


class TestPaired:
    """Two models on the same films, against scikit-learn, film by film."""

    @pytest.fixture(name="rival")
    def make_rival(self, model: Scores) -> Scores:
        random = np.random.default_rng(4)
        probabilities = np.clip(model.labels * 0.2 + random.random(200) * 0.8, 0, 1)
        return Scores(
            model.patients, model.labels, probabilities, (probabilities > 0.5).astype(int)
        )

    @pytest.fixture(name="later")
    def make_later(self, model: Scores) -> Scores:
        probabilities = np.clip(model.probabilities / 1.3, 0, 1)
        return Scores(
            model.patients, model.labels, probabilities, (probabilities > 0.6).astype(int)
        )

    def test_values_are_scikit_learns(self, rival: Scores, later: Scores) -> None:
        found = paired_metrics(rival, later, samples=50)
        expected = {
            "auc": lambda one: roc_auc_score(one.labels, one.probabilities),
            "recall": lambda one: recall_score(one.labels, one.decisions),
            "specificity": lambda one: recall_score(one.labels, one.decisions, pos_label=0),
            "brier_score": lambda one: brier_score_loss(one.labels, one.probabilities),
        }
        for name, measure in expected.items():
            before, after = measure(rival), measure(later)
            assert found[name].before == pytest.approx(before)
            assert found[name].after == pytest.approx(after)
            assert found[name].change == pytest.approx(after - before)

    def test_the_interval_is_that_of_drawn_patients(self, rival: Scores, later: Scores) -> None:
        """Drawn here by repeating the films of each patient, with draws of its own."""
        random = np.random.default_rng(7)
        names = np.unique(rival.patients)
        films_of = {name: np.flatnonzero(rival.patients == name) for name in names}
        changes = []
        for _ in range(2000):
            films = np.concatenate([films_of[one] for one in random.choice(names, len(names))])
            aucs = [
                roc_auc_score(one.labels[films], one.probabilities[films]) for one in (rival, later)
            ]
            changes.append(aucs[1] - aucs[0])
        found = paired_metrics(rival, later, samples=2000)["auc"]
        assert found.interval == pytest.approx(np.quantile(changes, [0.025, 0.975]), abs=0.01)
        below = np.mean(np.array(changes) <= 0)
        assert found.p_value == pytest.approx(2 * min(below, 1 - below), abs=0.02)

    def test_it_is_the_margin_of_the_auc(self, rival: Scores, later: Scores) -> None:
        margin = auc_margin(rival.probabilities, later, samples=300)
        found = paired_metrics(rival, later, samples=300)["auc"]
        assert (found.change, found.interval) == (
            pytest.approx(margin.margin),
            pytest.approx(margin.margin_interval),
        )

    def test_the_same_model_has_not_changed(self, rival: Scores) -> None:
        for one in paired_metrics(rival, rival, samples=100).values():
            assert (one.change, one.interval, one.p_value) == (0, (0, 0), 1)

    def test_what_is_not_defined_has_no_interval(self, rival: Scores, later: Scores) -> None:
        ill = rival.labels == 1
        found = paired_metrics(rival.where(ill), later.where(ill), samples=20)
        assert np.isnan(found["auc"].change)
        assert (found["auc"].interval, found["auc"].p_value) == (None, None)
        assert found["recall"].interval is not None
