"""Which statistics a run is compared with, in a metadata store filled by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types import standard_artifacts

from components import DataGateReport
from components.data_gate.executor import ACCEPTED_DRIFT
from pipeline.accepted import LatestAcceptedStatistics

PHANTOMS = "work/phantoms"


@dataclass
class Store:
    """A metadata store of ingests and gates."""

    store: MetadataStore = field(
        default_factory=lambda: MetadataStore(
            mlmd.ConnectionConfig(fake_database=mlmd.FakeDatabaseConfig())
        )
    )

    def artifact(self, kind: str, **properties: str | int) -> int:
        type_id = self.store.put_artifact_type(mlmd.ArtifactType(name=kind))
        one = mlmd.Artifact(type_id=type_id, uri=kind)
        for name, value in properties.items():
            if isinstance(value, int):
                one.custom_properties[name].int_value = value
            else:
                one.custom_properties[name].string_value = value
        return self.store.put_artifacts([one])[0]

    def execution(
        self, inputs: dict[str, int], outputs: dict[str, int], state: str = "COMPLETE",
        **properties: str,
    ) -> None:  # fmt: skip
        type_id = self.store.put_execution_type(mlmd.ExecutionType(name="component"))
        one = mlmd.Execution(type_id=type_id, last_known_state=mlmd.Execution.State.Value(state))
        for name, value in properties.items():
            one.custom_properties[name].string_value = value
        (number,) = self.store.put_executions([one])
        for kind, artifacts in ((mlmd.Event.INPUT, inputs), (mlmd.Event.OUTPUT, outputs)):
            for name, artifact in artifacts.items():
                event = mlmd.Event(artifact_id=artifact, execution_id=number, type=kind)
                event.path.steps.add(key=name)
                self.store.put_events([event])

    def ingest(self, fingerprint: str, root: str = "films", span: int = 0) -> dict[str, int]:
        examples = self.artifact("Examples", input_fingerprint=fingerprint, span=span)
        self.execution({}, {"examples": examples}, input_base=root)
        return {"examples": examples, "statistics": self.artifact("ExampleStatistics")}

    def gate(
        self, data: dict[str, int], previous: int | None = None, reason: str = "",
        state: str = "COMPLETE", report: int | None = None,
    ) -> int:  # fmt: skip
        kept = {ACCEPTED_DRIFT: reason} if reason else {}
        report = report or self.artifact("DataGateReport", **kept)
        compared = {"previous_statistics": previous} if previous else {}
        self.execution({**data, **compared}, {"report": report}, state)
        return report

    def resolve(self, data: dict[str, int]) -> tuple[list[int], list[int]]:
        """Returns the ids of the statistics and of the report."""
        kinds: dict[str, Any] = {
            "statistics": standard_artifacts.ExampleStatistics,
            "report": DataGateReport,
        }
        given: dict[str, list[Any]] = {"examples": [standard_artifacts.Examples()]}
        given["examples"][0].id = data["examples"]
        for (name, kind), known in zip(
            kinds.items(), ("ExampleStatistics", "DataGateReport"), strict=True
        ):
            given[name] = []
            for stored in self.store.get_artifacts_by_type(known):
                one = kind()
                one.id = stored.id
                for key, value in stored.custom_properties.items():
                    one.set_string_custom_property(key, value.string_value)
                given[name].append(one)
        found = LatestAcceptedStatistics(PHANTOMS).resolve_artifacts(self.store, given)
        assert found is not None
        assert [one.id for one in found["examples"]] == [data["examples"]]
        return [one.id for one in found["statistics"]], [one.id for one in found["report"]]


@pytest.fixture(name="store")
def make_store() -> Store:
    return Store()


def test_a_first_run_has_nothing_to_be_compared_with(store: Store) -> None:
    assert store.resolve(store.ingest("a")) == ([], [])


def test_the_latest_accepted_data_is_found_and_never_the_run_s_own(store: Store) -> None:
    one, other = store.ingest("a"), store.ingest("b")
    store.gate(one)
    store.gate(other, one["statistics"])
    assert store.resolve(store.ingest("c")) == ([other["statistics"]], [])
    assert store.resolve(other) == ([one["statistics"]], [])
    assert store.resolve(one) == ([other["statistics"]], [])


def test_the_same_films_read_again_are_the_run_s_own(store: Store) -> None:
    store.gate(store.ingest("a"))
    assert store.resolve(store.ingest("a")) == ([], [])


@pytest.mark.parametrize(("state", "counts"), [("FAILED", False), ("RUNNING", False),
                                               ("CACHED", True)])  # fmt: skip
def test_only_a_gate_that_finished_has_accepted(store: Store, state: str, counts: bool) -> None:
    one = store.ingest("a")
    store.gate(one, state=state)
    assert store.resolve(store.ingest("b"))[0] == ([one["statistics"]] if counts else [])


def test_an_answer_of_the_cache_makes_data_the_latest(store: Store) -> None:
    one, other = store.ingest("a"), store.ingest("b")
    report = store.gate(one)
    store.gate(other)
    store.gate(one, state="CACHED", report=report)
    assert store.resolve(store.ingest("c"))[0] == [one["statistics"]]


@pytest.mark.parametrize(
    ("span", "compared"),
    [(20260301, "feb"), (20260401, "apr"), (20260131, "jan"), (20260115, "jan"), (0, "jan"),
     (20250101, "jan")],
)  # fmt: skip
def test_films_of_a_span_are_compared_with_the_nearest_span_before(
    store: Store, span: int, compared: str
) -> None:
    """The window of January was read once more after that of April, by whatever reason."""
    spans = {"feb": 20260201, "apr": 20260401, "jan": 20260101}
    known = {name: store.ingest(name, span=number) for name, number in spans.items()}
    for data in known.values():
        store.gate(data)
    assert store.resolve(store.ingest("own", span=span))[0] == [known[compared]["statistics"]]


def test_films_without_spans_are_compared_by_time_with_spans_as_well(store: Store) -> None:
    one, other = store.ingest("a", span=3), store.ingest("b")
    store.gate(one)
    store.gate(other)
    assert store.resolve(store.ingest("c"))[0] == [other["statistics"]]
    assert store.resolve(store.ingest("d", span=2))[0] == [other["statistics"]]


def test_phantoms_are_compared_with_phantoms_alone(store: Store) -> None:
    drawn, real = store.ingest("a", PHANTOMS), store.ingest("b")
    store.gate(drawn)
    assert store.resolve(real) == ([], [])
    store.gate(real)
    assert store.resolve(store.ingest("c", PHANTOMS))[0] == [drawn["statistics"]]
    assert store.resolve(store.ingest("d"))[0] == [real["statistics"]]


def test_a_person_s_reason_holds_for_the_same_comparison_alone(store: Store) -> None:
    one, other, third = (store.ingest(name) for name in "abc")
    store.gate(one)
    reason = store.gate(other, one["statistics"], "new detector")
    store.gate(other, one["statistics"], "new detector")  # the same is always found, for the cache
    assert store.resolve(other) == ([one["statistics"]], [reason])
    assert store.resolve(third) == ([other["statistics"]], [])
    store.gate(third, other["statistics"])
    assert store.resolve(other) == ([third["statistics"]], [])
