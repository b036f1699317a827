"""Artifact types of the pipeline's own components.

On Kubeflow a type travels by its name only, and the container imports what that name
says. TFX takes one package and one class there, so the types stand in `components`.
"""

from __future__ import annotations

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """What became of every file: `ingest.json`, `films.csv`, `quarantine.csv`, `ignored.csv`."""

    TYPE_NAME = "components.IngestReport"


class DataGateReport(artifact.Artifact):
    """What the data gate found: `anomalies.json`."""

    TYPE_NAME = "components.DataGateReport"


class AuditVerdicts(artifact.Artifact):
    """What the audit gates decided: `verdicts.json`."""

    TYPE_NAME = "components.AuditVerdicts"


class ModelAudit(artifact.Artifact):
    """How far a model holds: `audit.json`, `predictions.csv`."""

    TYPE_NAME = "components.ModelAudit"


class FilmExplanations(artifact.Artifact):
    """Where a model looked on a sample of test films: `index.json` and pictures."""

    TYPE_NAME = "components.FilmExplanations"


class FilmLabelAudit(artifact.Artifact):
    """Films whose label is doubtful: `label_audit.json`, `label_audit.csv` and pictures."""

    TYPE_NAME = "components.FilmLabelAudit"


class RunReport(artifact.Artifact):
    """What came of a run, for people: `index.html`; the same numbers: `report.json`."""

    TYPE_NAME = "components.RunReport"
