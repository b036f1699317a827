"""The ModelValidator component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.model_validator.executor import (
    BLESSING,
    EXAMPLES,
    MODEL,
    MODEL_RUN,
    TRANSFORM_GRAPH,
    ModelValidatorExecutor,
)
from models.source import SOURCE_FINGERPRINT


class ModelValidatorSpec(component_spec.ComponentSpec):
    """A model, its training record and films in, an infrastructure blessing out."""

    PARAMETERS = {SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        MODEL_RUN: component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORM_GRAPH: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {BLESSING: component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)}


class ModelValidator(base_component.BaseComponent):
    """Calls every signature on real films and compares with the training path."""

    SPEC_CLASS = ModelValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ModelValidatorExecutor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        source_fingerprint: str = "",
    ):
        """Describes the validation.

        Args:
            model: The exported SavedModel.
            model_run: Holds the Keras file and the training record.
            examples: Raw films, of which some of the test split are sent.
            transform_graph: The preparation that training saw.
            source_fingerprint: Changes with the code, so that no stale cache serves.
        """
        super().__init__(
            ModelValidatorSpec(
                model=model,
                model_run=model_run,
                examples=examples,
                transform_graph=transform_graph,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
                **{SOURCE_FINGERPRINT: source_fingerprint},
            )
        )
