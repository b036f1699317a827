"""What the integration and end-to-end tests share: runs, components, drawn films."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pandas as pd

import local_runner
from pipeline.config import Beam
from pipeline.locations import WorkDirectory

ROOT = Path(__file__).parents[1]


def shipped_hyperparameters(task: str) -> dict[str, Any]:
    """Returns what the shipped file of a task holds; there has to be one file."""
    (file,) = (ROOT / "models" / "tuned" / task).glob("*.txt")
    return json.loads(file.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class LocalRun:
    """A call of the local runner and what it left behind.

    Attributes:
        status: Exit status.
        terminal: What the terminal showed.
        work: The work directory.
        latest: Run that `runs/latest` led to when the call returned, or empty.
        serving: Digest of every file below the serving root at that time, by path.
    """

    status: int
    terminal: str
    work: WorkDirectory
    latest: str
    serving: dict[str, str] = field(repr=False)

    @property
    def text(self) -> str:
        """The terminal's text without the line breaks of its width."""
        return " ".join(self.terminal.split())

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.work.run(self.latest)

    @property
    def summary(self) -> dict[str, Any]:
        """Content of summary.json."""
        return json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))

    @property
    def log(self) -> str:
        """Content of log.txt."""
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    @property
    def model(self) -> Path:
        """Folder of the version that the run pushed."""
        return self.work.serving_root / self.summary["pushed_version"]

    def uri(self, component: str, output: str) -> Path:
        """Returns the folder of an output."""
        from pipeline.lineage import run_outputs

        return Path(run_outputs(self.work.metadata, self.latest)[component, output].uri)


def run_local(workdir: Path, *arguments: str) -> LocalRun:
    """Calls the local runner in this process."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as screen:
        with _as_terminal(screen):
            status = local_runner.main(["--workdir", str(workdir), *arguments])
        screen.seek(0)
        terminal = screen.read()
    work = WorkDirectory(workdir.resolve())
    link = work.runs / "latest"
    latest = os.readlink(link) if link.is_symlink() else ""
    return LocalRun(status, terminal, work, latest, digests(work.serving_root))


@contextlib.contextmanager
def _as_terminal(screen: IO[str]) -> Iterator[None]:
    """Lets a file stand in for the terminal, for C++ and Python alike."""
    saved = os.dup(1), os.dup(2)
    for descriptor in (1, 2):
        os.dup2(screen.fileno(), descriptor)
    try:
        with (
            open(1, "w", closefd=False) as output,
            open(2, "w", closefd=False) as errors,
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            yield
    finally:
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


def settings(**values: object) -> list[str]:
    """Returns `--set` flags; two underscores stand for the dot: `train__epochs=3`."""
    return [
        word
        for name, value in values.items()
        for word in ("--set", f"{name.replace('__', '.')}={value}")
    ]


def digests(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 digest of every file below a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def run_components(
    folder: Path, *components: Any, beam: Beam | None = None
) -> dict[tuple[str, str], Any]:
    """Runs TFX components without the rest of the pipeline.

    Args:
        folder: For artifacts and metadata.
        *components: In any order.
        beam: How Beam runs; the local runner if not given.

    Returns:
        Artifact by component id and output name.
    """
    from tfx import v1 as tfx

    from pipeline.beam import beam_arguments
    from pipeline.lineage import run_outputs
    from pipeline.local import NamedDagRunner

    metadata = folder / "metadata.sqlite"
    parts = tfx.dsl.Pipeline(
        pipeline_name="parts",
        pipeline_root=str(folder / "artifacts"),
        components=list(components),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(metadata)
        ),
        beam_pipeline_args=beam_arguments(beam or Beam()),
    )
    NamedDagRunner("once", prepare=dict).run(parts)
    return run_outputs(metadata, "once")


def execution_states(run: LocalRun) -> dict[str, str]:
    """Returns the state of each execution of a run in the metadata store, by component."""
    return states_of(open_store(run), run.latest)


def states_of(store: Any, run_id: str) -> dict[str, str]:
    """Returns the state of each execution of a run, by component."""
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    states = {}
    for execution in store.get_executions_by_context(context.id):
        nodes = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
        states[nodes[0].rpartition(".")[2]] = type(execution).State.Name(execution.last_known_state)
    return states


def open_store(run: LocalRun) -> Any:
    """Opens the metadata store of a work directory."""
    return metadata_store(run.work.metadata)


def metadata_store(file: Path) -> Any:
    """Opens a metadata store."""
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(file)
    return MetadataStore(config)


def read_examples(uri: Path, split: str) -> list[bytes]:
    """Returns the serialised tf.Examples of a split, raw or transformed."""
    import tensorflow as tf

    files = sorted(str(file) for file in (uri / f"Split-{split}").iterdir())
    return list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())


def auc_bounds(positive: Any, score: Any, bin_width: float = 1e-4) -> tuple[float, float]:
    """Returns between what an AUC lies that is counted in bins, as films of one bin are tied.

    Args:
        positive: [films] truth.
        score: [films] of them.
        bin_width: Of scores; by default that of TFMA's 10,000 thresholds.
    """
    truth, scores = np.asarray(positive, bool), np.asarray(score, float)
    apart = scores[truth][:, np.newaxis] - scores[~truth]
    rounding = 1e-6
    low, high = (apart > bin_width).mean(), (apart > -bin_width).mean()
    return float(low) - rounding, float(high) + rounding


def predictions_of(run: LocalRun) -> pd.DataFrame:
    """Reads what the Auditor has predicted of the test films of a run."""
    return pd.read_csv(run.uri("Auditor", "audit") / "predictions.csv")


def draw_film(seed: int, size_px: int = 80) -> np.ndarray:
    """Draws grey levels with some structure: [size_px, size_px] uint8."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6), dtype=np.uint8)
    return cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC)


def encode(film: np.ndarray, suffix: str = ".png") -> bytes:
    """Encodes grey levels or BGR as the suffix says."""
    return cv2.imencode(suffix, film)[1].tobytes()


def write_films(root: Path, label: str, count: int, first_seed: int = 0) -> None:
    """Writes films of as many patients into a class folder."""
    folder = root / label
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        content = encode(draw_film(first_seed + number))
        (folder / f"{label.lower()}{number}.png").write_bytes(content)


def mount(*arguments: str) -> None:
    """Mounts a file system, where that is allowed."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def fill(file: Path) -> None:
    """Writes until the disk is full."""
    try:
        with file.open("wb") as filling:
            while True:
                filling.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC
