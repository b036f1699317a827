"""How much memory and time the training input takes, by the number of films.

Each number of films is read in a process of its own, whose peak of resident memory is compared
with the one before the films were opened. Nothing is trained: the batches go nowhere.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from pipeline.flags import positive

_FILES = 4
_PATTERNS = 16  # pictures that films are made of
_DEFAULT_FILMS = (5_000, 20_000, 50_000)


@dataclass(frozen=True)
class Reading:
    """What it took to open films and to go through an epoch of them.

    Attributes:
        films: How many there are.
        start_mb: Peak resident memory before they were opened, in millions of bytes.
        peak_mb: The same after the epoch.
        open_seconds: Until the first batch was there: counting classes and copying.
        epoch_seconds: Of the epoch after that.
    """

    films: int
    start_mb: float
    peak_mb: float
    open_seconds: float
    epoch_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints a table and returns 0."""
    flags = _parse(arguments)
    if flags.measure is not None:
        print(json.dumps(asdict(read_epoch(flags.measure, flags.size_px))))
        return 0
    print(f"Films of {flags.size_px} pixels, one epoch each.\n")
    print("| films | memory at start (MB) | peak (MB) | rise (MB) | open (s) | epoch (s) |")
    print("|---:|---:|---:|---:|---:|---:|")
    for films in flags.films:
        found = measure(films, flags.size_px)
        print(
            f"| {films:,} | {found.start_mb:,.0f} | {found.peak_mb:,.0f} | "
            f"{found.peak_mb - found.start_mb:,.0f} | {found.open_seconds:.1f} | "
            f"{found.epoch_seconds:.1f} |",
            flush=True,
        )
    return 0


def measure(films: int, size_px: int) -> Reading:
    """Writes films as Transform would and reads them in another process.

    Args:
        films: How many.
        size_px: Height and width.

    Returns:
        What that process found.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_transformed(Path(folder), films, size_px)
        command = [sys.executable, "-m", "benchmarks.training_input", "--measure", folder]
        command += ["--size-px", str(size_px)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Reading(**json.loads(done.stdout.splitlines()[-1]))


def write_transformed(folder: Path, films: int, size_px: int) -> None:
    """Writes films of both classes as Transform does: gzipped TFRecords in a few files.

    Args:
        folder: Where; it has to exist.
        films: How many, one in four of them normal.
        size_px: Height and width.
    """
    import tensorflow as tf

    pictures = list(_pictures(size_px))
    for part, places in enumerate(np.array_split(np.arange(films), _FILES)):
        with tf.io.TFRecordWriter(str(folder / f"films-{part}.gz"), "GZIP") as writer:
            for place in places:
                writer.write(_example(pictures[place % _PATTERNS], int(place % 4 > 0)))


def read_epoch(folder: Path, size_px: int) -> Reading:
    """Opens films and goes through one epoch of `training_batches`, in this process.

    Args:
        folder: Of `write_transformed`.
        size_px: Height and width of the films.

    Returns:
        Memory and time.
    """
    import tensorflow as tf

    from models import features
    from models.hyperparameters import Hyperparameters, Preprocessing
    from models.input_pipeline import TransformedFilms, training_batches

    kinds = {
        features.IMAGE_XF: tf.string,
        features.LABEL_XF: tf.int64,
        features.SUBTYPE_XF: tf.int64,
        features.PIXEL_MEAN_XF: tf.float32,
        features.PIXEL_STDDEV_XF: tf.float32,
    }
    spec = {name: tf.io.FixedLenFeature([1], kind) for name, kind in kinds.items()}
    spec = {name: tf.io.FixedLenFeature([1], kind) for name, kind in kinds.items()}
    settings = Hyperparameters(preprocessing=Preprocessing(image_size_px=size_px))
    start_mb, started = _peak_mb(), time.monotonic()
    transform = SimpleNamespace(transformed_feature_spec=lambda: spec)
    opened = TransformedFilms.open([f"{folder}/*.gz"], transform)
    batches = training_batches(opened, settings)
    next(iter(batches))
    open_seconds = time.monotonic() - started
    started = time.monotonic()
    for _ in batches:
        pass
    return Reading(
        len(opened.classes), start_mb, _peak_mb(), open_seconds, time.monotonic() - started
    )


def _pictures(size_px: int) -> Iterator[bytes]:
    """Yields smooth grey levels with a little noise, which compress about as films do."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:size_px, 0:size_px] / size_px
    for _ in range(_PATTERNS):
        waves = np.sin(6 * random.random() * rows) * np.cos(6 * random.random() * columns)
        levels = 127 + 90 * waves + random.normal(0, 3, waves.shape)
        yield levels.clip(0, 255).astype(np.uint8).tobytes()


def _example(picture: bytes, label: int) -> bytes:
    import tensorflow as tf

    from models import features

    example = tf.train.Example()
    feature = example.features.feature
    feature[features.IMAGE_XF].bytes_list.value.append(picture)
    feature[features.LABEL_XF].int64_list.value.append(label)
    feature[features.SUBTYPE_XF].int64_list.value.append(label)
    feature[features.PIXEL_MEAN_XF].float_list.value.append(0.0)
    feature[features.PIXEL_STDDEV_XF].float_list.value.append(1.0)
    return example.SerializeToString()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_input",
        description="Peak memory and time of the training input over films that are drawn.",
    )
    parser.add_argument(
        "--films", type=positive, nargs="+", default=_DEFAULT_FILMS, help="numbers of films"
    )
    parser.add_argument("--size-px", type=positive, default=128, help="height and width (128)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # in the process measured
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.exit(main())
