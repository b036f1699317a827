"""Reads the metadata store: what a run made or took from the cache, and how long that took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

_INPUTS = (mlmd.Event.INPUT, mlmd.Event.DECLARED_INPUT)
OUTPUTS = (mlmd.Event.OUTPUT, mlmd.Event.DECLARED_OUTPUT)
FINISHED = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)
_MS_PER_SECOND = 1000


@dataclass(frozen=True)
class Finished:
    """An execution that came to its end.

    Attributes:
        started: When it was registered, before its driver looked at the inputs; seconds since
            the epoch.
        ended: When its outputs were published; seconds since the epoch.
        cached: Whether the cache answered for it.
    """

    started: float
    ended: float
    cached: bool

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


def run_outputs(metadata_file: Path, run_id: str) -> dict[tuple[str, str], mlmd.Artifact]:
    """Returns what the components of a run put out.

    Args:
        metadata_file: The store of the work directory.
        run_id: Of the run.

    Returns:
        Artifact by component id and output name; empty if there was no such run.
    """
    return _run_artifacts(metadata_file, run_id, OUTPUTS)


def run_inputs(metadata_file: Path, run_id: str) -> dict[tuple[str, str], mlmd.Artifact]:
    """Returns what the components of a run were given, likewise by component id and input name."""
    return _run_artifacts(metadata_file, run_id, _INPUTS)


def _run_artifacts(
    metadata_file: Path, run_id: str, kinds: tuple[mlmd.Event.Type, ...]
) -> dict[tuple[str, str], mlmd.Artifact]:
    if not metadata_file.exists():  # to open it would be to make it
        return {}
    store = _open(metadata_file)
    component_of = {
        execution.id: _component(store, execution) for execution in _executions(store, run_id)
    }
    events = [
        event
        for event in store.get_events_by_execution_ids(list(component_of))
        if event.type in kinds
    ]
    artifacts = {
        artifact.id: artifact
        for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])
    }
    return {
        (component_of[event.execution_id], event.path.steps[0].key): artifacts[event.artifact_id]
        for event in events
    }


def finished_components(metadata_file: Path, run_id: str) -> dict[str, Finished]:
    """Returns the components of a run that came to their end, also of one that did not itself.

    Args:
        metadata_file: The store of the work directory.
        run_id: Of the run.

    Returns:
        By component id, in the order in which they started; empty if there was no such run.
    """
    if not metadata_file.exists():  # to open it would be to make it
        return {}
    store = _open(metadata_file)
    finished = {
        _component(store, execution): Finished(
            execution.create_time_since_epoch / _MS_PER_SECOND,
            execution.last_update_time_since_epoch / _MS_PER_SECOND,
            execution.last_known_state == mlmd.Execution.CACHED,
        )
        for execution in _executions(store, run_id)
        if execution.last_known_state in FINISHED
    }
    return dict(sorted(finished.items(), key=lambda item: item[1].started))


def pushed_version(outputs: Mapping[tuple[str, str], mlmd.Artifact]) -> str:
    """Returns the version that a run has pushed, or nothing.

    Args:
        outputs: Of `run_outputs`.
    """
    pushed_model = outputs.get(("Pusher", "pushed_model"))
    if pushed_model is None or pushed_model.custom_properties["pushed"].int_value != 1:
        return ""
    return pushed_model.custom_properties["pushed_version"].string_value


def durations(finished: Mapping[str, Finished]) -> dict[str, float]:
    """Returns the `durations_seconds` of an account, to a tenth of a second.

    Args:
        finished: Of `finished_components`.
    """
    return {component: round(one.seconds, 1) for component, one in finished.items()}


def _open(metadata_file: Path) -> MetadataStore:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(metadata_file)
    return MetadataStore(config)


def _executions(store: MetadataStore, run_id: str) -> list[mlmd.Execution]:
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    return store.get_executions_by_context(context.id) if context else []


def _component(store: MetadataStore, execution: mlmd.Execution) -> str:
    """Returns the component of an execution; its node context is `pipeline.component`."""
    contexts = store.get_contexts_by_execution(execution.id)
    node = next(context.name for context in contexts if context.type == "node")
    return node.rpartition(".")[2]


def unfinished_inputs(metadata_file: Path, run_id: str) -> list[str]:
    """Returns inputs of a run that no execution which came to its end has put out.

    Args:
        metadata_file: The store of the work directory.
        run_id: Of the run.

    Returns:
        A sentence for each.
    """
    store = _open(metadata_file)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    own = [execution.id for execution in store.get_executions_by_context(context.id)]
    inputs = {
        event.artifact_id
        for event in store.get_events_by_execution_ids(own)
        if event.type == mlmd.Event.INPUT
    }
    made = [e for e in store.get_events_by_artifact_ids(list(inputs)) if e.type in OUTPUTS]
    finished = {
        execution.id
        for execution in store.get_executions_by_id([event.execution_id for event in made])
        if execution.last_known_state in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)
    }
    whole = {event.artifact_id for event in made if event.execution_id in finished}
    return [
        f"{artifact.uri} was used and is not the output of a component that finished"
        for artifact in store.get_artifacts_by_id(sorted(inputs - whole))
    ]
