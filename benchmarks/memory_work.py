"""What `benchmarks.memory` measures: films written as Transform does, an epoch, an audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.auditor.controls import network_controls
from components.auditor.scoring import BATCH_FILMS
from components.auditor.served_pixels import ServedPixels
from models import features
from models.hyperparameters import Hyperparameters, Preprocessing
from models.input_pipeline import TransformedFilms, training_batches
from radiographs.phantoms import draw_patient, draw_phantom

_DRAWN_PER_CLASS = 12
_MOVED_PX = 9
_FILES = 4
_TEST_FILMS = 1000
_NO_LUNGS = bytes(features.LUNGS_SIDE_PX**2 * 2)


def write_transformed(folder: Path, films: int, size_px: int) -> None:
    """Writes a train split as Transform does.

    Args:
        folder: Gets gzipped TFRecord files.
        films: How many; three of four are of pneumonia.
        size_px: Height and width.
    """
    drawn = {
        label: [
            draw_phantom(seed, size_px, draw_patient(seed, label)).pixels
            for seed in range(_DRAWN_PER_CLASS)
        ]
        for label in features.LABELS
    }
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    random = np.random.default_rng(0)
    for number, part in enumerate(np.array_split(np.arange(films), _FILES)):
        with tf.io.TFRecordWriter(str(folder / f"films-{number}.gz"), options) as writer:
            for position in part:
                label = int(position % 4 > 0)
                film = drawn[features.LABELS[label]][random.integers(_DRAWN_PER_CLASS)]
                moved = np.roll(film, random.integers(0, _MOVED_PX, 2), (0, 1))
                writer.write(_example(moved, label).SerializeToString())


def read_epoch(folder: Path, size_px: int) -> None:
    """Reads one epoch of training batches."""
    settings = _settings(size_px)
    for images, _, _ in training_batches(_open(folder), settings):
        tf.reduce_sum(images).numpy()


def audit_shortcuts(folder: Path, size_px: int, control_films: int) -> None:
    """Trains the controls for one epoch and scores test films with them."""
    settings = _settings(size_px)
    films = _open(folder)
    prepared = _Prepared(None, settings.preprocessing, films)
    network_controls(films, prepared, settings, epochs=1, at_most=control_films)


@dataclass(frozen=True)
class _Prepared(ServedPixels):
    """Stands in for a served model: its test films are prepared already."""

    films: TransformedFilms

    def transformed(self, examples: Iterable[tf.train.Example]) -> Iterator[dict[str, tf.Tensor]]:
        """Yields test films, whatever the examples."""
        batches = self.films.serialised().take(_TEST_FILMS).batch(BATCH_FILMS)
        yield from map(self.films.parse, batches)


def _settings(size_px: int) -> Hyperparameters:
    return Hyperparameters(preprocessing=Preprocessing(image_size_px=size_px))


def _open(folder: Path) -> TransformedFilms:
    files = tuple(str(file) for file in sorted(folder.glob("*.gz")))
    spec = {
        features.IMAGE_XF: tf.io.FixedLenFeature([1], tf.string),
        features.LUNGS_XF: tf.io.FixedLenFeature([1], tf.string),
        features.LABEL_XF: tf.io.FixedLenFeature([1], tf.int64),
        features.SUBTYPE_XF: tf.io.FixedLenFeature([1], tf.int64),
        features.PIXEL_MEAN_XF: tf.io.FixedLenFeature([1], tf.float32),
        features.PIXEL_STDDEV_XF: tf.io.FixedLenFeature([1], tf.float32),
    }
    return TransformedFilms.open(files, _Spec(spec))


class _Spec:
    """Stands in for the output of a Transform component."""

    def __init__(self, spec: dict[str, tf.io.FixedLenFeature]):
        self._spec = spec

    def transformed_feature_spec(self) -> dict[str, tf.io.FixedLenFeature]:
        """Returns how its films are parsed."""
        return self._spec


def _example(pixels: np.ndarray, label: int) -> tf.train.Example:
    example = tf.train.Example()
    feature = example.features.feature
    feature[features.IMAGE_XF].bytes_list.value.append(pixels.tobytes())
    feature[features.LUNGS_XF].bytes_list.value.append(_NO_LUNGS)
    feature[features.LABEL_XF].int64_list.value.append(label)
    feature[features.SUBTYPE_XF].int64_list.value.append(label)
    for name, value in ((features.PIXEL_MEAN_XF, 0.5), (features.PIXEL_STDDEV_XF, 0.2)):
        feature[name].float_list.value.append(value)
    return example
