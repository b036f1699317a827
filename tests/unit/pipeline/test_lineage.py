"""Reads the metadata store of the shared runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.lineage import (
    Finished,
    durations,
    finished_components,
    run_inputs,
    run_outputs,
    unfinished_inputs,
)
from tests.support import LocalRun, execution_states, metadata_store

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
    ("ExplanationGen", "explanations"), ("LabelAuditor", "label_audit"), ("ReportGen", "report"),
}  # fmt: skip


def test_outputs_of_a_run_are_found_by_component_and_name(pushed: LocalRun) -> None:
    outputs = run_outputs(pushed.work.metadata, pushed.latest)
    assert set(outputs) == OUTPUTS
    for (component, name), artifact in outputs.items():
        folder = Path(artifact.uri)
        assert folder.parent == pushed.work.path / "artifacts" / component / name
        assert folder.is_dir()


def test_inputs_are_the_outputs_of_those_before(pushed: LocalRun) -> None:
    inputs = run_inputs(pushed.work.metadata, pushed.latest)
    outputs = run_outputs(pushed.work.metadata, pushed.latest)
    assert inputs["Pusher", "model"].id == outputs["Trainer", "model"].id
    assert inputs["ReportGen", "audit"].id == outputs["Auditor", "audit"].id
    assert ("Evaluator", "baseline_model") not in inputs  # the first run has none


def test_a_cached_run_has_the_same_artifacts(pushed: LocalRun, repeated: LocalRun) -> None:
    first, second = (run_outputs(run.work.metadata, run.latest) for run in (pushed, repeated))
    assert {key: artifact.id for key, artifact in first.items()} == {
        key: artifact.id for key, artifact in second.items()
    }


def test_cached_components_are_those_that_did_not_run(pushed: LocalRun, repeated: LocalRun) -> None:
    first, second = (
        finished_components(run.work.metadata, run.latest) for run in (pushed, repeated)
    )
    assert [component for component, one in first.items() if one.cached] == []
    assert {component for component, one in second.items() if one.cached} == {
        component for component, _ in OUTPUTS
    }


def test_components_follow_one_another_in_time(pushed: LocalRun) -> None:
    began = (pushed.folder / "config.json").stat().st_mtime
    ended = (pushed.folder / "summary.json").stat().st_mtime
    finished = finished_components(pushed.work.metadata, pushed.latest)
    assert list(finished)[-1] == "ReportGen"
    assert set(finished) == set(execution_states(pushed))
    moments = [began - 1, *(time for one in finished.values() for time in (one.started, one.ended))]
    assert moments == sorted(moments)
    assert moments[-1] < ended + 1
    # The Trainer's own file was written while it ran.
    record = (pushed.uri("Trainer", "model_run") / "training.json").stat().st_mtime
    assert finished["Trainer"].started < record < finished["Trainer"].ended


def test_what_has_not_finished_has_no_duration(interrupted: LocalRun) -> None:
    states = execution_states(interrupted)
    assert states["Trainer"] == "RUNNING"
    finished = finished_components(interrupted.work.metadata, interrupted.latest)
    assert set(finished) == set(states) - {"Trainer"}
    assert interrupted.summary["durations_seconds"] == durations(finished)


def test_durations_are_to_a_tenth_of_a_second() -> None:
    finished = {"Trainer": Finished(100.0, 101.26, False), "Pusher": Finished(102.0, 102.0, True)}
    assert durations(finished) == {"Trainer": 1.3, "Pusher": 0.0}


def test_an_unknown_run_has_nothing(pushed: LocalRun) -> None:
    assert run_outputs(pushed.work.metadata, "never") == {}
    assert finished_components(pushed.work.metadata, "never") == {}


def test_a_missing_store_is_not_made(tmp_path: Path) -> None:
    assert run_outputs(tmp_path / "metadata.sqlite", "never") == {}
    assert finished_components(tmp_path / "metadata.sqlite", "never") == {}
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_component_left_would_be_named(pushed: LocalRun, tmp_path: Path) -> None:
    copy = Path(shutil.copy(pushed.work.metadata, tmp_path))
    assert unfinished_inputs(copy, pushed.latest) == []
    store = metadata_store(copy)
    of_all_runs = store.get_executions_by_type("tfx.components.transform.component.Transform")
    for execution in of_all_runs:  # later runs took the same artifacts from the cache
        execution.last_known_state = execution.RUNNING
    store.put_executions(of_all_runs)
    outputs = run_outputs(copy, pushed.latest)
    used = {outputs["Transform", name].uri for name in ("transform_graph", "transformed_examples")}
    said = unfinished_inputs(copy, pushed.latest)
    assert {sentence.partition(" was used")[0] for sentence in said} == used
