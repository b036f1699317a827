"""Reads the metadata store: which artifacts a run made or took from the cache."""

from __future__ import annotations

from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

_OUTPUTS = (mlmd.Event.OUTPUT, mlmd.Event.DECLARED_OUTPUT)


def run_outputs(metadata_file: Path, run_id: str) -> dict[tuple[str, str], mlmd.Artifact]:
    """Returns what the components of a run put out.

    Args:
        metadata_file: The store of the work directory.
        run_id: Of the run.

    Returns:
        Artifact by component id and output name; empty if there was no such run.
    """
    if not metadata_file.exists():  # to open it would be to make it
        return {}
    store = _open(metadata_file)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return {}
    executions = store.get_executions_by_context(context.id)
    component_of = {execution.id: _component(store, execution) for execution in executions}
    events = [
        event
        for event in store.get_events_by_execution_ids(list(component_of))
        if event.type in _OUTPUTS
    ]
    artifacts = {
        artifact.id: artifact
        for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])
    }
    return {
        (component_of[event.execution_id], event.path.steps[0].key): artifacts[event.artifact_id]
        for event in events
    }


def cached_components(metadata_file: Path, run_id: str) -> set[str]:
    """Returns the components of a run that the cache answered for."""
    store = _open(metadata_file)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return set()
    return {
        _component(store, execution)
        for execution in store.get_executions_by_context(context.id)
        if execution.last_known_state == mlmd.Execution.CACHED
    }


def _open(metadata_file: Path) -> MetadataStore:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(metadata_file)
    return MetadataStore(config)


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
    made = [e for e in store.get_events_by_artifact_ids(list(inputs)) if e.type in _OUTPUTS]
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
