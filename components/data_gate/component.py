"""The DataGate component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import DataGateReport
from components.data_gate.executor import (
    EXAMPLES,
    REPORT,
    SCHEMA,
    STATISTICS,
    DataGateExecutor,
)
from models.source import SOURCE_FINGERPRINT


class DataGateSpec(component_spec.ComponentSpec):
    """Statistics and examples in, a report out."""

    PARAMETERS = {SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        STATISTICS: component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        SCHEMA: component_spec.ChannelParameter(type=standard_artifacts.Schema),
    }
    OUTPUTS = {REPORT: component_spec.ChannelParameter(type=DataGateReport)}


class DataGate(base_component.BaseComponent):
    """Stops the run, with a list, where statistics or splits break the contract."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DataGateExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        source_fingerprint: str = "",
    ):
        """Describes the gate.

        Args:
            examples: Of RadiographExampleGen.
            statistics: Of StatisticsGen, over the same examples.
            schema: The curated schema.
            source_fingerprint: Changes with the code, so that no stale cache serves.
        """
        super().__init__(
            DataGateSpec(
                examples=examples,
                statistics=statistics,
                schema=schema,
                report=types.Channel(type=DataGateReport),
                **{SOURCE_FINGERPRINT: source_fingerprint},
            )
        )
