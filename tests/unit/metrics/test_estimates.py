"""Intervals against SciPy, clusters against algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from metrics.estimates import estimate, estimate_auc, interval_of_auc
from metrics.score_intervals import auc_interval
from metrics.scores import METRICS, Scores
from tests.unit.metrics.films import draw_scores


def test_agrees_with_scipy_where_each_patient_has_one_film() -> None:
    scores = draw_scores(400)
    found = estimate(scores, 4000).intervals

    def auc(films: np.ndarray) -> float:
        return sklearn_metrics.roc_auc_score(scores.labels[films], scores.probabilities[films])

    def recall(films: np.ndarray) -> float:
        return sklearn_metrics.recall_score(scores.labels[films], scores.decisions[films])

    for name, statistic in (("auc", auc), ("recall", recall)):
        expected = stats.bootstrap(
            (np.arange(400),), statistic, vectorized=False, n_resamples=1000,
            method="percentile", random_state=3,
        ).confidence_interval  # fmt: skip
        assert found[name] == pytest.approx((expected.low, expected.high), abs=0.012)


def test_copies_of_a_film_make_nothing_surer() -> None:
    scores = draw_scores()
    copied = scores.where(np.repeat(np.arange(120), 9))
    once, often = estimate(scores, 1000), estimate(copied, 1000)
    assert set(METRICS) - set(often.intervals) == {"expected_calibration_error"}
    for name, interval in often.intervals.items():
        assert interval == pytest.approx(once.intervals[name])
    assert (often.films, often.patients) == (9 * 120, 120)
    films = Scores(np.arange(9 * 120), copied.labels, copied.probabilities, copied.decisions)
    low, high = estimate(films, 1000).intervals["auc"]
    width = once.intervals["auc"][1] - once.intervals["auc"][0]
    assert high - low == pytest.approx(width / 3, rel=0.15)  # the root of nine


def test_a_metric_without_value_has_no_interval() -> None:
    scores = draw_scores()
    normal = estimate(scores.where(scores.labels == 0), 200)
    missing = {"auc", "recall", "f1_score", "expected_calibration_error"}
    assert set(METRICS) - set(normal.intervals) == missing
    assert np.isnan(normal.lower_bound("recall"))
    assert normal.positives == 0


def test_of_no_film_nothing_is_defined() -> None:
    nothing = estimate(draw_scores().where(np.zeros(120, bool)), 100)
    assert (nothing.films, nothing.patients, nothing.positives) == (0, 0, 0)
    assert set(nothing.metrics) == set(METRICS)
    assert np.isnan(list(nothing.metrics.values())).all()
    assert nothing.intervals == {}


def test_patients_are_counted() -> None:
    patients = np.array(["a", "a", "b", "c"])
    scores = Scores(patients, np.array([1, 1, 0, 1]), np.full(4, 0.5), np.ones(4, int))
    found = estimate(scores, 100)
    assert (found.films, found.patients) == (4, 3)
    assert found.positives == 3


def test_perfect_scores_are_as_sure_as_there_are_patients() -> None:
    scores = draw_scores()
    perfect = estimate(Scores(scores.patients, scores.labels, scores.labels, scores.labels), 99)
    count = len(set(scores.patients[scores.labels == 1]))
    expected = stats.binomtest(count, count).proportion_ci(method="wilson").low
    assert perfect.intervals["recall"] == pytest.approx((expected, 1.0))
    of_normal = len(set(scores.patients[scores.labels == 0]))
    assert perfect.intervals["auc"] == auc_interval(1.0, count, of_normal)
    assert perfect.lower_bound("auc") < 0.99
    assert not {"f1_score", "brier_score"} & set(perfect.intervals)


@pytest.mark.parametrize("patients", [20, 70, 1000])
def test_a_better_score_has_no_worse_bound(patients: int) -> None:
    labels = np.arange(patients) % 2
    bounds = []
    for wrong in range(4):
        probabilities = np.where(labels, 0.9, 0.1)
        probabilities[1 : 2 * wrong : 2] = 0.05  # pneumonia that looks healthier than health
        calls = (probabilities > 0.5).astype(int)
        found = estimate(Scores(np.arange(patients), labels, probabilities, calls), 500)
        bounds.append([found.lower_bound(name) for name in ("auc", "recall", "binary_accuracy")])
        trials = patients // 2
        wilson = stats.binomtest(trials - wrong, trials).proportion_ci(method="wilson")
        assert bounds[-1][1] <= wilson.low + 1e-12
    assert (np.diff(bounds, axis=0) < 0).all()


def test_a_single_patient_is_no_certainty() -> None:
    probabilities = np.array([0.2, 0.3, 0.1, 0.7])
    calls = (probabilities > 0.5).astype(int)
    found = estimate(Scores(np.repeat("p", 4), np.zeros(4, int), probabilities, calls), 99)
    assert found.metrics["specificity"] == 0.75
    # Wilson's bounds are the shares p from which 0.75 of one trial is 1.96 deviations away.
    quantile = stats.norm.ppf(0.975)
    bounds = np.array(found.intervals["specificity"])
    deviations = np.sqrt(bounds * (1 - bounds))
    assert (0.75 - bounds) / deviations == pytest.approx([quantile, -quantile])
    assert found.intervals["binary_accuracy"] == found.intervals["specificity"]
    assert "brier_score" not in found.intervals


def test_clustered_films_are_bounded_by_the_bootstrap() -> None:
    patients = np.repeat([f"p{number}" for number in range(40)], 20)
    found = np.repeat(np.arange(40) % 2, 20)
    one = estimate(Scores(patients, np.ones(800, int), found.astype(float), found), 500)
    assert one.lower_bound("recall") < stats.binomtest(400, 800).proportion_ci().low - 0.05


def test_an_auc_alone_is_that_of_the_whole_estimate() -> None:
    scores = draw_scores()
    auc, interval = estimate_auc(scores.labels, scores.probabilities, scores.patients, 300)
    whole = estimate(scores, 300)
    assert auc == sklearn_metrics.roc_auc_score(scores.labels, scores.probabilities)
    assert auc == pytest.approx(whole.metrics["auc"])
    assert interval == pytest.approx(whole.intervals["auc"])


def test_a_brier_score_or_f1_has_the_interval_of_its_draws() -> None:
    scores = draw_scores(400)
    found = estimate(scores, 2000).intervals["brier_score"]
    errors = (scores.labels - scores.probabilities) ** 2
    half = stats.norm.ppf(0.975) * errors.std() / np.sqrt(400)
    assert found == pytest.approx((errors.mean() - half, errors.mean() + half), abs=0.003)


def test_the_interval_of_an_auc_is_the_wider_of_draws_and_patients() -> None:
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0])
    patients = np.array(list("aabcdefgg"))  # two with pneumonia, five without
    of_patients = auc_interval(0.7, 2, 5)
    assert auc_interval(0.7, 5, 2) != pytest.approx(of_patients, abs=0.01)
    sure, unsure = np.full(100, 0.7), np.linspace(0, 1, 1001)
    assert interval_of_auc(0.7, sure, labels, patients) == of_patients
    assert interval_of_auc(0.7, unsure, labels, patients) == pytest.approx((0.025, 0.975))
    mixed = np.concatenate([np.full(500, 0.7), np.full(500, 0.999)])
    assert interval_of_auc(0.7, mixed, labels, patients) == (of_patients[0], 0.999)
