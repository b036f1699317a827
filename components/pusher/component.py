"""The Pusher component: TFX's own, with a model card and an executor that survives being killed."""

from __future__ import annotations

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_component_specs

from components.pusher.executor import PusherExecutor
from components.report_gen import sources as of
from components.report_gen.component import TYPES
from components.report_gen.executor import GATES
from models.audit_settings import Evaluation


class PusherSpec(component_spec.ComponentSpec):
    """TFX's, and what the card is written from."""

    PARAMETERS = {
        **standard_component_specs.PusherSpec.PARAMETERS,
        GATES: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        **standard_component_specs.PusherSpec.INPUTS,
        **{
            name: component_spec.ChannelParameter(type=TYPES[name], optional=True)
            for name in of.OF_A_CARD
        },
    }
    OUTPUTS = standard_component_specs.PusherSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.PusherSpec.TYPE_ANNOTATION


class Pusher(tfx.components.Pusher):
    """Pushes a blessed model to a folder of versions, as TFX's Pusher does, with its card.

    The card is written here and not by a component of its own: it has to be in the version before
    that is published, and its inputs are there by then.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        push_destination: tfx.proto.PushDestination,
        gates: Evaluation,
        **sources: types.BaseChannel,
    ):
        """Describes the push.

        Args:
            model: Of the Trainer.
            model_blessing: Of the AuditGate.
            infra_blessing: Of the ModelValidator.
            push_destination: Folder of the versions.
            gates: What the model had to reach.
            **sources: Channels by the names of `components.report_gen.sources.OF_A_CARD`; the card
                says what is missing.
        """
        base_component.BaseComponent.__init__(
            self,
            PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                push_destination=push_destination,
                pushed_model=types.Channel(type=tfx.types.standard_artifacts.PushedModel),
                **{GATES: gates.model_dump_json()},
                **sources,
            ),
        )
