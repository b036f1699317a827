"""Reads the metadata store of the shared runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.lineage import cached_components, run_outputs, unfinished_inputs
from tests.support import LocalRun, metadata_store

OUTPUTS = {
    ("RadiographExampleGen", "examples"), ("RadiographExampleGen", "report"),
    ("ImportSchemaGen", "schema"), ("StatisticsGen", "statistics"),
    ("ExampleValidator", "anomalies"), ("DataGate", "report"),
    ("Transform", "transform_graph"), ("Transform", "transformed_examples"),
    ("Transform", "updated_analyzer_cache"),
    ("Tuner", "best_hyperparameters"), ("Tuner", "tuner_results"),
    ("Trainer", "model"), ("Trainer", "model_run"),
    ("Evaluator", "evaluation"), ("Evaluator", "blessing"),
    ("Auditor", "audit"), ("AuditGate", "verdicts"), ("AuditGate", "blessing"),
    ("ModelValidator", "blessing"), ("Pusher", "pushed_model"),
}  # fmt: skip


def test_outputs_of_a_run_are_found_by_component_and_name(pushed: LocalRun) -> None:
    outputs = run_outputs(pushed.work.metadata, pushed.latest)
    assert set(outputs) == OUTPUTS
    for (component, name), artifact in outputs.items():
        folder = Path(artifact.uri)
        assert folder.parent == pushed.work.path / "artifacts" / component / name
        assert folder.is_dir()


def test_a_cached_run_has_the_same_artifacts(pushed: LocalRun, repeated: LocalRun) -> None:
    first, second = (run_outputs(run.work.metadata, run.latest) for run in (pushed, repeated))
    assert {key: artifact.id for key, artifact in first.items()} == {
        key: artifact.id for key, artifact in second.items()
    }


def test_cached_components_are_those_that_did_not_run(pushed: LocalRun, repeated: LocalRun) -> None:
    assert cached_components(pushed.work.metadata, pushed.latest) == set()
    assert cached_components(repeated.work.metadata, repeated.latest) == {
        component for component, _ in OUTPUTS
    }


def test_an_unknown_run_has_nothing(pushed: LocalRun) -> None:
    assert run_outputs(pushed.work.metadata, "never") == {}
    assert cached_components(pushed.work.metadata, "never") == set()


def test_a_missing_store_is_not_made(tmp_path: Path) -> None:
    assert run_outputs(tmp_path / "metadata.sqlite", "never") == {}
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_component_left_would_be_named(pushed: LocalRun, tmp_path: Path) -> None:
    copy = Path(shutil.copy(pushed.work.metadata, tmp_path))
    assert unfinished_inputs(copy, pushed.latest) == []
    store = metadata_store(copy)
    (execution,) = store.get_executions_by_type("tfx.components.transform.component.Transform")
    execution.last_known_state = execution.RUNNING
    store.put_executions([execution])
    outputs = run_outputs(copy, pushed.latest)
    used = {outputs["Transform", name].uri for name in ("transform_graph", "transformed_examples")}
    said = unfinished_inputs(copy, pushed.latest)
    assert {sentence.partition(" was used")[0] for sentence in said} == used
