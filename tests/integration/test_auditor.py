"""The Auditor on the artifacts of a run: its numbers are TFMA's, its blessing is TFX's kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components.audit_gate.component import AuditGate
from components.auditor.changes import SHIFTS
from components.auditor.component import Auditor
from metrics.scores import METRICS
from models import features
from models.audit_settings import AuditFloors, AuditMeasures
from pipeline.lineage import finished_components
from pipeline.local import NamedDagRunner
from radiographs.options import IngestOptions
from tests.support import LocalRun, auc_bounds, predictions_of, read_examples

ONLY_INTERVALS = AuditMeasures(
    shift_audit=False, swap_audit=False, shortcut_audit=False, bootstrap_samples=100
)


def imported(run: LocalRun, component: str, output: str, kind: Any, **properties: Any) -> Any:
    """Returns an importer of what a component of a run put out."""
    return tfx.dsl.Importer(
        source_uri=str(run.uri(component, output)),
        artifact_type=kind,
        properties=properties or None,
    ).with_id(f"{component}.{output}")


def audit_with(run: LocalRun, folder: Path, run_id: str, **floors: Any) -> dict[str, str]:
    """Runs Auditor and AuditGate over the artifacts of a run.

    Returns:
        State of each execution in the metadata store, by component.
    """
    kinds = standard_artifacts
    splits, both = json.dumps(list(features.SPLITS)), json.dumps([features.TRAIN, features.EVAL])
    examples = imported(run, "RadiographExampleGen", "examples", kinds.Examples, split_names=splits)
    transformed = imported(
        run, "Transform", "transformed_examples", kinds.Examples, split_names=both
    )
    graph = imported(run, "Transform", "transform_graph", kinds.TransformGraph)
    model = imported(run, "Trainer", "model", kinds.Model)
    model_run = imported(run, "Trainer", "model_run", kinds.ModelRun)
    evaluated = imported(run, "Evaluator", "blessing", kinds.ModelBlessing)
    auditor = Auditor(
        examples=examples.outputs["result"],
        model=model.outputs["result"],
        model_run=model_run.outputs["result"],
        transformed_examples=transformed.outputs["result"],
        transform_graph=graph.outputs["result"],
        measures=ONLY_INTERVALS,
        options=IngestOptions(),
    )
    gate = AuditGate(
        auditor.outputs["audit"], model.outputs["result"], evaluated.outputs["result"],
        floors=AuditFloors(**{"min_swap_auc": 0, **floors}),
    )  # fmt: skip
    metadata = folder / "metadata.sqlite"
    nodes = [examples, model, model_run, transformed, graph, evaluated, auditor, gate]
    NamedDagRunner(run_id, prepare=dict).run(
        tfx.dsl.Pipeline(
            pipeline_name="audit",
            pipeline_root=str(folder / "artifacts"),
            components=nodes,
            enable_cache=True,
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(metadata)
            ),
        )
    )
    finished = finished_components(metadata, run_id)
    return {
        node: "CACHED" if finished[node].cached else "COMPLETE" for node in ("Auditor", "AuditGate")
    }


def test_a_changed_floor_is_judged_but_nothing_is_measured_again(
    pushed: LocalRun, tmp_path: Path
) -> None:
    nothing_asked = {"min_auc": 0, "min_recall": 0, "min_specificity": 0}
    first = audit_with(pushed, tmp_path, "first", gate_on="lower_bound", **nothing_asked)
    changed = audit_with(pushed, tmp_path, "changed", gate_on="lower_bound", min_auc=1)
    again = audit_with(pushed, tmp_path, "again", gate_on="lower_bound", min_auc=1)
    assert first == {"Auditor": "COMPLETE", "AuditGate": "COMPLETE"}
    assert changed == {"Auditor": "CACHED", "AuditGate": "COMPLETE"}
    assert again == {"Auditor": "CACHED", "AuditGate": "CACHED"}
    assert len(list(tmp_path.glob("artifacts/Auditor/audit/*/audit.json"))) == 1
    verdicts = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(
            tmp_path.glob("artifacts/AuditGate/verdicts/*/verdicts.json"),
            key=lambda file: int(file.parent.name),  # the execution
        )
    ]
    assert verdicts[0] == []
    (auc,) = [one for one in verdicts[1] if one["metric"] == "AUC lower bound"]
    assert (auc["bound"], auc["passed"]) == (1, False)
    assert list(tmp_path.glob("artifacts/AuditGate/blessing/*/NOT_BLESSED"))


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
        films = predictions_of(pushed)
        low, high = auc_bounds(films["label"] == features.PNEUMONIA, films["probability"])
        assert low <= found["auc"] <= high and low <= expected["auc"] <= high
        for name in (set(METRICS) & set(expected)) - {"auc"}:
            assert found[name] == pytest.approx(expected[name], abs=1e-3), name

    def test_slices_are_those_of_the_evaluator(
        self, pushed: LocalRun, audit: dict[str, Any]
    ) -> None:
        assert set(audit["slices"]) == {"overall", *pushed.summary["metrics"]["slices"]}

    def test_controls_and_changes_have_run(self, audit: dict[str, Any]) -> None:
        assert [shift["name"] for shift in audit["shifts"]] == ["unchanged", *SHIFTS]
        assert [one["name"] for one in audit["controls"]] == [
            "file statistics", "age, sex and view", "lungs blacked out", "outer frame",
        ]  # fmt: skip
        assert audit["missing_controls"] == {}

    def test_predictions_are_what_the_pushed_model_answers(
        self, pushed: LocalRun, served: Any
    ) -> None:
        table = predictions_of(pushed)
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
