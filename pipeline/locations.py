"""Where a run reads and writes: the one place that knows the layout of a work directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import schema
from models.features import MODEL_NAME

PACKAGED_SCHEMA = Path(schema.__file__).parent / "schema.pbtxt"


@dataclass(frozen=True)
class Locations:
    """Folders of a pipeline, local or remote.

    Attributes:
        data_root: Films.
        pipeline_root: Artifacts.
        serving_root: Versions of the pushed model.
        checkpoint_root: State of interrupted trainings.
        schema_file: The data contract, where the components run.
        phantoms_root: Films that the local runner draws, which are compared with no real ones.
    """

    data_root: str
    pipeline_root: str
    serving_root: str
    checkpoint_root: str
    schema_file: str
    phantoms_root: str = ""


@dataclass(frozen=True)
class WorkDirectory:
    """The work directory of the local runner."""

    path: Path

    def locations(self, data_root: Path) -> Locations:
        """Returns the folders of a pipeline over a data root."""
        return Locations(
            data_root=str(data_root.resolve()),
            pipeline_root=str(self.path / "artifacts"),
            serving_root=str(self.serving_root),
            checkpoint_root=str(self.path / "checkpoints"),
            schema_file=str(self.schema_file),
            phantoms_root=str(self.phantoms.resolve()),
        )

    @property
    def metadata(self) -> Path:
        """The metadata store."""
        return self.path / "metadata.sqlite"

    @property
    def serving_root(self) -> Path:
        """Versions of the pushed model."""
        return self.path / "serving_model" / MODEL_NAME

    @property
    def phantoms(self) -> Path:
        """The embedded default data, once drawn."""
        return self.path / "phantoms"

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self.path / "runs"

    @property
    def schema_file(self) -> Path:
        """The data contract, in a folder named by its content: TFX's cache looks at names only."""
        digest = hashlib.sha256(PACKAGED_SCHEMA.read_bytes()).hexdigest()[:16]
        return self.path / "schema" / digest / PACKAGED_SCHEMA.name

    def run(self, run_id: str) -> Path:
        """The folder of a run: summary, config, log and report."""
        return self.runs / run_id
