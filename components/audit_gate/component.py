"""The AuditGate component: its inputs, outputs and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import AuditVerdicts, ModelAudit
from components.audit_gate.executor import (
    AUDIT,
    BLESSING,
    EVALUATOR_BLESSING,
    FLOORS,
    MODEL,
    VERDICTS,
    AuditGateExecutor,
)
from models.audit_settings import AuditFloors
from models.source import SOURCE_FINGERPRINT


class AuditGateSpec(component_spec.ComponentSpec):
    """An audit and the Evaluator's blessing in, verdicts and a blessing out."""

    PARAMETERS = {
        FLOORS: component_spec.ExecutionParameter(type=str),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        AUDIT: component_spec.ChannelParameter(type=ModelAudit),
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        EVALUATOR_BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {
        VERDICTS: component_spec.ChannelParameter(type=AuditVerdicts),
        BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class AuditGate(base_component.BaseComponent):
    """Holds an audit against the floors.

    Outputs `verdicts` and `blessing`; the model is blessed if the Evaluator has blessed it
    and every audit gate lets it pass.
    """

    SPEC_CLASS = AuditGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AuditGateExecutor)

    def __init__(
        self,
        audit: types.BaseChannel,
        model: types.BaseChannel,
        evaluator_blessing: types.BaseChannel,
        floors: AuditFloors,
        source_fingerprint: str = "",
    ):
        """Describes the gate.

        Args:
            audit: Of the Auditor.
            model: The one that was audited.
            evaluator_blessing: Of TFX's Evaluator.
            floors: What the model has to reach.
            source_fingerprint: Changes with the code, so that no stale cache serves.
        """
        super().__init__(
            AuditGateSpec(
                audit=audit,
                model=model,
                evaluator_blessing=evaluator_blessing,
                verdicts=types.Channel(type=AuditVerdicts),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                **{
                    FLOORS: floors.model_dump_json(),
                    SOURCE_FINGERPRINT: source_fingerprint,
                },
            )
        )
