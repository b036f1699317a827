"""Which data the films of a run are compared with: the last that was let pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME, SPAN_PROPERTY_NAME
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import Artifact
from tfx.types.standard_component_specs import INPUT_BASE_KEY

from components.data_gate.executor import (
    ACCEPTED_DRIFT,
    EXAMPLES,
    PREVIOUS,
    REPORT,
    STATISTICS,
)
from pipeline.lineage import FINISHED, OUTPUTS


@dataclass(frozen=True)
class _Ingest:
    """What tells the data of two runs apart: where it was read, what was there, the latest span."""

    root: str
    fingerprint: str
    span: int


@dataclass(frozen=True)
class _Gate:
    """A DataGate that let its data pass: its report, and what it read, by input."""

    report_id: int
    inputs: dict[str, int]


class LatestAcceptedStatistics(ResolverStrategy):
    """Resolves the statistics of the last data that a DataGate let pass, but for the run's own.

    Of data in spans that is the nearest span before, however late it was let pass.

    A gate that stops a run publishes no report, so a report means that its data was accepted;
    its lineage leads to the statistics. The same films, read again under other settings or by
    other code, are the run's own still: they say nothing about drift.
    """

    def __init__(self, phantoms_root: str = ""):
        """Remembers what is no data of a hospital.

        Args:
            phantoms_root: Folder of drawn films; they and real ones are not compared.
        """
        self._phantoms_root = phantoms_root

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Finds the statistics.

        Args:
            store: The metadata store.
            input_dict: All artifacts of `STATISTICS` and `REPORT`, and the `EXAMPLES` of the run.

        Returns:
            The same keys: the statistics, and a report where a person has let the films of the
            run pass before although they had drifted from these. Nothing where no other data
            has been accepted.
        """
        own = _ingest(store, input_dict[EXAMPLES][0].id)
        reports = {one.id: one for one in input_dict[REPORT]}
        statistics = {one.id: one for one in input_dict[STATISTICS]}
        gates = list(_gates(store, list(reports)))
        others = [
            (other, statistics[gate.inputs[STATISTICS]])
            for gate in gates
            if gate.inputs[STATISTICS] in statistics
            and self._is_other(own, other := _ingest(store, gate.inputs[EXAMPLES]))
        ]
        nearest = min(others, key=lambda other: _spans_before(other[0], own), default=None)
        previous = nearest[1] if nearest else None
        overruled = [
            reports[gate.report_id]
            for gate in gates
            if previous is not None
            and gate.inputs.get(PREVIOUS) == previous.id
            and _ingest(store, gate.inputs[EXAMPLES]).fingerprint == own.fingerprint
            and reports[gate.report_id].has_custom_property(ACCEPTED_DRIFT)
        ]
        return {
            **input_dict,
            STATISTICS: [previous] if previous else [],
            REPORT: overruled[-1:],  # always the same one, or the cache would never answer
        }

    def _is_other(self, own: _Ingest, earlier: _Ingest) -> bool:
        drawn = [one.root == self._phantoms_root for one in (own, earlier)]
        return own.fingerprint != earlier.fingerprint and drawn[0] == drawn[1]


def _spans_before(other: _Ingest, own: _Ingest) -> float:
    """Returns how far the latest span of one lies before that of the other.

    Of data without spans, or of a later span, as after an older window was read once more, there
    is no telling.
    """
    return own.span - other.span if 0 < other.span <= own.span else math.inf


def _gates(store: MetadataStore, report_ids: list[int]) -> Iterator[_Gate]:
    """Yields the gates that put reports out, the latest first.

    An answer of the cache counts: what has come back is what a later run is compared with.
    """
    made = {
        event.execution_id: event.artifact_id
        for event in store.get_events_by_artifact_ids(report_ids)
        if event.type in OUTPUTS
    }
    for gate in sorted(store.get_executions_by_id(list(made)), key=lambda one: -one.id):
        if gate.last_known_state in FINISHED:
            yield _Gate(made[gate.id], _inputs(store, gate.id))


def _inputs(store: MetadataStore, execution_id: int) -> dict[str, int]:
    return {
        event.path.steps[0].key: event.artifact_id
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type == mlmd.Event.INPUT
    }


def _ingest(store: MetadataStore, examples_id: int) -> _Ingest:
    (examples,) = store.get_artifacts_by_id([examples_id])
    maker = min(
        event.execution_id
        for event in store.get_events_by_artifact_ids([examples_id])
        if event.type in OUTPUTS
    )
    (execution,) = store.get_executions_by_id([maker])
    return _Ingest(
        execution.custom_properties[INPUT_BASE_KEY].string_value,
        examples.custom_properties[FINGERPRINT_PROPERTY_NAME].string_value,
        examples.custom_properties[SPAN_PROPERTY_NAME].int_value,
    )
