"""Reads what Transform wrote: batches of images and labels for training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.augmentation import augment
from models.hyperparameters import Augmentation, Hyperparameters
from models.imbalance import RESAMPLING, resample, resampled_size
from models.preprocessing import standardise, unpack_images

CACHED_SPLIT_BYTES = 400_000_000  # on disk; about 10,000 films at 224 pixels
SHUFFLE_BUFFER_FILMS = 4096  # serialised films, 50 kB each at 224 pixels


@dataclass(frozen=True)
class TransformedFilms:
    """A split as Transform wrote it.

    Attributes:
        files: Gzipped TFRecord files.
        feature_spec: How to parse them.
        counts: Films by class, in the order of `features.LABELS`.
    """

    files: tuple[str, ...]
    feature_spec: Mapping[str, tf.io.FixedLenFeature]
    counts: tuple[int, ...]

    @classmethod
    def open(
        cls, file_patterns: Sequence[str], transform: tft.TFTransformOutput
    ) -> TransformedFilms:
        """Finds the files of a split and counts its films.

        Args:
            file_patterns: Globs, as TFX hands them to `run_fn`.
            transform: Output of the Transform component.

        Returns:
            The split.
        """
        files = tuple(sorted(tf.io.gfile.glob(list(file_patterns))))
        return cls(files, transform.transformed_feature_spec(), _count_labels(files))

    def serialised(self) -> tf.data.Dataset:
        """Returns the films one by one, as serialised tf.Examples."""
        return tf.data.TFRecordDataset(list(self.files), compression_type="GZIP")

    def cached(self, films: tf.data.Dataset) -> tf.data.Dataset:
        """Keeps films of a small split in memory after the first pass.

        Unpacking them again takes a twentieth of an epoch; a large split may not fit.

        Args:
            films: `serialised`, or some of them.

        Returns:
            The same films.
        """
        size_bytes = sum(tf.io.gfile.stat(file).length for file in self.files)
        return films.cache() if size_bytes <= CACHED_SPLIT_BYTES else films

    def parse(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses a batch of serialised films."""
        return tf.io.parse_example(batch, dict(self.feature_spec))


def training_batches(films: TransformedFilms, settings: Hyperparameters) -> tf.data.Dataset:
    """Returns one epoch of shuffled, augmented batches; every pass draws anew.

    Args:
        films: The train split.
        settings: Batch size, seed, imbalance, augmentation, image size.

    Returns:
        Dataset of `training_steps` pairs: images `[batch, height, width, 1]` float32,
        standardised, and labels `[batch, 1]` float32.
    """
    train = settings.train
    if train.imbalance in RESAMPLING:
        shuffled = resample(_by_class(films, train.seed), films.counts, train.imbalance, train.seed)
    else:
        every = films.cached(films.serialised())
        shuffled = every.shuffle(SHUFFLE_BUFFER_FILMS, seed=train.seed)
    seeds = tf.data.Dataset.random(train.seed, rerandomize_each_iteration=True).batch(2)

    def prepare(batch: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = films.parse(batch)
        return _images(parsed, settings, settings.augmentation, seed), _labels(parsed)

    steps = training_steps(films, settings)
    batches = tf.data.Dataset.zip((shuffled.batch(train.batch_size), seeds)).take(steps)
    # Told the length, Keras does not try one step more, which counts for the learning rate.
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def training_steps(films: TransformedFilms, settings: Hyperparameters) -> int:
    """Returns the steps of an epoch of `training_batches`."""
    train = settings.train
    size = sum(films.counts)
    if train.imbalance in RESAMPLING:
        size = resampled_size(films.counts, train.imbalance)
    steps = -(-size // train.batch_size)
    return min(steps, train.max_steps_per_epoch) if train.max_steps_per_epoch else steps


def evaluation_batches(films: TransformedFilms, settings: Hyperparameters) -> tf.data.Dataset:
    """Returns all films in order, neither shuffled nor augmented.

    Args:
        films: Any split.
        settings: Batch size and image size.

    Returns:
        Dataset of pairs: images `[batch, height, width, 1]` float32, standardised, and
        labels `[batch, 1]` float32.
    """

    def prepare(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = films.parse(batch)
        return _images(parsed, settings, None, None), _labels(parsed)

    batches = films.cached(films.serialised()).batch(settings.train.batch_size)
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _images(
    parsed: Mapping[str, tf.Tensor],
    settings: Hyperparameters,
    augmentation: Augmentation | None,
    seed: tf.Tensor | None,
) -> tf.Tensor:
    images = unpack_images(parsed, settings.preprocessing.image_size_px)
    if augmentation is not None:
        images = augment(images, seed, augmentation)
    return standardise(images, parsed)


def _labels(parsed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    return tf.cast(tf.reshape(parsed[features.LABEL_XF], [-1, 1]), tf.float32)


def _label_of(film: tf.Tensor) -> tf.Tensor:
    spec = {features.LABEL_XF: tf.io.FixedLenFeature([], tf.int64)}
    return tf.io.parse_single_example(film, spec)[features.LABEL_XF]


def _by_class(films: TransformedFilms, seed: int) -> list[tf.data.Dataset]:
    def of_class(index: int) -> tf.data.Dataset:
        chosen = films.serialised().filter(lambda film: tf.equal(_label_of(film), index))
        return films.cached(chosen).shuffle(SHUFFLE_BUFFER_FILMS, seed=seed)

    return [of_class(index) for index in range(len(features.LABELS))]


def _count_labels(files: Sequence[str]) -> tuple[int, ...]:
    films = tf.data.TFRecordDataset(list(files), compression_type="GZIP")
    labels = np.fromiter(films.map(_label_of).as_numpy_iterator(), dtype=np.int64)
    return tuple(int(count) for count in np.bincount(labels, minlength=len(features.LABELS)))
