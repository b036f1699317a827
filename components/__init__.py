"""The pipeline's own TFX components, one folder each."""

# By these names the container of a Kubeflow task finds the types; see `artifacts`.
from components.artifacts import (
    AuditVerdicts,
    DataGateReport,
    FilmExplanations,
    FilmLabelAudit,
    IngestReport,
    ModelAudit,
    RunReport,
)

__all__ = [
    "AuditVerdicts",
    "DataGateReport",
    "FilmExplanations",
    "FilmLabelAudit",
    "IngestReport",
    "ModelAudit",
    "RunReport",
]
