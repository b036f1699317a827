"""Metrics and gates read from TFMA, against scikit-learn on the same scores."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from components.evaluation.decisions import DECISION
from components.evaluation.gates import read_verdicts
from components.evaluation.slices import OVERALL, load_slices
from models import features
from pipeline.config import Evaluation
from tests.unit.components.evaluation import tfma_result

THRESHOLD = 0.4
# TFMA bins the scores and interpolates between the points of the curves.
_TOLERANCES = {"auc": 0.005, "auc_precision_recall": 0.03}
GATES = Evaluation(
    min_auc=0.7,
    min_recall=0.8,
    min_specificity=0.6,
    min_slice_positives=20,
    min_slice_negatives=20,
)


@pytest.fixture(scope="module", name="films")
def make_films() -> pd.DataFrame:
    """Scores of 400 films; the site `far` does badly, the site `tiny` has few films."""
    random = np.random.default_rng(0)
    count = 400
    label = (random.random(count) < 0.6).astype(float)
    site = random.choice(["near", "far", "tiny"], count, p=[0.6, 0.37, 0.03])
    harder = label * np.select([site == "far", site == "tiny"], [1.3, 4.0])
    logit = random.normal(2.5 * label - 1.0 - harder, 1.0)
    probability = 1 / (1 + np.exp(-logit))
    films = pd.DataFrame({features.LABEL_XF: label, features.PROBABILITY: probability})
    films[DECISION] = (probability >= THRESHOLD).astype(float)
    for name in features.SLICES:
        films[name] = random.choice(["a", "b"], count)
    films[features.SUBTYPE] = np.where(label == 1, films[features.SUBTYPE], "none")
    films[features.SITE] = site
    return films


@pytest.fixture(scope="module", name="evaluation_uri")
def run_tfma(films: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """TFMA's own result over those films, with our gates."""
    return tfma_result.evaluate(films, GATES, tmp_path_factory.mktemp("evaluation"))


def test_metrics_of_every_slice_agree_with_scikit_learn(
    films: pd.DataFrame, evaluation_uri: str
) -> None:
    slices = load_slices(evaluation_uri, {})
    assert slices[0].name == OVERALL
    assert {one.feature for one in slices} == {OVERALL, *features.SLICES}
    for one in slices:
        of_slice = films if one.name == OVERALL else films[films[one.feature] == one.value]
        label, called = of_slice[features.LABEL_XF], of_slice[DECISION]
        score = of_slice[features.PROBABILITY]
        assert (one.films, one.positives) == (len(of_slice), int(label.sum()))
        expected = {
            "recall": metrics.recall_score(label, called, zero_division=np.nan),
            "precision": metrics.precision_score(label, called, zero_division=np.nan),
            "specificity": metrics.recall_score(1 - label, 1 - called, zero_division=np.nan),
            "f1_score": metrics.f1_score(label, called, zero_division=np.nan),
            "binary_accuracy": metrics.accuracy_score(label, called),
            "brier_score": metrics.mean_squared_error(label, score),
        }
        if label.nunique() == 2:
            expected["auc"] = metrics.roc_auc_score(label, score)
            if len(of_slice) >= 100:  # a short curve is all interpolation
                expected["auc_precision_recall"] = metrics.average_precision_score(label, score)
        else:
            assert math.isnan(one.metrics["auc"])
        for name, value in expected.items():
            tolerance = _TOLERANCES.get(name, 1e-5)
            assert one.metrics[name] == pytest.approx(value, abs=tolerance, nan_ok=True), name


def test_calibration_error_agrees_with_its_definition(
    films: pd.DataFrame, evaluation_uri: str
) -> None:
    label, score = films[features.LABEL_XF], films[features.PROBABILITY]
    bins = np.floor(score * 10)
    error = sum(
        abs(label[bins == one].mean() - score[bins == one].mean()) * (bins == one).mean()
        for one in bins.unique()
    )
    overall = load_slices(evaluation_uri, {})[0]
    assert overall.metrics["expected_calibration_error"] == pytest.approx(error, abs=1e-6)


def test_verdicts_name_the_slice_that_fails_and_spare_the_tiny_one(
    films: pd.DataFrame, evaluation_uri: str
) -> None:
    slices = load_slices(evaluation_uri, {})
    verdicts = {
        (one.slice, one.metric): one for one in read_verdicts(evaluation_uri, slices, GATES, {})
    }
    far = films[(films[features.SITE] == "far") & (films[features.LABEL_XF] == 1)]
    tiny = films[(films[features.SITE] == "tiny") & (films[features.LABEL_XF] == 1)]
    assert far[DECISION].mean() < GATES.min_recall
    assert tiny[DECISION].mean() < GATES.min_recall
    assert len(tiny) < GATES.min_slice_positives
    failed = verdicts[("site=far", "recall")]
    assert not failed.passed
    assert failed.value == pytest.approx(far[DECISION].mean())
    assert f"{GATES.min_recall - far[DECISION].mean():.4f} below the floor" in failed.why
    assert verdicts[("site=tiny", "recall")].passed
    assert verdicts[("site=tiny", "recall")].why == (
        f"recall on site=tiny cannot decide, it has {len(tiny)} pneumonia films where it takes 20"
    )
    assert verdicts[(OVERALL, "AUC")].passed
    for one in slices:
        positives = films[films[features.LABEL_XF] == 1]
        recall = (
            positives if one.name == OVERALL else positives[positives[one.feature] == one.value]
        )[DECISION].mean()
        enough = one.positives >= GATES.min_slice_positives
        assert verdicts[(one.name, "recall")].passed == (not enough or recall >= GATES.min_recall)


def test_intervals_of_the_audit_go_to_their_slices(evaluation_uri: str) -> None:
    found = {OVERALL: {"auc": [0.75, 0.875]}, "site=far": {"recall": [0.25, 0.5]}}
    slices = {one.name: one for one in load_slices(evaluation_uri, found)}
    assert slices[OVERALL].intervals == {"auc": (0.75, 0.875)}
    assert slices["site=far"].intervals == {"recall": (0.25, 0.5)}
    assert slices["site=tiny"].intervals == {}


def test_gates_of_the_audit_are_listed_failures_first(evaluation_uri: str) -> None:
    gates = [
        {"slice": "shift=blur", "metric": "AUC", "value": 0.5, "bound": 0.9, "passed": False,
         "why": "the AUC under blur is low"},
        {"slice": "external", "metric": "AUC", "value": 0.95, "bound": 0.9, "passed": True,
         "why": "the AUC there is high"},
    ]  # fmt: skip
    slices = load_slices(evaluation_uri, {})
    verdicts = read_verdicts(evaluation_uri, slices, GATES, {"gates": gates})
    without = read_verdicts(evaluation_uri, slices, GATES, {})
    assert len(verdicts) == len(without) + 2
    assert [verdict.passed for verdict in verdicts] == sorted(
        verdict.passed for verdict in verdicts
    )
    assert {asdict(verdict)["why"] for verdict in verdicts} > {gate["why"] for gate in gates}


def test_a_gate_without_a_value_is_listed_as_failed(evaluation_uri: str) -> None:
    gate = {"slice": "external", "metric": "AUC", "value": None, "bound": 0.9, "passed": False,
            "why": "a class has no film"}  # fmt: skip
    slices = load_slices(evaluation_uri, {})
    verdicts = read_verdicts(evaluation_uri, slices, GATES, {"gates": [gate]})
    (found,) = [one for one in verdicts if one.slice == "external"]
    assert math.isnan(found.value)
    assert not found.passed


def test_gates_are_refused_outside_of_zero_and_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="less than or equal to 1"):
        Evaluation(min_auc=1.001)
