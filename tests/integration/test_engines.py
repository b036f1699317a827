"""The ingest on Prism, Beam's portable runner, with workers of its own: as on the local runner."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.radiograph_example_gen.component import RadiographExampleGen
from models import features
from models.hyperparameters import Preprocessing
from pipeline.beam import ingest_arguments
from pipeline.config import Beam
from radiographs.options import IngestOptions
from radiographs.phantoms import write_phantoms
from tests.support import ROOT, run_components

FILMS, SIZE_PX = 60, 96
PREPARATION = Preprocessing(image_size_px=64, lungs="crop", normalisation="zscore")
SECONDS_TO_START = 60

_GO_FOLDER = os.environ.get("GOBIN") or str(Path.home() / "go" / "bin")
PRISM = shutil.which("prism") or shutil.which("prism", path=_GO_FOLDER)

pytestmark = pytest.mark.skipif(
    PRISM is None, reason="there is no prism, Beam's portable runner; `make prism` builds it by Go"
)

Outputs = dict[tuple[str, str], Any]


@pytest.fixture(scope="module", name="engine")
def start_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beam]:
    """Prism, and a pool that starts workers as processes."""
    logs = tmp_path_factory.mktemp("engine")
    job_port, pool_port = free_port(), free_port()
    prism = [str(PRISM), f"--job_port={job_port}", "--serve_http=false"]
    pool = [
        sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main",
        f"--service_port={pool_port}",
    ]  # fmt: skip
    with running(prism, logs / "prism.log", job_port), running(pool, logs / "pool.log", pool_port):
        yield Beam(
            engine="prism",
            address=f"localhost:{job_port}",
            worker_pool=f"localhost:{pool_port}",
            workers=2,
        )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], log: Path, port: int) -> Iterator[None]:
    """Runs a server in the background until the block ends."""
    # A pool starts its workers by the `python` of the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(port, process, log)
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(10 * SECONDS_TO_START):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port)):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens at {port}: {log.read_text()}")


@pytest.fixture(scope="module", name="films")
def draw_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_phantoms(folder, films=FILMS, size_px=SIZE_PX, seed=0)
    (folder / "NORMAL" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.fixture(scope="module", name="local")
def run_locally(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return run_ingest(films, tmp_path_factory.mktemp("local"), Beam())


@pytest.fixture(scope="module", name="prism")
def run_on_prism(films: Path, engine: Beam, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return run_ingest(films, tmp_path_factory.mktemp("prism"), engine)


def run_ingest(films: Path, folder: Path, beam: Beam) -> Outputs:
    options = IngestOptions(max_quarantine_fraction=0.5)
    ingest = RadiographExampleGen(str(films), options, preprocessing=PREPARATION)
    ingest.with_beam_pipeline_args(ingest_arguments(beam))
    return run_components(folder, ingest, beam=beam)


def records(outputs: Outputs, component: str, output: str, split: str) -> list[bytes]:
    """Returns the examples of a split in an order that does not depend on the files."""
    files = tf.io.gfile.glob(f"{outputs[component, output].uri}/Split-{split}/*")
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return sorted(
        tf.train.Example.FromString(one).SerializeToString(deterministic=True)
        for one in dataset.as_numpy_iterator()
    )


@pytest.mark.parametrize("split", features.SPLITS)
def test_the_same_films_get_the_same_examples(local: Outputs, prism: Outputs, split: str) -> None:
    ingest = ("RadiographExampleGen", "examples", split)
    assert records(prism, *ingest) == records(local, *ingest) != []


def test_files_are_accounted_for_alike(local: Outputs, prism: Outputs) -> None:
    for name in ("ingest.json", "quarantine.csv", "ignored.csv"):
        texts = [
            (Path(of["RadiographExampleGen", "report"].uri) / name).read_text()
            for of in (local, prism)
        ]
        assert texts[0] == texts[1]
    assert (
        "broken.png" in texts[0]
        or "broken.png"
        in (Path(local["RadiographExampleGen", "report"].uri) / "quarantine.csv").read_text()
    )
