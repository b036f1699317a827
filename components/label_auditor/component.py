"""The LabelAuditor component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import FilmLabelAudit, IngestReport
from components.label_auditor.executor import (
    EXAMPLES,
    INGEST_REPORT,
    LABEL_AUDIT,
    SETTINGS,
    TASK,
    TRANSFORM_GRAPH,
    TRANSFORMED_EXAMPLES,
    LabelAuditorExecutor,
)
from models.hyperparameters import Task
from models.label_audit_settings import LabelAuditSettings
from models.source import SOURCE_FINGERPRINT


class LabelAuditorSpec(component_spec.ComponentSpec):
    """Films as they came and as Transform made them in, an audit of their labels out."""

    PARAMETERS = {
        SETTINGS: component_spec.ExecutionParameter(type=str),
        TASK: component_spec.ExecutionParameter(type=str),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORMED_EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORM_GRAPH: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        INGEST_REPORT: component_spec.ChannelParameter(type=IngestReport),
    }
    OUTPUTS = {LABEL_AUDIT: component_spec.ChannelParameter(type=FilmLabelAudit)}


class LabelAuditor(base_component.BaseComponent):
    """Holds every label against what the films of other patients say.

    Outputs `label_audit`. It needs no model, so that another training leaves it as it is.
    """

    SPEC_CLASS = LabelAuditorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(LabelAuditorExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transformed_examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        ingest_report: types.BaseChannel,
        settings: LabelAuditSettings,
        task: Task = "binary",
        source_fingerprint: str = "",
    ):
        """Describes the audit.

        Args:
            examples: Raw films of all splits.
            transformed_examples: Those of some splits as Transform wrote them.
            transform_graph: Makes them of the other splits.
            ingest_report: Names the file of each film.
            settings: Whether, in how many folds, and how many films have a picture.
            task: Which classes there are.
            source_fingerprint: Changes with the code, so that no stale cache serves.
        """
        super().__init__(
            LabelAuditorSpec(
                examples=examples,
                transformed_examples=transformed_examples,
                transform_graph=transform_graph,
                ingest_report=ingest_report,
                label_audit=types.Channel(type=FilmLabelAudit),
                **{
                    SETTINGS: settings.model_dump_json(),
                    TASK: task,
                    SOURCE_FINGERPRINT: source_fingerprint,
                },
            )
        )
