"""The whole pipeline where no root is a folder of this machine, resume included.

Films, schema, weights, hyperparameters, artifacts, checkpoints and served versions lie in
`ram://`; only the metadata store is a file. The first run is stopped after an epoch and taken up
again; the third starts from the weights and the hyperparameters that the second left.
"""

from __future__ import annotations

import io
import json
import logging
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console
from tfx import v1 as tfx

from benchmarks.kills import open_gates
from components.explanation_gen.index import read_index
from components.pusher.executor import CARD
from components.radiograph_example_gen.executor import film_files, plan_ingest
from models import features
from pipeline.config import load_config
from pipeline.lineage import run_outputs
from pipeline.local import NamedDagRunner
from pipeline.locations import PACKAGED_SCHEMA, Locations
from pipeline.pipeline import create_pipeline
from radiographs.options import IngestOptions
from radiographs.phantoms import write_phantoms
from tests.ram import files_below, object_store, upload
from tests.support import metadata_store, states_of

pytestmark = pytest.mark.slow

ROOT = "ram://bucket"
FILMS, EPOCHS, EPOCHS_BEFORE_INTERRUPT = 60, 2, 1
SMALL = (
    "preprocessing.image_size_px=32", "network.width=4", "network.depth=2",
    f"train.epochs={EPOCHS}", "tuner.trials=1", "tuner.epochs=1",
    *open_gates(),
    "evaluation.bootstrap_samples=100", "evaluation.control_epochs=1",
    f"evaluation.external_data_root={ROOT}/elsewhere", "data.stress_split=test",
)  # fmt: skip
LOCATIONS = Locations(
    data_root=f"{ROOT}/films",
    pipeline_root=f"{ROOT}/artifacts",
    serving_root=f"{ROOT}/serving_model/cxr_pneumonia",
    checkpoint_root=f"{ROOT}/checkpoints",
    schema_file=f"{ROOT}/schema/schema.pbtxt",
)
BEFORE_TRAINING = {
    "RadiographExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator", "DataGate",
    "Transform", "Tuner",
}  # fmt: skip
RESOLVED = {"LatestAcceptedStatistics": "COMPLETE"}  # asks anew in every run
AFTER_TRANSFORM = "LabelAuditor"  # it waits for the Pusher, and knows nothing of the model
FROM_TRAINING_ON = {
    "Trainer", "LatestBlessedModel", "Evaluator", "Auditor", "AuditGate", "ModelValidator",
    "Pusher", "ExplanationGen", "ReportGen",
}  # fmt: skip


@dataclass
class RemoteRun:
    """What a run left.

    Attributes:
        states: Of its executions, by component.
        outputs: Artifact by component and output name.
        epochs: That it trained, from 1.
    """

    states: dict[str, str]
    outputs: dict[tuple[str, str], mlmd.Artifact]
    epochs: list[int] = field(default_factory=list)

    def read(self, component: str, output: str, name: str) -> str:
        """Returns the text of a file of an output."""
        with tf.io.gfile.GFile(f"{self.outputs[component, output].uri}/{name}") as file:
            return file.read()

    @property
    def version(self) -> str:
        """Where the pushed version is."""
        pushed = self.outputs["Pusher", "pushed_model"].custom_properties
        assert pushed["pushed"].int_value == 1
        return pushed["pushed_destination"].string_value


class _Epochs(logging.Handler):
    """Notes which epochs were trained."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        if epoch := re.match(rf"epoch (\d+)/{EPOCHS} ", record.getMessage()):
            self.seen.append(int(epoch[1]))


@pytest.fixture(scope="module", name="here")
def enter_empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory of the runs: what takes a URI for a relative path writes here."""
    folder = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch, object_store():
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module", name="store")
def fill_bucket(here: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The metadata store of a pipeline whose films are in the bucket."""
    local = tmp_path_factory.mktemp("local")
    for name, films, seed in (("films", FILMS, 0), ("elsewhere", 12, 1)):
        console = Console(file=io.StringIO())
        drawn = write_phantoms(
            local / name, films=films, size_px=64, seed=seed, workers=1, console=console
        )
        upload(drawn, f"{ROOT}/{name}")
    upload(PACKAGED_SCHEMA.parent, f"{ROOT}/schema")
    return local / "metadata.sqlite"


@pytest.fixture(scope="module", name="interrupted")
def interrupt(store: Path) -> RemoteRun:
    """A first run that is stopped as its second epoch begins."""
    from keras.callbacks import TensorBoard

    def stop(self: TensorBoard, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch == EPOCHS_BEFORE_INTERRUPT:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TensorBoard, "on_epoch_begin", stop)
        with pytest.raises(KeyboardInterrupt):
            run("interrupted", store, "train.keras_format=h5")
    return left_by("interrupted", store)


@pytest.fixture(scope="module", name="resumed")
def resume(interrupted: RemoteRun, store: Path) -> RemoteRun:
    """The same once more."""
    return run("resumed", store, "train.keras_format=h5")


@pytest.fixture(scope="module", name="following")
def follow(resumed: RemoteRun, store: Path) -> RemoteRun:
    """A training that starts from what the one before has found and learned."""
    return run(
        "following",
        store,
        "tuner.enabled=false",
        f"tuner.hyperparameters={resumed.outputs['Tuner', 'best_hyperparameters'].uri}",
        f"network.weights={resumed.outputs['Trainer', 'model_run'].uri}/model.h5",
        "evaluation.shortcut_audit=false",
    )


def run(run_id: str, store: Path, *overrides: str) -> RemoteRun:
    config = load_config("demo", None, (*SMALL, *overrides))
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(store))
    epochs = _Epochs()
    logging.getLogger("models").addHandler(epochs)
    try:
        NamedDagRunner(run_id, prepare=dict).run(create_pipeline(config, LOCATIONS, connection))
    finally:
        logging.getLogger("models").removeHandler(epochs)
    left = left_by(run_id, store)
    left.epochs = epochs.seen
    return left


def left_by(run_id: str, store: Path) -> RemoteRun:
    return RemoteRun(states_of(metadata_store(store), run_id), run_outputs(store, run_id))


def contents(uri: str) -> dict[str, bytes]:
    return {
        name: tf.io.gfile.GFile(posixpath.join(uri, name), "rb").read() for name in files_below(uri)
    }


def films_in(uri: str, split: str) -> int:
    files = tf.io.gfile.glob(f"{uri}/Split-{split}/*")
    return sum(1 for _ in tf.data.TFRecordDataset(files, compression_type="GZIP"))


def test_what_had_finished_is_taken_from_the_cache(
    interrupted: RemoteRun, resumed: RemoteRun
) -> None:
    assert {name for name, state in interrupted.states.items() if state == "COMPLETE"} == (
        BEFORE_TRAINING | set(RESOLVED)
    )
    assert resumed.states == {
        **dict.fromkeys(BEFORE_TRAINING, "CACHED"),
        **dict.fromkeys({*FROM_TRAINING_ON, AFTER_TRANSFORM}, "COMPLETE"),
        **RESOLVED,
    }


def test_the_training_goes_on_from_its_last_epoch(resumed: RemoteRun) -> None:
    assert resumed.epochs == list(range(EPOCHS_BEFORE_INTERRUPT + 1, EPOCHS + 1))
    record = json.loads(resumed.read("Trainer", "model_run", "training.json"))
    assert [row["epoch"] for row in record["history"]] == list(range(EPOCHS))
    assert files_below(LOCATIONS.checkpoint_root) == []


def test_films_are_split_as_planned(resumed: RemoteRun) -> None:
    options = IngestOptions(stress_split="test")
    _, plan = plan_ingest(film_files(LOCATIONS.data_root, options))
    uri = resumed.outputs["RadiographExampleGen", "examples"].uri
    counted = {split: films_in(uri, split) for split in features.SPLITS}
    planned = list(plan.split_of.values())
    assert counted == {split: planned.count(split) for split in features.SPLITS}
    assert sum(counted.values()) == FILMS


def test_every_artifact_is_in_the_bucket(resumed: RemoteRun, following: RemoteRun) -> None:
    for left in (resumed, following):
        addresses = {artifact.uri for artifact in left.outputs.values()}
        assert {uri for uri in addresses if not uri.startswith(f"{ROOT}/artifacts/")} == set()
        assert {uri for uri in addresses if not tf.io.gfile.isdir(uri)} == set()


def test_the_other_site_was_audited(resumed: RemoteRun) -> None:
    audit = json.loads(resumed.read("Auditor", "audit", "audit.json"))
    assert audit["external"]["root"] == f"{ROOT}/elsewhere"
    assert audit["external"]["films"] == 12
    assert audit["shifts"] and audit["controls"]


def test_films_are_explained_in_the_bucket(resumed: RemoteRun) -> None:
    uri = resumed.outputs["ExplanationGen", "explanations"].uri
    films = read_index(uri)
    assert len(films) == films_in(resumed.outputs["RadiographExampleGen", "examples"].uri, "test")
    named = {one for film in films for one in (film.film, film.heat, film.feature_maps) if one}
    found = contents(uri)
    shown = {name for name in found if name.startswith("tensorboard/")}
    assert set(found) - shown == {"index.json", *named}
    assert len(found["tensorboard/vectors.tsv"].splitlines()) == len(films)
    assert {found[name][:3] for name in named} == {b"\xff\xd8\xff"}  # JPEG
    assert len(named) >= 2 * len(films)


def test_labels_are_audited_in_the_bucket(resumed: RemoteRun) -> None:
    uri = resumed.outputs["LabelAuditor", "label_audit"].uri
    examples = resumed.outputs["RadiographExampleGen", "examples"].uri
    audit = json.loads(resumed.read("LabelAuditor", "label_audit", "label_audit.json"))
    assert audit["films"] == sum(films_in(examples, split) for split in features.SPLITS)
    pictures = {row["picture"] for row in audit["shown"]}  # none where the judgement is weak
    assert set(contents(uri)) == {"label_audit.json", "label_audit.csv", *pictures}


def test_the_trained_model_is_pushed_whole_and_answers(resumed: RemoteRun) -> None:
    trained = contents(f"{resumed.outputs['Trainer', 'model'].uri}/Format-Serving")
    served = contents(resumed.version)
    assert served.pop(CARD).startswith(b"# Model card")
    assert served == trained
    assert posixpath.dirname(resumed.version) == LOCATIONS.serving_root
    served = tf.saved_model.load(resumed.version)
    film = contents(f"{ROOT}/elsewhere/NORMAL").popitem()[1]
    answer = served.signatures[features.PREDICT_IMAGES](image_bytes=tf.constant([film]))
    assert 0 <= float(answer[features.PROBABILITY][0]) <= 1


def test_weights_and_hyperparameters_are_taken_from_the_bucket(
    resumed: RemoteRun, following: RemoteRun
) -> None:
    assert following.states == {
        **dict.fromkeys({*BEFORE_TRAINING, AFTER_TRANSFORM} - {"Tuner"}, "CACHED"),
        **dict.fromkeys(FROM_TRAINING_ON, "COMPLETE"),
        **RESOLVED,
        "ImportHyperparameters": "CACHED",  # the importer knows the address
    }
    assert following.outputs["ImportHyperparameters", "best_hyperparameters"].uri == (
        resumed.outputs["Tuner", "best_hyperparameters"].uri
    )
    found = json.loads(resumed.read("Tuner", "best_hyperparameters", "best_hyperparameters.txt"))
    used = json.loads(following.read("Trainer", "model_run", "training.json"))["hyperparameters"]
    assert used["train"]["learning_rate"] == found["values"]["train.learning_rate"]
    assert len(tf.io.gfile.listdir(LOCATIONS.serving_root)) == 2


def test_nothing_took_an_address_for_a_path_of_this_machine(
    following: RemoteRun, here: Path
) -> None:
    assert list(here.iterdir()) == []
