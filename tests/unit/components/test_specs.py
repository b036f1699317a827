"""What a component hands to its executor: channels by name and type, settings as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tfx.types import Channel, standard_artifacts

from components import DataGateReport
from components.artifacts import AuditVerdicts, ModelAudit
from components.audit_gate.component import AuditGate
from components.auditor.component import Auditor
from components.data_gate.component import DataGate
from models.audit_settings import AuditFloors, AuditMeasures
from models.data_gate_settings import DataGateSettings
from radiographs.options import IngestOptions

EXAMPLES, MODEL = standard_artifacts.Examples, standard_artifacts.Model
BLESSING, STATISTICS = standard_artifacts.ModelBlessing, standard_artifacts.ExampleStatistics

INPUTS: dict[Any, dict[str, Any]] = {
    Auditor: {
        "examples": EXAMPLES, "model": MODEL, "model_run": standard_artifacts.ModelRun,
        "transformed_examples": EXAMPLES, "transform_graph": standard_artifacts.TransformGraph,
    },
    AuditGate: {"audit": ModelAudit, "model": MODEL, "evaluator_blessing": BLESSING},
    DataGate: {
        "examples": EXAMPLES, "statistics": STATISTICS, "schema": standard_artifacts.Schema,
        "previous_statistics": STATISTICS, "accepted": DataGateReport,
    },
}  # fmt: skip
OUTPUTS = {
    Auditor: {"audit": ModelAudit},
    AuditGate: {"verdicts": AuditVerdicts, "blessing": BLESSING},
    DataGate: {"report": DataGateReport},
}
SETTINGS: dict[Any, dict[str, Any]] = {
    Auditor: {"measures": AuditMeasures(audit_films=27), "options": IngestOptions(seed=9)},
    AuditGate: {"floors": AuditFloors(min_shift_auc=0.3)},
    DataGate: {"settings": DataGateSettings(accept_drift="new detector")},
}
FINGERPRINTS: dict[Any, dict[str, str]] = {
    Auditor: {"external_fingerprint": "there", "source_fingerprint": "code"},
    AuditGate: {"source_fingerprint": "code"},
    DataGate: {"source_fingerprint": "code"},
}
PLAIN: dict[Any, dict[str, Any]] = {Auditor: {}, AuditGate: {}, DataGate: {"learns_lesions": True}}
OPTIONAL = {"previous_statistics", "accepted"}

every = pytest.mark.parametrize("component", [Auditor, AuditGate, DataGate])


def channels(component: Any) -> dict[str, Channel]:
    return {name: Channel(type=kind) for name, kind in INPUTS[component].items()}


@every
def test_each_channel_arrives_under_its_own_name(component: Any) -> None:
    given = channels(component)
    node = component(**given, **SETTINGS[component])
    assert node.inputs.keys() == given.keys()
    assert all(node.inputs[name] is channel for name, channel in given.items())
    outputs = {name: channel.type for name, channel in node.outputs.items()}
    assert outputs == OUTPUTS[component]


@every
def test_settings_travel_as_json_and_fingerprints_as_they_are(component: Any) -> None:
    as_they_are = {**FINGERPRINTS[component], **PLAIN[component]}
    node = component(**channels(component), **SETTINGS[component], **as_they_are)
    properties = node.exec_properties
    assert properties.keys() == SETTINGS[component].keys() | as_they_are.keys()
    for name, settings in SETTINGS[component].items():
        assert json.loads(properties[name]) == settings.model_dump(mode="json")
    assert {name: properties[name] for name in as_they_are} == as_they_are


@every
def test_a_channel_of_another_kind_or_none_is_refused(component: Any) -> None:
    for name in INPUTS[component]:
        odd = {**channels(component), name: Channel(type=standard_artifacts.HyperParameters)}
        with pytest.raises(TypeError):
            component(**odd, **SETTINGS[component])
        if name not in OPTIONAL:
            lacking = {**channels(component), name: None}
            with pytest.raises((TypeError, ValueError)):
                component(**lacking, **SETTINGS[component])


def test_the_data_gate_does_without_what_a_runner_cannot_find() -> None:
    needed = {name: one for name, one in channels(DataGate).items() if name not in OPTIONAL}
    node = DataGate(**needed)
    assert node.inputs.keys() == needed.keys()
    assert json.loads(node.exec_properties["settings"]) == DataGateSettings().model_dump()
    assert node.exec_properties["source_fingerprint"] == ""
    assert node.exec_properties["learns_lesions"] == 0
