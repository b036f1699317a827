"""The pipeline's own TFX components, one folder each."""

# By these names the container of a Kubeflow task finds the types; see `artifacts`.
from components.artifacts import DataGateReport, IngestReport, ModelAudit

__all__ = ["DataGateReport", "IngestReport", "ModelAudit"]
