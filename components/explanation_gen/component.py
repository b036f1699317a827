"""The ExplanationGen component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import FilmExplanations
from components.explanation_gen.executor import (
    EXAMPLES,
    EXPLANATIONS,
    MODEL,
    MODEL_RUN,
    SETTINGS,
    ExplanationGenExecutor,
)
from models.explanation_settings import ExplanationSettings
from models.source import SOURCE_FINGERPRINT


class ExplanationGenSpec(component_spec.ComponentSpec):
    """Films, a model and its training record in, an index and pictures out."""

    PARAMETERS = {
        SETTINGS: component_spec.ExecutionParameter(type=str),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        MODEL_RUN: component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
    }
    OUTPUTS = {EXPLANATIONS: component_spec.ChannelParameter(type=FilmExplanations)}


class ExplanationGen(base_component.BaseComponent):
    """Explains a sample of the test films: overlays, boxes, feature maps, an index.

    Outputs `explanations`.
    """

    SPEC_CLASS = ExplanationGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ExplanationGenExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        settings: ExplanationSettings,
        source_fingerprint: str = "",
    ):
        """Describes the explanations.

        Args:
            examples: Raw films, of which some of the test split are explained.
            model: The exported SavedModel.
            model_run: Holds the Keras file, whose feature maps are drawn.
            settings: How many films, how large.
            source_fingerprint: Changes with the code, so that no stale cache serves.
        """
        super().__init__(
            ExplanationGenSpec(
                examples=examples,
                model=model,
                model_run=model_run,
                explanations=types.Channel(type=FilmExplanations),
                **{
                    SETTINGS: settings.model_dump_json(),
                    SOURCE_FINGERPRINT: source_fingerprint,
                },
            )
        )
