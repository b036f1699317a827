"""All that Beam runs, on Prism with workers of its own: the same as on the local runner."""

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
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import v1 as tfx

from components.evaluation import decisions
from components.evaluation.slices import load_slices
from components.radiograph_example_gen.component import RadiographExampleGen
from models import features, preprocessing
from models.hyperparameters import Preprocessing
from pipeline.config import Beam, Evaluation
from pipeline.evaluation import make_eval_config
from pipeline.locations import PACKAGED_SCHEMA
from radiographs.options import IngestOptions
from radiographs.phantoms import write_phantoms
from tests.support import ROOT, run_components
from tests.threshold_model import write_model

FILMS, SIZE_PX = 60, 96
PREPARATION = Preprocessing(image_size_px=64, lungs="crop", normalisation="zscore")
THRESHOLD = 0.5  # of mean intensity, for a model that is easy to foresee
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
    pool = [sys.executable, "-m", "pipeline.worker_pool", f"--port={pool_port}"]
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
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
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
    broken = min((folder / "NORMAL").iterdir())
    broken.write_bytes(broken.read_bytes()[:100])
    return folder


@pytest.fixture(scope="module", name="local")
def run_locally(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return run_all(films, tmp_path_factory.mktemp("local"), Beam())


@pytest.fixture(scope="module", name="prism")
def run_on_prism(films: Path, engine: Beam, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return run_all(films, tmp_path_factory.mktemp("prism"), engine)


def run_all(films: Path, folder: Path, beam: Beam) -> Outputs:
    """Runs what Beam runs of a pipeline: ingest, statistics, Transform and Evaluator."""
    options = IngestOptions(
        max_quarantine_fraction=0.5, near_duplicates="join", stress_split="test"
    )
    ingest = RadiographExampleGen(str(films), options, preprocessing=PREPARATION)
    importer = tfx.components.ImportSchemaGen(schema_file=str(PACKAGED_SCHEMA))
    examples, schema = ingest.outputs["examples"], importer.outputs["schema"]
    statistics = tfx.components.StatisticsGen(examples=examples, schema=schema)
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=[features.TRAIN], transform=features.SPLITS),
        disable_statistics=True,
        custom_config={
            preprocessing.PREPROCESSING_KEY: PREPARATION.model_dump_json(),
            preprocessing.INGEST_KEY: options.model_dump_json(),
        },
    )
    model = tfx.dsl.Importer(
        source_uri=str(write_model(folder / "model", THRESHOLD)),
        artifact_type=tfx.types.standard_artifacts.Model,
    ).with_id("model")
    evaluator = tfx.components.Evaluator(
        examples=examples,
        example_splits=[features.TEST],
        model=model.outputs["result"],
        schema=schema,
        eval_config=make_eval_config(Evaluation()),
        module_path=decisions.__name__,
    )
    parts = (ingest, importer, statistics, transform, model, evaluator)
    return run_components(folder, *parts, beam=beam)


def records(
    outputs: Outputs, component: str, output: str, split: str
) -> tuple[list[bytes], list[float]]:
    """Returns the examples of a split in an order that does not depend on the files.

    The moments that Transform standardises by stand apart: their last digit hangs on the order in
    which the films were added up.
    """
    files = tf.io.gfile.glob(f"{outputs[component, output].uri}/Split-{split}/*")
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP")
    examples = [tf.train.Example.FromString(one) for one in dataset.as_numpy_iterator()]
    moments: list[float] = []
    for example in examples:
        for name in (features.PIXEL_MEAN_XF, features.PIXEL_STDDEV_XF):
            moments += example.features.feature[name].float_list.value
            del example.features.feature[name]
    return sorted(one.SerializeToString(deterministic=True) for one in examples), moments


@pytest.mark.parametrize(
    "source",
    [("RadiographExampleGen", "examples"), ("Transform", "transformed_examples")],
    ids=["ingest", "transform"],
)
def test_the_same_films_get_the_same_examples(
    local: Outputs, prism: Outputs, source: tuple[str, str]
) -> None:
    for split in features.SPLITS:
        examples, moments = records(prism, *source, split)
        expected, expected_moments = records(local, *source, split)
        assert examples == expected != []
        assert moments == pytest.approx(expected_moments, rel=1e-5)


def test_files_are_accounted_for_alike(local: Outputs, prism: Outputs) -> None:
    for name in ("ingest.json", "quarantine.csv", "ignored.csv"):
        texts = [
            (Path(of["RadiographExampleGen", "report"].uri) / name).read_text()
            for of in (local, prism)
        ]
        assert texts[0] == texts[1]
        assert name != "quarantine.csv" or len(texts[0].splitlines()) == 2


def test_statistics_are_the_same(local: Outputs, prism: Outputs) -> None:
    for split in features.SPLITS:
        of_each = [
            tfdv.load_stats_binary(
                f"{of['StatisticsGen', 'statistics'].uri}/Split-{split}/FeatureStats.pb"
            )
            for of in (local, prism)
        ]
        first, second = (
            {one.path.step[0]: one for one in of.datasets[0].features} for of in of_each
        )
        assert set(first) == set(second)
        for name, feature in first.items():
            assert facts(feature) == pytest.approx(facts(second[name]), rel=1e-9), (split, name)


def facts(feature: statistics_pb2.FeatureNameStatistics) -> dict[str, float]:
    """Returns the numbers of a feature's statistics by name, and the counts of its values."""
    told = getattr(feature, str(feature.WhichOneof("stats")))
    numbers = {
        field.name: value
        for part in (told, told.common_stats)
        for field, value in part.ListFields()
        if isinstance(value, int | float)
    }
    if feature.HasField("string_stats"):
        numbers |= {bucket.label: bucket.sample_count for bucket in told.rank_histogram.buckets}
    return numbers


def test_metrics_are_the_same(local: Outputs, prism: Outputs) -> None:
    first, second = (
        {one.name: one for one in load_slices(of["Evaluator", "evaluation"].uri, {})}
        for of in (local, prism)
    )
    assert set(first) == set(second)
    assert len(first) > 1
    for name, of_slice in first.items():
        assert of_slice.metrics == pytest.approx(second[name].metrics, nan_ok=True), name
