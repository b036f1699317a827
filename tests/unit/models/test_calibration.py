"""Calibration and operating point against scikit-learn, known distortions and brute force."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.calibration import _SigmoidCalibration
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, recall_score

from metrics.prevalence import most_likely_prevalence
from models.calibration import (
    Calibration,
    OperatingPoint,
    choose_operating_point,
    fit_calibration,
)


def _scores(films: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(films) < 0.7).astype(float)
    return random.normal(2.0 * labels - 1.0, 1.0) * 3 + 1, labels


class TestProbabilities:
    LOGITS = np.array([[-3.0, -0.5, 0.0], [0.7, 2.0, 5.0]])

    def test_are_beta_calibration_of_the_score(self) -> None:
        score = expit(self.LOGITS)
        odds = np.exp(0.4) * score**1.7 / (1 - score) ** 0.6  # Kull et al., equation 7
        found = Calibration(1.7, 0.6, 0.4).probabilities(self.LOGITS)
        assert found.shape == self.LOGITS.shape
        np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-12)

    def test_of_one_slope_are_platt_scaling(self) -> None:
        found = Calibration(0.8, 0.8, -0.3).probabilities(self.LOGITS)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(0.3 - 0.8 * self.LOGITS)), rtol=1e-12)

    def test_hold_for_logits_that_overflow(self) -> None:
        found = Calibration(0.001, 0.002, 0.0).probabilities(np.array([-1e4, 1e4]))
        np.testing.assert_allclose(found, expit([-10.0, 20.0]), rtol=1e-12)


def _fitted_by_scikit_learn(columns: np.ndarray, labels: np.ndarray, intercept: bool) -> np.ndarray:
    """Fits a regression to Platt's targets: each film counts as positive by that much."""
    positives = np.sum(labels)
    targets = np.where(
        labels == 1, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2)
    )
    regression = LogisticRegression(
        penalty=None, fit_intercept=intercept, tol=1e-10, max_iter=10_000
    ).fit(
        np.concatenate([columns, columns]),
        np.repeat([1, 0], len(labels)),
        np.concatenate([targets, 1 - targets]),
    )
    return np.append(regression.coef_, regression.intercept_ if intercept else 0.0)


class TestFit:
    """Few films, so that Platt's smoothing of the targets counts."""

    LOGITS = np.array([-2.0, -1.0, 0.5, 3.0, 0.0, 1.0, 4.0, 2.5, -0.5])
    LABELS = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])

    def test_platt_is_the_likeliest_line(self) -> None:
        slope, intercept = _fitted_by_scikit_learn(self.LOGITS[:, None], self.LABELS, True)
        for fitted in (
            fit_calibration(self.LOGITS, self.LABELS),
            fit_calibration(self.LOGITS, self.LABELS, "platt"),
        ):
            assert fitted.slope_above == fitted.slope_below == pytest.approx(slope, rel=1e-3)
            assert fitted.intercept == pytest.approx(intercept, abs=1e-3)

    def test_temperature_is_the_likeliest_slope(self) -> None:
        slope, _ = _fitted_by_scikit_learn(self.LOGITS[:, None], self.LABELS, False)
        fitted = fit_calibration(self.LOGITS, self.LABELS, "temperature")
        assert fitted.slope_above == fitted.slope_below == pytest.approx(slope, rel=1e-3)
        assert fitted.intercept == 0

    def test_beta_is_the_likeliest_pair_of_slopes(self) -> None:
        logits, labels = _scores(150, seed=1)
        logits /= 3
        score = expit(logits)
        columns = np.stack([np.log(score), -np.log1p(-score)], axis=1)
        below, above, intercept = _fitted_by_scikit_learn(columns, labels, True)
        assert min(below, above) > 0.1  # so that no bound is touched
        fitted = fit_calibration(logits, labels, "beta")
        assert fitted.slope_below == pytest.approx(below, rel=2e-3)
        assert fitted.slope_above == pytest.approx(above, rel=2e-3)
        assert fitted.intercept == pytest.approx(intercept, abs=2e-3)

    def test_beta_stops_at_a_slope_of_nought(self) -> None:
        # Where low logits are the more often pneumonia the lower they are, the slope below is 0,
        # and the other is that of a regression on the column above alone.
        random = np.random.default_rng(8)
        logits = random.normal(0.0, 3.0, 3_000)
        labels = (random.random(logits.size) < expit(np.abs(logits) - 1)).astype(float)
        fitted = fit_calibration(logits, labels, "beta")
        column = -np.log1p(-expit(logits))[:, None]
        above, intercept = _fitted_by_scikit_learn(column, labels, True)
        assert fitted.slope_below == pytest.approx(0, abs=1e-6)
        assert fitted.slope_above == pytest.approx(above, rel=0.01)
        assert fitted.intercept == pytest.approx(intercept, abs=0.01)

    def test_without_a_word_of_costs_the_sensitivity_decided(self) -> None:
        assert OperatingPoint(0.4, 0.9, 0.8, 0.95).cost_ratio == 0

    def test_numbers_are_plain(self) -> None:
        for method in ("platt", "temperature", "beta"):
            fitted = fit_calibration(self.LOGITS, self.LABELS, method)
            assert {type(value) for value in (*fitted.weights, fitted.prevalence)} == {float}


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


@pytest.mark.parametrize("method", ["platt", "temperature", "beta"])
def test_a_network_that_is_worse_than_chance_is_not_turned_round(method: str) -> None:
    logits, labels = _scores(200, seed=12)
    fitted = fit_calibration(logits, 1 - labels, method)
    assert fitted.slope_below == pytest.approx(0, abs=1e-9)
    assert fitted.slope_above == pytest.approx(0, abs=1e-9)
    share = 0.5 if method == "temperature" else np.mean(1 - labels)
    assert fitted.probabilities(logits) == pytest.approx(share, abs=0.01)


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
    assert point == OperatingPoint(point.threshold, 1.0, 1.0, 0.95, 0.0)
    assert {type(value) for value in point.thresholds} == {float}
    assert not point.has_band and point.thresholds == (point.threshold,) * 3


class TestEdges:
    def test_the_target_itself_is_reached(self) -> None:
        # Two of three pneumonias above every normal film: a target of 2/3 asks for no third.
        probabilities = np.array([0.9, 0.8, 0.5, 0.4, 0.3, 0.2])
        labels = np.array([1, 1, 0, 0, 0, 1])
        point = choose_operating_point(probabilities, labels, 2 / 3)
        assert (point.threshold, point.sensitivity, point.specificity) == (0.65, 2 / 3, 1.0)
        more = choose_operating_point(probabilities, labels, 0.67)
        assert (more.threshold, more.sensitivity, more.specificity) == (0.1, 1.0, 0.0)

    def test_where_every_film_is_called_the_threshold_lies_below_all(self) -> None:
        point = choose_operating_point(np.array([0.5, 0.3, 0.6]), np.array([0, 1, 0]), 0.9)
        assert point == OperatingPoint(0.15, 1.0, 0.0, 0.9, 0.0)

    def test_where_no_film_is_called_the_threshold_lies_above_all(self) -> None:
        probabilities, labels = np.array([0.5, 0.3, 0.6]), np.array([1, 0, 0])
        point = choose_operating_point(probabilities, labels, 0.9, cost_ratio=0.5)
        assert point == OperatingPoint(0.8, 0.0, 1.0, 0.9, 0.5)

    def test_of_thresholds_that_cost_the_same_the_highest_is_taken(self) -> None:
        # One film more found costs one false alarm, which at a ratio of 1 is as dear.
        probabilities, labels = np.array([0.9, 0.7, 0.5, 0.3]), np.array([1, 0, 1, 0])
        point = choose_operating_point(probabilities, labels, 0.9, cost_ratio=1)
        assert (point.threshold, point.sensitivity, point.specificity) == (0.8, 0.5, 1.0)
        dearer = choose_operating_point(probabilities, labels, 0.9, cost_ratio=1.01)
        assert (dearer.threshold, dearer.sensitivity, dearer.specificity) == (0.4, 1.0, 0.5)

    def test_a_threshold_need_not_be_a_corner_of_the_curve(self) -> None:
        # Below four pneumonias, four scores of a pneumonia and two normal films each: a straight
        # line, on which the first point that reaches the target is the best.
        probabilities = np.append(np.repeat([0.8, 0.6, 0.4, 0.2], 3), [0.9] * 4)
        labels = np.append(np.tile([1, 0, 0], 4), [1] * 4)
        point = choose_operating_point(probabilities, labels, 0.6)
        assert (point.threshold, point.sensitivity, point.specificity) == (0.7, 5 / 8, 6 / 8)

    @pytest.mark.parametrize("cost_ratio", [0.3, 0.7, 1.5, 3.0, 8.0])
    def test_the_costs_are_those_of_films_not_of_shares(self, cost_ratio: float) -> None:
        # Nine normal films for each pneumonia: a share of the one weighs nine of the other.
        random = np.random.default_rng(9)
        labels = (np.arange(400) % 10 == 0).astype(int)
        probabilities = expit(random.normal(1.5 * labels - 1.0, 1.0))

        def cost(threshold: float) -> float:
            called = probabilities >= threshold
            return cost_ratio * np.sum(labels[~called]) + np.sum(1 - labels[called])

        point = choose_operating_point(probabilities, labels, 0.95, cost_ratio)
        cheapest = min(cost(threshold) for threshold in (*probabilities, 1.1))
        assert cost(point.threshold) == pytest.approx(cheapest)
        called = probabilities >= point.threshold
        assert point.sensitivity == pytest.approx(labels[called].sum() / labels.sum())
        assert point.specificity == pytest.approx(np.mean(~called[labels == 0]))


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


class TestAnotherPrevalence:
    CALIBRATION = Calibration(1.5, 0.8, 0.3, prevalence=0.5)

    def test_probabilities_are_those_of_bayes(self) -> None:
        # Ten ill and ten healthy films; the sign is on 8 of the ill and 2 of the healthy. With as
        # many ill, and nine times the healthy, it is on 8 of the ill and 18 of the healthy.
        sign = Calibration(1.0, 1.0, 0.0, prevalence=0.5).at_prevalence(0.1)
        assert sign.probabilities(np.array([logit(8 / 10)]))[0] == pytest.approx(8 / 26)
        assert sign.prevalence == 0.1

    def test_there_and_back_is_where_it_was(self) -> None:
        back = self.CALIBRATION.at_prevalence(0.03).at_prevalence(0.5)
        assert vars(back) == pytest.approx(vars(self.CALIBRATION))

    def test_an_unknown_prevalence_cannot_be_left(self) -> None:
        with pytest.raises(ValueError, match="not known"):
            Calibration(1.0, 1.0, 0.0).at_prevalence(0.1)

    @pytest.mark.parametrize("prevalence", [0.001, 0.2, 0.9])
    def test_a_point_of_a_sensitivity_keeps_every_label(self, prevalence: float) -> None:
        logits = np.linspace(-6, 6, 101)
        point = OperatingPoint(0.4321, 0.95, 0.8, 0.95)
        moved = self.CALIBRATION.at_prevalence(prevalence)
        there = point.shifted(self.CALIBRATION.shift_to(prevalence))
        labels = self.CALIBRATION.probabilities(logits) >= point.threshold
        assert np.array_equal(moved.probabilities(logits) >= there.threshold, labels)
        assert (there.sensitivity, there.specificity) == (0.95, 0.8)

    @pytest.mark.parametrize("prevalence", [0.001, 0.2, 0.9])
    def test_a_band_of_uncertain_films_keeps_its_films(self, prevalence: float) -> None:
        logits = np.linspace(-6, 6, 101)
        point = OperatingPoint(0.4, 0.95, 0.8, 0.95, normal_below=0.2, pneumonia_from=0.7)
        moved = self.CALIBRATION.at_prevalence(prevalence)
        there = point.shifted(self.CALIBRATION.shift_to(prevalence))
        before, after = self.CALIBRATION.probabilities(logits), moved.probabilities(logits)
        for old, new in zip(point.thresholds, there.thresholds, strict=True):
            assert np.array_equal(before >= old, after >= new)

    def test_edges_stay_on_their_sides_of_a_point_of_costs(self) -> None:
        point = OperatingPoint(
            0.2, 0.99, 0.7, 0.95, cost_ratio=4, normal_below=0.1, pneumonia_from=2.0
        )
        rarer, commoner = (
            point.shifted(self.CALIBRATION.shift_to(share)).thresholds for share in (0.01, 0.99)
        )
        assert rarer[1] < 0.1 and rarer[0::2] == (0.2, 2.0)
        assert commoner == (0.2, 0.2, 2.0)

    def test_a_point_of_costs_stays_where_both_errors_cost_the_same(self) -> None:
        # At a ratio of 4 a film of probability 1/5 costs 4/5 missed and 4/5 as a false alarm.
        point = OperatingPoint(0.2, 0.99, 0.7, 0.95, cost_ratio=4)
        there = point.shifted(self.CALIBRATION.shift_to(0.1))
        assert there.threshold == 0.2
        assert np.isnan([there.sensitivity, there.specificity]).all()

    def test_costs_are_least_there(self) -> None:
        # 100,000 films of which a tenth is ill, calibrated at a half.
        random = np.random.default_rng(0)
        ill = np.arange(100_000) < 10_000
        logits = 2 * random.normal(np.where(ill, 1.0, -1.0), 1.0)
        assumed = Calibration(1.0, 1.0, 0.0, prevalence=0.5)
        probabilities = assumed.at_prevalence(0.1).probabilities(logits)
        point = OperatingPoint(0.2, 0.9, 0.9, 0.95, cost_ratio=4).shifted(assumed.shift_to(0.1))

        def cost(threshold: float) -> float:
            called = probabilities >= threshold
            return float(4 * np.sum(ill & ~called) + np.sum(~ill & called))

        cheapest = min(cost(threshold) for threshold in np.linspace(0.01, 0.99, 99))
        assert cost(point.threshold) == pytest.approx(cheapest, rel=0.01)

    @pytest.mark.parametrize("method", ["platt", "beta", "temperature"])
    def test_the_assumed_one_is_where_the_mean_probability_is_the_share(self, method: str) -> None:
        logits, labels = _scores(4_000, seed=11)
        fitted = fit_calibration(logits + 1.5, labels, method)
        probabilities = fitted.probabilities(logits + 1.5)
        share = fitted.prevalence
        assert share is not None
        weights = np.where(labels == 1, share / labels.sum(), (1 - share) / (1 - labels).sum())
        assert np.sum(weights * probabilities) == pytest.approx(share, abs=1e-6)
        if method != "temperature":  # with an intercept it is that of the films
            assert share == pytest.approx(labels.mean(), abs=2e-3)


def _groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws films of two sites: at the smaller one the logits are shifted and less sure."""
    random = np.random.default_rng(seed)
    groups = np.repeat(["large", "small"], [900, 100])
    labels = (random.random(1_000) < 0.5).astype(float)
    sure = np.where(groups == "large", 3.0, 1.0)
    shift = np.where(groups == "large", 0.0, 2.5)
    return random.normal(sure * (2 * labels - 1) + shift, 1.5), labels, groups


def _losses(calibration: Calibration, *films: np.ndarray) -> dict[str, float]:
    logits, labels, groups = films
    probabilities = calibration.probabilities(logits)
    return {
        name: log_loss(labels[groups == name], probabilities[groups == name])
        for name in np.unique(groups)
    }


class TestWorstGroup:
    @pytest.mark.parametrize("method", ["platt", "beta", "temperature"])
    def test_no_other_calibration_has_a_better_worst_group(self, method: str) -> None:
        films = logits, labels, groups = _groups()
        plain = fit_calibration(logits, labels, method)
        fair = fit_calibration(logits, labels, method, groups)
        reached = max(_losses(fair, *films).values())
        assert reached < max(_losses(plain, *films).values()) - (0.02 if method == "platt" else 0)

        def of_weights(weights: np.ndarray) -> Calibration:
            if method == "temperature":
                return Calibration(weights[0], weights[0], 0.0)
            if method == "platt":
                return Calibration(weights[0], weights[0], weights[1])
            return Calibration(*weights)

        start = {"temperature": [1.0], "platt": [1.0, 0.0], "beta": [1.0, 1.0, 0.0]}[method]
        searched = minimize(
            lambda weights: max(_losses(of_weights(weights), *films).values()),
            x0=start,
            method="Nelder-Mead",
            options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-9},
        )
        # The fit smooths the labels, the search does not.
        assert reached == pytest.approx(searched.fun, abs=2e-3)

    def test_one_group_is_all_films(self) -> None:
        logits, labels, _ = _groups()
        one = fit_calibration(logits, labels, "platt", np.full(1_000, "only"))
        alike = fit_calibration(logits, labels)
        assert one.weights == pytest.approx(alike.weights)
        assert one.prevalence == pytest.approx(alike.prevalence)
        assert one.fitted_to_all is None

    def test_groups_of_few_films_are_judged_together(self) -> None:
        logits, labels, groups = _groups()
        # The small site in parts of 10 is one group; of its own films each could be led by one.
        parts = np.where(
            groups == "small", np.char.add("part ", (np.arange(1_000) // 10).astype(str)), groups
        )
        assert fit_calibration(logits, labels, "platt", parts).weights == pytest.approx(
            fit_calibration(logits, labels, "platt", groups).weights, rel=1e-4
        )

    @pytest.mark.parametrize("method", ["platt", "beta", "temperature"])
    def test_films_are_counted_by_what_is_fitted_to_all_alike(self, method: str) -> None:
        logits, labels, groups = _groups()
        fair = fit_calibration(logits, labels, method, groups)
        alike = fit_calibration(logits, labels, method)
        assert fair.for_counting == alike != fair
        assert alike.for_counting is alike
        assert fair.at_prevalence(0.1).for_counting == alike  # of a model that was moved, too
        assert Calibration.of_record(json.loads(json.dumps(asdict(fair)))) == fair
        assert Calibration.of_record(asdict(alike)) == alike
        earlier = {"slope_below": 1.5, "slope_above": 1.5, "intercept": 0.2, "prevalence": 0.4}
        assert Calibration.of_record(earlier) == Calibration(1.5, 1.5, 0.2, 0.4)

    @pytest.mark.parametrize(
        "wrong",
        [
            None,
            [],
            "x",
            {},
            {**asdict(Calibration(1, 1, 0)), "slope_below": None},
            {**asdict(Calibration(1, 1, 0)), "intercept": math.nan},
            {**asdict(Calibration(1, 1, 0)), "slope": 1},
            {**asdict(Calibration(1, 1, 0)), "fitted_to_all": {}},
            {**asdict(Calibration(1, 1, 0)), "fitted_to_all": {"slope_below": "x"}},
        ],
    )
    def test_a_record_of_something_else_is_refused(self, wrong: Any) -> None:
        with pytest.raises(ValueError, match="Calibration"):
            Calibration.of_record(wrong)

    def test_another_share_is_counted_better_by_it(self) -> None:
        logits, labels, groups = _groups()
        fair = fit_calibration(logits, labels, groups=groups)
        others, ill, _ = map(np.concatenate, zip(*map(_groups, range(1, 20)), strict=True))
        weights = np.where(ill == 1, 0.9 / ill.sum(), 0.1 / (1 - ill).sum())[np.newaxis]
        found, worse = (
            most_likely_prevalence(weights, one.probabilities(others), one.prevalence or 0.5)[0]
            for one in (fair.for_counting, fair)
        )
        assert found == pytest.approx(0.9, abs=0.02)
        assert worse > 0.98

    def test_every_group_reaches_the_sensitivity(self) -> None:
        logits, labels, groups = _groups(1)
        probabilities = expit(logits - 3 * (groups == "small"))
        plain = choose_operating_point(probabilities, labels, 0.9)
        fair = choose_operating_point(probabilities, labels, 0.9, groups=groups)

        def sensitivities(threshold: float) -> list[float]:
            ill = labels == 1
            return [
                float(np.mean(probabilities[ill & (groups == name)] >= threshold))
                for name in ("large", "small")
            ]

        assert min(sensitivities(plain.threshold)) < 0.9 <= min(sensitivities(fair.threshold))
        called = probabilities >= fair.threshold
        assert fair.sensitivity == pytest.approx(np.mean(called[labels == 1]))
        assert fair.specificity == pytest.approx(np.mean(~called[labels == 0]))
        # Of all thresholds that do, the one with the best sum over all films.
        best = max(
            np.mean(probabilities[labels == 1] >= t) + np.mean(probabilities[labels == 0] < t)
            for t in probabilities
            if min(sensitivities(t)) >= 0.9
        )
        assert fair.sensitivity + fair.specificity == pytest.approx(best)

    def test_a_cost_is_counted_as_if_all_were_as_the_worst_group(self) -> None:
        logits, labels, groups = _groups(2)
        probabilities = expit(logits - 2 * (groups == "small"))
        point = choose_operating_point(probabilities, labels, 0.9, cost_ratio=3, groups=groups)

        def cost(threshold: float) -> float:
            called = probabilities >= threshold
            missed, alarmed = (
                max(np.mean((called != bool(label))[(labels == label) & (groups == name)])
                    for name in ("large", "small"))
                for label in (1, 0)
            )  # fmt: skip
            return float(3 * missed * np.sum(labels == 1) + alarmed * np.sum(labels == 0))

        assert cost(point.threshold) == pytest.approx(min(map(cost, probabilities)))
