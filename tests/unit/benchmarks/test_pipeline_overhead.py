"""The pieces that compute: memory, spans, table, settings, films as files, the yardstick."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from benchmarks import bare_keras, pipeline_overhead
from benchmarks.comparison import (
    AFTER,
    BEFORE,
    Comparison,
    Part,
    Work,
    describe_machine,
    pipeline_parts,
)
from benchmarks.films import export_films
from benchmarks.processes import Measured, Sample, Span, peak_mb, run_measured, tree_memory_mb
from models import features
from models.hyperparameters import Augmentation, Hyperparameters
from pipeline.config import ConfigError

HOLD = "held = bytearray(b'x') * 200_000_000; print('ready', flush=True); input()"

NOON = datetime(2030, 5, 1, 12).timestamp()
COMPONENTS = (Span("Reader", NOON + 10, NOON + 12.5), Span("Trainer", NOON + 12.6, NOON + 72.6))


@pytest.fixture
def process_above_one_that_holds_200_mb() -> Iterator[subprocess.Popen[str]]:
    above = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"
    command = [sys.executable, "-c", above]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate("\n")


def test_memory_counts_the_processes_below(
    process_above_one_that_holds_200_mb: subprocess.Popen[str],
) -> None:
    assert 200 < tree_memory_mb(process_above_one_that_holds_200_mb.pid) < 300


def test_a_process_that_has_ended_holds_no_memory() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert tree_memory_mb(process.pid) == 0


def test_a_command_is_watched_from_beginning_to_end(tmp_path: Path) -> None:
    code = "import pathlib, sys; pathlib.Path('here').touch(); sys.exit(3)"
    before = time.time()
    measured = run_measured("command", [sys.executable, "-c", code], tmp_path)
    times = [sample.at for sample in measured.samples]
    assert measured.status == 3
    assert (tmp_path / "here").exists()
    assert times == sorted(times)
    assert before <= measured.whole.started <= times[0]
    assert times[-1] <= measured.whole.ended <= time.time()


def test_peak_agrees_with_numpy() -> None:
    at = np.arange(0, 50, 0.5)
    mb = np.random.default_rng(0).uniform(0, 1000, at.size)
    samples = [Sample(float(t), float(m)) for t, m in zip(at, mb, strict=True)]
    expected = mb[(at >= 10.2) & (at <= 20.0)].max()
    assert peak_mb(samples, Span("any", 10.2, 20.0)) == expected


def test_a_span_between_two_samples_gets_the_nearer_one() -> None:
    samples = [Sample(1.0, 100.0), Sample(2.0, 900.0)]
    assert peak_mb(samples, Span("short", 1.1, 1.3)) == 100.0
    assert peak_mb(samples, Span("short", 1.6, 1.7)) == 900.0


def test_the_parts_fill_the_run_but_for_the_moments_between_components() -> None:
    samples = tuple(Sample(NOON + second, 100.0 + second) for second in range(80))
    measured = Measured(Span("pipeline", NOON, NOON + 80), samples, 0)
    parts = {part.name: part for part in pipeline_parts(measured, COMPONENTS)}
    assert list(parts) == [BEFORE, "Reader", "Trainer", AFTER]
    assert sum(part.seconds for part in parts.values()) == pytest.approx(80 - 0.1)
    assert [part.peak_mb for part in parts.values()] == [110.0, 112.0, 172.0, 179.0]


def test_a_run_without_components_is_refused() -> None:
    measured = Measured(Span("pipeline", 0, 1), (Sample(0.5, 1.0),), 1)
    with pytest.raises(ValueError, match="no component"):
        pipeline_parts(measured, ())


@pytest.fixture
def comparison() -> Comparison:
    work = Work({"train": 1000, "eval": 50, "test": 60}, 224, 12, 32, 0.99, 0.98765, ("a.b=1",))
    return Comparison(
        parts=(Part("Reader", 2.5, 512.4), Part("Trainer", 60.0, 2048.0)),
        pipeline=Part("pipeline", 65.0, 2048.0),
        bare=Part("bare Keras script", 52.0, 1024.0),
        work=work,
        machine={"cores": "2"},
    )


def test_the_table_ends_in_the_ratio(comparison: Comparison) -> None:
    table, _, notes = comparison.to_markdown().partition("\n\n")
    assert table.splitlines()[2:] == [
        "| Reader | 2.5 | 512 |",
        "| Trainer | 60.0 | 2,048 |",
        "| **pipeline** | **65.0** | **2,048** |",
        "| **bare Keras script** | **52.0** | **1,024** |",
        "| **pipeline / bare** | **1.25** | **2.00** |",  # 65 / 52, 2048 / 1024
    ]
    assert "1,000 train, 50 eval, 60 test; 224 pixels, 12 epochs, batches of 32." in notes
    assert "pipeline 0.9900, bare 0.9877" in notes
    assert "a.b=1" in notes


def test_json_holds_every_number(comparison: Comparison) -> None:
    content = json.loads(json.dumps(comparison.to_json()))
    assert content["time_ratio"] == pytest.approx(1.25)
    assert content["memory_ratio"] == pytest.approx(2.0)
    assert content["parts"][1] == {"name": "Trainer", "seconds": 60.0, "peak_mb": 2048.0}
    assert content["work"]["films"]["train"] == 1000


def test_the_machine_is_described_by_what_it_runs() -> None:
    machine = describe_machine()
    assert machine["TensorFlow"] == tf.__version__
    assert machine["Python"] == sys.version.split()[0]
    assert int(machine["cores"]) >= 1


def test_what_the_comparison_needs_comes_last() -> None:
    settings = pipeline_overhead.comparable_settings("demo", ["tuner.enabled=true"])
    assert settings == ("tuner.enabled=true", *pipeline_overhead.FIXED_SETTINGS)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.imbalance=oversample", "does not resample"),
        ("train.max_steps_per_epoch=1", "whole epochs"),
        ("train.epoch=1", "no setting 'train.epoch'"),
    ],
)
def test_what_cannot_be_compared_is_refused(setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pipeline_overhead.comparable_settings("standard", [setting])


def test_a_work_folder_in_use_is_refused_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    kept.touch()
    status = pipeline_overhead.main(["--data-root", str(tmp_path), "--workdir", str(tmp_path)])
    assert status == 1
    assert "is not an empty folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [kept]


def test_a_missing_folder_for_the_numbers_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "missing" / "numbers.json"
    status = pipeline_overhead.main(["--data-root", str(tmp_path), "--json", str(file)])
    assert status == 1
    assert f"folder {file.parent} " in capsys.readouterr().err


def _encoded(level: int, suffix: str) -> bytes:
    file = BytesIO()
    pixels = np.tile(np.array([[level, 255 - level], [10, 200]], np.uint8), (8, 8))
    Image.fromarray(pixels).save(file, format=suffix)
    return file.getvalue()


FILMS = {
    "train": [
        (_encoded(30, "PNG"), "NORMAL"),
        (_encoded(90, "JPEG"), "PNEUMONIA"),
        (_encoded(90, "JPEG"), "PNEUMONIA"),  # the same film once more
        (_encoded(60, "JPEG"), "PNEUMONIA"),
    ],
    "eval": [(_encoded(40, "PNG"), "NORMAL"), (_encoded(50, "PNG"), "PNEUMONIA")],
    "test": [(_encoded(70, "PNG"), "PNEUMONIA")],
}


@pytest.fixture
def films_folder(tmp_path: Path) -> Path:
    for split, films in FILMS.items():
        split_folder = tmp_path / "examples" / f"Split-{split}"
        split_folder.mkdir(parents=True)
        records = str(split_folder / "data_tfrecord-00000-of-00001.gz")
        with tf.io.TFRecordWriter(records, options="GZIP") as writer:
            for image, label in films:
                writer.write(_example(image, label))
    counts = export_films(str(tmp_path / "examples"), tmp_path / "films")
    assert counts == {"train": 4, "eval": 2, "test": 1}
    return tmp_path / "films"


def _example(image: bytes, label: str) -> bytes:
    values = {features.IMAGE: image, features.LABEL: label.encode(), features.SEX: b"F"}
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.mark.parametrize("split", features.SPLITS)
def test_films_come_back_byte_for_byte_under_split_and_label(
    films_folder: Path, split: str
) -> None:
    written = Counter(
        (file.read_bytes(), file.parent.name) for file in (films_folder / split).glob("*/*")
    )
    assert written == Counter(FILMS[split])


def test_the_bare_script_reads_every_film_with_its_label(films_folder: Path) -> None:
    read = list(bare_keras.read_films(films_folder / "train", 16).as_numpy_iterator())
    labels = sorted(float(label[0]) for _, label in read)
    assert labels == [0.0, 1.0, 1.0, 1.0]
    normal = next(image for image, label in read if label[0] == 0)
    expected = np.asarray(Image.open(BytesIO(FILMS["train"][0][0])))
    np.testing.assert_array_equal(normal[..., 0], expected)


def test_the_bare_script_evaluates_on_pixels_in_the_unit_interval(films_folder: Path) -> None:
    (images, labels), *rest = bare_keras.evaluation_batches(films_folder / "eval", 16, 8)
    expected = [np.asarray(Image.open(BytesIO(image))) / 255 for image, _ in FILMS["eval"]]
    assert rest == []
    np.testing.assert_allclose(images.numpy()[..., 0], expected, atol=1e-6)
    np.testing.assert_array_equal(labels.numpy(), [[0.0], [1.0]])


def test_augmentation_of_strength_nought_changes_nothing(films_folder: Path) -> None:
    settings = Hyperparameters.model_validate(
        {"preprocessing": {"image_size_px": 32}, "augmentation": {"strength": 0}}
    )
    (images, labels), *rest = bare_keras.training_batches(films_folder / "train", settings)
    stored = [
        np.asarray(Image.open(file).resize((32, 32), Image.Resampling.BILINEAR), float).mean() / 255
        for file in (films_folder / "train").glob("*/*")
    ]
    assert rest == []
    assert labels.shape == (4, 1)
    np.testing.assert_allclose(sorted(images.numpy().mean((1, 2, 3))), sorted(stored), atol=2 / 255)


def test_augmentation_keeps_within_its_bounds() -> None:
    settings = Augmentation(strength=0.5, brightness=0.2, noise_stddev=0.04)
    flat = tf.fill([64, 32, 32, 1], 0.5)  # turning and scaling leave it flat
    augmented = bare_keras.augmentation_layers(settings)(flat, training=True).numpy()
    shifts = augmented.mean((1, 2, 3)) - 0.5
    noise_stddev = (augmented - augmented.mean((1, 2, 3), keepdims=True)).std()
    assert np.abs(shifts).max() < 0.5 * 0.2 + 0.005
    assert np.abs(shifts).max() > 0.05
    assert noise_stddev == pytest.approx(0.5 * 0.04, rel=0.05)
