"""The Auditor component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import ModelAudit
from components.auditor.executor import (
    AUDIT,
    EXAMPLES,
    EXTERNAL_FINGERPRINT,
    MEASURES,
    MODEL,
    MODEL_RUN,
    OPTIONS,
    TRANSFORM_GRAPH,
    TRANSFORMED_EXAMPLES,
    AuditorExecutor,
)
from models.audit_settings import AuditMeasures
from models.source import SOURCE_FINGERPRINT
from radiographs.options import IngestOptions


class AuditorSpec(component_spec.ComponentSpec):
    """A model, its training record and films in, an audit out."""

    PARAMETERS = {
        MEASURES: component_spec.ExecutionParameter(type=str),
        OPTIONS: component_spec.ExecutionParameter(type=str),
        EXTERNAL_FINGERPRINT: component_spec.ExecutionParameter(type=str),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        MODEL_RUN: component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        TRANSFORMED_EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORM_GRAPH: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {AUDIT: component_spec.ChannelParameter(type=ModelAudit)}


class Auditor(base_component.BaseComponent):
    """Tries the model on changed films, another site and against controls without lungs.

    Outputs `audit`. It knows no floor, so that a changed one is judged without measuring anew.
    """

    SPEC_CLASS = AuditorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AuditorExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        transformed_examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        measures: AuditMeasures,
        options: IngestOptions,
        external_fingerprint: str = "",
        source_fingerprint: str = "",
    ):
        """Describes the audit.

        Args:
            examples: Raw films; the test split is scored, the train split teaches controls.
            model: The exported SavedModel.
            model_run: Holds the training record.
            transformed_examples: The train split as the model saw it.
            transform_graph: How to read it.
            measures: Which audits, and how thorough.
            options: How the films of another site are read.
            external_fingerprint: Of `external.fingerprint`: changes with those films, so that
                no stale cache serves.
            source_fingerprint: Changes with the code, for the same reason.
        """
        super().__init__(
            AuditorSpec(
                examples=examples,
                model=model,
                model_run=model_run,
                transformed_examples=transformed_examples,
                transform_graph=transform_graph,
                audit=types.Channel(type=ModelAudit),
                **{
                    MEASURES: measures.model_dump_json(),
                    OPTIONS: options.model_dump_json(),
                    EXTERNAL_FINGERPRINT: external_fingerprint,
                    SOURCE_FINGERPRINT: source_fingerprint,
                },
            )
        )
