"""What the Evaluator adds to films: whether candidate and baseline may be compared on them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics.binary_confusion_matrices import Matrices
from tensorflow_model_analysis.metrics.metric_types import MetricKey

from components.evaluation import decisions
from components.evaluation.decisions import COMPARABLE, with_comparable
from components.evaluation.gate_metrics import GatedAUC, GatedRecall, GatedSpecificity
from models import features
from models.film_keys import key_of
from models.training_films import RECORD


def extracts(digests: list[bytes], patients: list[bytes]) -> dict[str, Any]:
    given = {
        features.SHA256: np.array(digests)[:, None],
        features.PATIENT_ID: np.array(patients)[:, None],
        features.SITE: np.array([b"here"] * len(digests))[:, None],
    }
    return {tfma.FEATURES_KEY: given, "other": 1}


class TestComparable:
    films = extracts([b"aa", b"bb", b"cc"], [b"one", b"two", b"three"])

    def marks(self, seen: Any) -> list[list[float]]:
        marked = with_comparable(self.films, seen)
        assert marked["other"] == 1
        assert marked[tfma.FEATURES_KEY].keys() == {*self.films[tfma.FEATURES_KEY], COMPARABLE}
        assert COMPARABLE not in self.films[tfma.FEATURES_KEY]
        assert marked[tfma.FEATURES_KEY][COMPARABLE].dtype == np.float32
        return marked[tfma.FEATURES_KEY][COMPARABLE].tolist()

    def test_films_that_the_baseline_has_seen_are_not(self) -> None:
        seen = [
            key_of(features.SHA256, tf.constant("bb")),
            key_of(features.PATIENT_ID, tf.constant("three")),
        ]
        assert self.marks(np.array(seen)) == [[1.0], [0.0], [0.0]]

    def test_all_are_without_a_baseline_and_none_where_nobody_knows(self) -> None:
        assert self.marks(np.empty(0, np.int64)) == [[1.0]] * 3
        assert self.marks(None) == [[0.0]] * 3


class TestExtractors:
    def stages(self, monkeypatch: pytest.MonkeyPatch, *models: Any) -> tuple[list[str], Any]:
        """Names of the stages, and what the baseline has seen."""
        names = ("ExtractFeatures", "ExtractLabels", "ExtractExampleWeights", "ExtractPredictions",
                 "Unbatch")  # fmt: skip
        made = [tfma.extractors.Extractor(name, None) for name in names]
        monkeypatch.setattr(tfma, "default_extractors", lambda **_: list(made))
        given = list(models) if len(models) > 1 else models[0]
        found = decisions.custom_extractors(given, None, None)
        seen = decisions._seen_by_baseline(given)
        return [one.stage_name for one in found], seen

    def model(self, name: str, folder: Path) -> Any:
        return tfma.types.EvalSharedModel(
            model_name=name, model_path=str(folder / name / "Format-Serving")
        )

    def test_films_are_marked_before_weights_are_read(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        stages, seen = self.stages(monkeypatch, self.model("", tmp_path))
        assert stages == [
            "ExtractFeatures", "MarkComparable", "ExtractLabels", "ExtractExampleWeights",
            "ExtractPredictions", "Decide", "Unbatch",
        ]  # fmt: skip
        assert seen.tolist() == []

    def test_only_what_the_baseline_has_seen_counts(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name, keys in ((tfma.CANDIDATE_KEY, [7]), (tfma.BASELINE_KEY, [3, 5])):
            (tmp_path / name).mkdir()
            (tmp_path / name / RECORD).write_bytes(np.array(keys, "<i8").tobytes())
        models = [self.model(name, tmp_path) for name in (tfma.CANDIDATE_KEY, tfma.BASELINE_KEY)]
        assert self.stages(monkeypatch, *models)[1].tolist() == [3, 5]
        assert "no record" not in caplog.text

    def test_a_baseline_without_a_record_is_said(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        models = [self.model(name, tmp_path) for name in (tfma.CANDIDATE_KEY, tfma.BASELINE_KEY)]
        with caplog.at_level(logging.WARNING, "components.evaluation.decisions"):
            assert self.stages(monkeypatch, *models)[1] is None
        assert "the last blessed model has no record of its training films" in caplog.text


class TestGatedMetrics:
    # Of 5 pneumonia films 4 are found, of 8 normal films 6 are left alone.
    matrices = Matrices(thresholds=[0.5], tp=[4.0], fn=[1.0], tn=[6.0], fp=[2.0])
    # The curve through (1, 1), (0.25, 0.8) and (0, 0); its area is that of three shapes.
    curve = Matrices(
        thresholds=[-1e-7, 0.5, 1 + 1e-7],
        tp=[5.0, 4.0, 0.0], fn=[0.0, 1.0, 5.0], fp=[8.0, 2.0, 0.0], tn=[0.0, 6.0, 8.0],
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("kind", "least", "value"),
        [
            (GatedRecall, {}, 0.8),
            (GatedRecall, {"min_positives": 5}, 0.8),
            (GatedRecall, {"min_positives": 6}, 1.0),
            (GatedRecall, {"min_positives": 5, "min_negatives": 9}, 1.0),
            (GatedSpecificity, {"min_negatives": 8}, 0.75),
            (GatedSpecificity, {"min_negatives": 9}, 1.0),
        ],
    )
    def test_is_the_share_where_there_are_enough_films(
        self, kind: Any, least: dict[str, int], value: float
    ) -> None:
        assert kind(**least)._metric_value(MetricKey("it"), self.matrices, **least) == value

    @pytest.mark.parametrize(
        ("positives", "negatives", "value"),
        [(5, 8, 0.25 * 0.8 / 2 + 0.75 * 0.9), (6, 8, 1.0), (5, 9, 1.0)],
    )
    def test_is_the_area_where_there_are_enough_films(
        self, positives: int, negatives: int, value: float
    ) -> None:
        key = MetricKey("it")
        found = GatedAUC()._metric_value(key, self.curve, positives, negatives)
        assert found == pytest.approx(value)

    def test_names_are_those_of_the_configuration(self) -> None:
        named = {kind().get_config()["name"] for kind in (GatedRecall, GatedSpecificity, GatedAUC)}
        assert named == {"gated_recall", "gated_specificity", "gated_auc"}
