"""The DataGate component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import DataGateReport
from components.data_gate.executor import (
    ACCEPTED,
    EXAMPLES,
    LEARNS_LESIONS,
    PREVIOUS,
    REPORT,
    SCHEMA,
    SETTINGS,
    STATISTICS,
    DataGateExecutor,
)
from models.data_gate_settings import DataGateSettings
from models.source import SOURCE_FINGERPRINT


class DataGateSpec(component_spec.ComponentSpec):
    """Statistics and examples in, a report out."""

    PARAMETERS = {
        SETTINGS: component_spec.ExecutionParameter(type=str),
        LEARNS_LESIONS: component_spec.ExecutionParameter(type=int),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        STATISTICS: component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        SCHEMA: component_spec.ChannelParameter(type=standard_artifacts.Schema),
        PREVIOUS: component_spec.ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        ACCEPTED: component_spec.ChannelParameter(type=DataGateReport, optional=True),
    }
    OUTPUTS = {REPORT: component_spec.ChannelParameter(type=DataGateReport)}


class DataGate(base_component.BaseComponent):
    """Stops the run, with a list, where films break the contract or have drifted."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DataGateExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        source_fingerprint: str = "",
        previous_statistics: types.BaseChannel | None = None,
        accepted: types.BaseChannel | None = None,
        settings: DataGateSettings | None = None,
        learns_lesions: bool = False,
    ):
        """Describes the gate.

        Args:
            examples: Of RadiographExampleGen.
            statistics: Of StatisticsGen, over the same examples.
            schema: The curated schema.
            source_fingerprint: Changes with the code, so that no stale cache serves.
            previous_statistics: Of the data accepted before, at most one; None where the runner
                cannot find them.
            accepted: Report of an earlier run, at most one, in which a person let the same films
                pass although they had drifted from the same data.
            settings: What is served, and why drift is accepted.
            learns_lesions: Whether the network is to learn from lesion masks, which train then
                has to have.
        """
        optional = {PREVIOUS: previous_statistics, ACCEPTED: accepted}
        super().__init__(
            DataGateSpec(
                examples=examples,
                statistics=statistics,
                schema=schema,
                report=types.Channel(type=DataGateReport),
                **{
                    SETTINGS: (settings or DataGateSettings()).model_dump_json(),
                    LEARNS_LESIONS: int(learns_lesions),
                    SOURCE_FINGERPRINT: source_fingerprint,
                    **{name: channel for name, channel in optional.items() if channel},
                },
            )
        )
