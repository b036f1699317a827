"""A run that is killed three times, at three places where files are written, and run once more."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks.killing import WatchedRun, faults_of, latest_run
from benchmarks.kills import open_gates
from components.radiograph_example_gen.executor import film_files, plan_ingest
from models import features
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from radiographs.options import IngestOptions
from tests.support import read_examples, settings

pytestmark = pytest.mark.slow

EPOCHS = 12
FLAGS = (
    "--preset", "demo",
    *settings(
        phantoms__films=60,
        phantoms__size_px=64,
        preprocessing__image_size_px=32,
        network__width=4,
        network__depth=2,
        train__epochs=EPOCHS,
        train__early_stopping_patience=EPOCHS,
        tuner__enabled="false",
        evaluation__shift_audit="false",
        evaluation__swap_audit="false",
        evaluation__shortcut_audit="false",
    ),
    *(word for one in open_gates() for word in ("--set", one)),
)  # fmt: skip
# What is there in the middle of each component's work.
KILLED_WHEN = {
    "RadiographExampleGen": "artifacts/RadiographExampleGen/examples/*/*",
    "Trainer": "checkpoints/*/after_epoch_*.npz",
    "Pusher": "artifacts/Pusher/pushed_model/*",
}


@pytest.fixture(scope="module", name="work")
def kill_and_run_again(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory:
    work = WorkDirectory(tmp_path_factory.mktemp("killed") / "work")
    for component, file in KILLED_WHEN.items():
        run = WatchedRun(work, FLAGS)
        run.wait_for(component)
        wait_for_file(work.path, file)
        assert run.kill(), f"the run had ended before {component} was killed"
    assert WatchedRun(work, FLAGS).finish() == 0
    return work


def wait_for_file(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 60
    while not any(folder.glob(pattern)) and time.monotonic() < end:
        time.sleep(0.002)


def logs(work: WorkDirectory) -> list[str]:
    """Returns the log of each run, in order."""
    folders = sorted(path for path in work.runs.iterdir() if not path.is_symlink())
    return [(folder / "log.txt").read_text(encoding="utf-8") for folder in folders]


def test_the_same_command_is_pushed_and_uses_nothing_half_written(work: WorkDirectory) -> None:
    assert len(logs(work)) == len(KILLED_WHEN) + 1
    assert faults_of(work, latest_run(work)) == []


def test_the_splits_are_those_of_an_undisturbed_run(work: WorkDirectory) -> None:
    _, plan = plan_ingest(film_files(str(work.phantoms), IngestOptions()))
    artifact = run_outputs(work.metadata, latest_run(work))["RadiographExampleGen", "examples"]
    for split in features.SPLITS:
        planned = [
            hashlib.sha256((work.phantoms / path).read_bytes()).hexdigest()
            for path, of_film in plan.split_of.items()
            if of_film == split
        ]
        found = [sha256_of(example) for example in read_examples(Path(artifact.uri), split)]
        assert sorted(found) == sorted(planned)


def sha256_of(serialised: bytes) -> str:
    example = tf.train.Example.FromString(serialised)
    return example.features.feature[features.SHA256].bytes_list.value[0].decode()


def test_the_training_went_on_from_its_last_epoch(work: WorkDirectory) -> None:
    *_, after_trainer, after_pusher = (
        [int(epoch) for epoch in re.findall(rf"epoch (\d+)/{EPOCHS} ", log)] for log in logs(work)
    )
    assert after_trainer == list(range(after_trainer[0], EPOCHS + 1))
    assert after_trainer[0] > 1
    assert after_pusher == []


def test_a_half_version_would_be_found(work: WorkDirectory) -> None:
    half = work.serving_root / "1"
    half.mkdir()
    (half / "saved_model.pb").write_bytes(b"")
    try:
        assert faults_of(work, latest_run(work)) == ["version 1 is not what a Trainer wrote"]
    finally:
        (half / "saved_model.pb").unlink()
        half.rmdir()
