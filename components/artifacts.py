"""Artifact types of the pipeline's own components."""

from __future__ import annotations

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """What became of every file: `ingest.json`, `quarantine.csv`, `ignored.csv`."""

    TYPE_NAME = "IngestReport"


class DataGateReport(artifact.Artifact):
    """What the data gate found: `anomalies.json`."""

    TYPE_NAME = "DataGateReport"
