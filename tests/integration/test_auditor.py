"""The Auditor on the artifacts of a run: its numbers are TFMA's, its blessing is TFX's kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.artifacts import ModelAudit
from components.auditor.executor import AuditorExecutor
from components.auditor.shifts import SHIFTS
from metrics.scores import METRICS
from models import features
from models.audit_settings import AuditSettings
from radiographs.options import IngestOptions
from tests.support import LocalRun, read_examples

ONLY_INTERVALS = {"shift_audit": False, "shortcut_audit": False, "bootstrap_samples": 100}


def artifact(kind: Any, uri: Path, splits: tuple[str, ...] = ()) -> Any:
    one = kind()
    one.uri = str(uri)
    if splits:
        one.split_names = json.dumps(list(splits))
    return one


def bless(run: LocalRun, folder: Path, evaluator_blessed: int, **settings: Any) -> Any:
    """Runs the executor over a run's artifacts; returns the blessing."""
    kinds = standard_artifacts
    of_evaluator = artifact(kinds.ModelBlessing, run.uri("Evaluator", "blessing"))
    of_evaluator.set_int_custom_property("blessed", evaluator_blessed)
    transformed = run.uri("Transform", "transformed_examples")
    inputs = {
        "examples": artifact(
            kinds.Examples, run.uri("RadiographExampleGen", "examples"), features.SPLITS
        ),
        "model": artifact(kinds.Model, run.uri("Trainer", "model")),
        "model_run": artifact(kinds.ModelRun, run.uri("Trainer", "model_run")),
        "transformed_examples": artifact(
            kinds.Examples, transformed, (features.TRAIN, features.EVAL)
        ),
        "transform_graph": artifact(kinds.TransformGraph, run.uri("Transform", "transform_graph")),
        "evaluator_blessing": of_evaluator,
    }
    inputs["model"].id = 17
    outputs = {
        "audit": artifact(ModelAudit, folder / "audit"),
        "blessing": artifact(kinds.ModelBlessing, folder / "blessing"),
    }
    for one in outputs.values():
        Path(one.uri).mkdir()
    AuditorExecutor().Do(
        {name: [one] for name, one in inputs.items()},
        {name: [one] for name, one in outputs.items()},
        {
            "settings": AuditSettings.model_validate(
                {**ONLY_INTERVALS, **settings}
            ).model_dump_json(),
            "options": IngestOptions().model_dump_json(),
        },
    )
    return outputs["blessing"]


class TestBlessing:
    @pytest.mark.parametrize(
        ("evaluator_blessed", "min_auc", "blessed"), [(1, 0.0, 1), (0, 0.0, 0), (1, 1.0, 0)]
    )
    def test_takes_the_evaluator_and_every_gate(
        self, pushed: LocalRun, tmp_path: Path,
        evaluator_blessed: int, min_auc: float, blessed: int,
    ) -> None:  # fmt: skip
        blessing = bless(
            pushed, tmp_path, evaluator_blessed,
            gate_on="lower_bound", min_auc=min_auc, min_recall=0,
        )  # fmt: skip
        assert blessing.get_int_custom_property("blessed") == blessed
        assert blessing.get_int_custom_property("audited") == 1
        assert blessing.get_int_custom_property("current_model_id") == 17
        model = blessing.get_string_custom_property("current_model")
        assert model == str(pushed.uri("Trainer", "model"))
        files = [file.name for file in Path(blessing.uri).iterdir()]
        assert files == ["BLESSED" if blessed else "NOT_BLESSED"]


class TestAuditOfTheRun:
    @pytest.fixture(scope="class", name="audit")
    def read_audit(self, pushed: LocalRun) -> dict[str, Any]:
        file = pushed.uri("Auditor", "audit") / "audit.json"
        return json.loads(file.read_text(encoding="utf-8"))

    def test_metrics_are_those_of_the_evaluator(
        self, pushed: LocalRun, audit: dict[str, Any]
    ) -> None:
        found, expected = audit["model"]["metrics"], pushed.summary["metrics"]["overall"]
        assert audit["model"]["films"] == expected["films"]
        # TFMA counts its AUC at 10,000 thresholds.
        for name in set(METRICS) & set(expected):
            assert found[name] == pytest.approx(expected[name], abs=1e-3), name

    def test_slices_are_those_of_the_evaluator(
        self, pushed: LocalRun, audit: dict[str, Any]
    ) -> None:
        assert set(audit["intervals"]) == {"overall", *pushed.summary["metrics"]["slices"]}

    def test_controls_and_changes_have_run(self, audit: dict[str, Any]) -> None:
        assert [shift["name"] for shift in audit["shifts"]] == ["unchanged", *SHIFTS]
        assert len(audit["controls"]) == 3

    def test_predictions_are_what_the_pushed_model_answers(
        self, pushed: LocalRun, served: Any
    ) -> None:
        table = pd.read_csv(pushed.uri("Auditor", "audit") / "predictions.csv")
        images = [
            tf.train.Example.FromString(one).features.feature["image"].bytes_list.value[0]
            for one in read_examples(pushed.uri("RadiographExampleGen", "examples"), "test")
        ]
        answer = served.signatures["predict_images"](image_bytes=tf.constant(images))
        expected = answer["probability"].numpy()
        assert np.abs(table["probability"].to_numpy() - expected).max() < 1e-4
        assert table["predicted_label"].tolist() == [
            label.decode() for label in answer["label"].numpy()
        ]
