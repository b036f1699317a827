"""The Auditor component: its inputs, outputs and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import ModelAudit
from components.auditor.executor import (
    AUDIT,
    BLESSING,
    EVALUATOR_BLESSING,
    EXAMPLES,
    EXTERNAL_FINGERPRINT,
    MODEL,
    MODEL_RUN,
    OPTIONS,
    SETTINGS,
    TRANSFORM_GRAPH,
    TRANSFORMED_EXAMPLES,
    AuditorExecutor,
)
from models.audit_settings import AuditSettings
from models.source import SOURCE_FINGERPRINT
from radiographs.options import IngestOptions


class AuditorSpec(component_spec.ComponentSpec):
    """A model, its training record and films in, an audit and a blessing out."""

    PARAMETERS = {
        SETTINGS: component_spec.ExecutionParameter(type=str),
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
        EVALUATOR_BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {
        AUDIT: component_spec.ChannelParameter(type=ModelAudit),
        BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Auditor(base_component.BaseComponent):
    """Tries the model on changed films, another site and against controls without lungs.

    Outputs `audit` and `blessing`; the model is blessed if the Evaluator has blessed it
    and every audit gate lets it pass.
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
        evaluator_blessing: types.BaseChannel,
        settings: AuditSettings,
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
            evaluator_blessing: Of TFX's Evaluator.
            settings: Audits and floors.
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
                evaluator_blessing=evaluator_blessing,
                audit=types.Channel(type=ModelAudit),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                **{
                    # Without what a subclass of the settings adds for others.
                    SETTINGS: settings.model_dump_json(include=set(AuditSettings.model_fields)),
                    OPTIONS: options.model_dump_json(),
                    EXTERNAL_FINGERPRINT: external_fingerprint,
                    SOURCE_FINGERPRINT: source_fingerprint,
                },
            )
        )
