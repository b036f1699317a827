"""The ReportGen component: its inputs, output and parameters."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import (
    AuditVerdicts,
    DataGateReport,
    FilmExplanations,
    FilmLabelAudit,
    IngestReport,
    ModelAudit,
    RunReport,
)
from components.report_gen import sources as of
from components.report_gen.executor import GATES, REPORT, ReportGenExecutor
from models.audit_settings import Evaluation
from models.source import SOURCE_FINGERPRINT

TYPES = {
    of.INGEST: IngestReport,
    of.DATA_GATE: DataGateReport,
    of.STATISTICS: standard_artifacts.ExampleStatistics,
    of.MODEL_RUN: standard_artifacts.ModelRun,
    of.HYPERPARAMETERS: standard_artifacts.HyperParameters,
    of.TUNER_RESULTS: standard_artifacts.TunerResults,
    of.EVALUATION: standard_artifacts.ModelEvaluation,
    of.EVALUATOR_BLESSING: standard_artifacts.ModelBlessing,
    of.AUDIT: ModelAudit,
    of.VERDICTS: AuditVerdicts,
    of.BLESSING: standard_artifacts.ModelBlessing,
    of.INFRA_BLESSING: standard_artifacts.InfraBlessing,
    of.PUSHED_MODEL: standard_artifacts.PushedModel,
    of.EXPLANATIONS: FilmExplanations,
    of.LABEL_AUDIT: FilmLabelAudit,
}


class ReportGenSpec(component_spec.ComponentSpec):
    """What a run has left behind in, a page out."""

    PARAMETERS = {
        GATES: component_spec.ExecutionParameter(type=str),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        name: component_spec.ChannelParameter(type=kind, optional=True)
        for name, kind in TYPES.items()
    }
    OUTPUTS = {REPORT: component_spec.ChannelParameter(type=RunReport)}


class ReportGen(base_component.BaseComponent):
    """Writes what came of a run as one page, and its numbers as JSON.

    Outputs `report`. It reads artifacts only, so that every runner has it.
    """

    SPEC_CLASS = ReportGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ReportGenExecutor)

    def __init__(
        self, gates: Evaluation, source_fingerprint: str = "", **inputs: types.BaseChannel | None
    ):
        """Describes the report.

        Args:
            gates: What the model had to reach.
            source_fingerprint: Changes with the code, so that no stale cache serves.
            **inputs: Channels by the names of `components.report_gen.sources`; the page says what
                is missing.
        """
        super().__init__(
            ReportGenSpec(
                **{name: channel for name, channel in inputs.items() if channel is not None},
                **{
                    GATES: gates.model_dump_json(),
                    SOURCE_FINGERPRINT: source_fingerprint,
                    REPORT: types.Channel(type=RunReport),
                },
            )
        )
