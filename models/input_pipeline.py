"""Reads what Transform wrote: batches of images and targets for training and evaluation."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.augmentation import augment
from models.hyperparameters import Augmentation, Hyperparameters, Task
from models.imbalance import RESAMPLING, film_weights, resample, resampled_size
from models.preprocessing import standardise, unpack_images

CACHED_SPLIT_BYTES = 400_000_000  # on disk; about 10,000 films at 224 pixels
SHUFFLE_BUFFER_FILMS = 4096  # serialised films, 50 kB each at 224 pixels


@dataclass(frozen=True)
class TransformedFilms:
    """A split as Transform wrote it.

    Attributes:
        files: Gzipped TFRecord files.
        feature_spec: How to parse them.
        counts: Films by class, in the order of the task's classes.
        task: Which classes are told apart.
    """

    files: tuple[str, ...]
    feature_spec: Mapping[str, tf.io.FixedLenFeature]
    counts: tuple[int, ...]
    task: Task = "binary"

    @classmethod
    def open(
        cls,
        file_patterns: Sequence[str],
        transform: tft.TFTransformOutput,
        task: Task = "binary",
    ) -> TransformedFilms:
        """Finds the files of a split and counts its films.

        Args:
            file_patterns: Globs, as TFX hands them to `run_fn`.
            transform: Output of the Transform component.
            task: `binary` has the classes of `features.LABELS`, `subtype` those of
                `features.SUBTYPES`.

        Returns:
            The split.

        Raises:
            ValueError: If a class has no film, or the task is `subtype` and a pneumonia film
                has no subtype of these.
        """
        files = tuple(sorted(tf.io.gfile.glob(list(file_patterns))))
        return cls(files, transform.transformed_feature_spec(), _count_classes(files, task), task)

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
        settings: Batch size, seed, imbalance, augmentation, mixup, image size.

    Returns:
        Dataset of `training_steps` triples: images `[batch, height, width, 1]` float32,
        standardised; targets as `evaluation_batches` gives them, or between two of these
        under mixup; weight of each film, `[batch]` float32.
    """
    train = settings.train
    if train.imbalance in RESAMPLING:
        shuffled = resample(_by_class(films, train.seed), films.counts, train.imbalance, train.seed)
    else:
        every = films.cached(films.serialised())
        shuffled = every.shuffle(SHUFFLE_BUFFER_FILMS, seed=train.seed)
    seeds = tf.data.Dataset.random(train.seed, rerandomize_each_iteration=True).batch(2)

    def prepare(batch: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        parsed = films.parse(batch)
        augmentation_seed, mixup_seed = tf.unstack(tf.random.split(seed, 2))
        images = _images(parsed, settings, settings.augmentation, augmentation_seed)
        classes = _classes(parsed, films.task)
        weights = film_weights(classes, films.counts, train.imbalance)
        targets = _targets(classes, films.task)
        if not train.mixup:
            return images, targets, weights
        return mix(images, targets, weights, train.mixup, mixup_seed)

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
        targets float32: `[batch, 1]` of 0 and 1, or `[batch, classes]` one-hot for a task of
        more than two classes.
    """

    def prepare(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = films.parse(batch)
        images = _images(parsed, settings, None, None)
        return images, _targets(_classes(parsed, films.task), films.task)

    batches = films.cached(films.serialised()).batch(settings.train.batch_size)
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def class_indices(targets: tf.Tensor) -> tf.Tensor:
    """Returns the class that a target stands for.

    Args:
        targets: `[batch, 1]` of 0 and 1, or `[batch, classes]` one-hot.

    Returns:
        `[batch]` int64.
    """
    if targets.shape[-1] == 1:
        return tf.cast(targets[:, 0], tf.int64)
    return tf.argmax(targets, axis=-1)


def mix(
    images: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mixes each film of a batch with another one (Zhang et al., mixup, ICLR 2018).

    Target and weight of a mixed film are such that its cross-entropy is the mixture of the
    two weighted ones; under the focal loss it is nearly so.

    Args:
        images: `[batch, height, width, 1]` float32.
        targets: `[batch, columns]` float32.
        weights: `[batch]` float32, above 0.
        alpha: Of the Beta law that the share of the other film follows.
        seed: `[2]` int64.

    Returns:
        The same three, mixed with the batch in reverse order; the larger share of each
        film is its own.
    """
    batch = tf.shape(images)[0]
    gammas = tf.random.stateless_gamma([2, batch], seed, alpha)
    share = gammas[0] / tf.reduce_sum(gammas, axis=0)
    own = tf.maximum(share, 1 - share)
    own_weight, other_weight = own * weights, (1 - own) * tf.reverse(weights, [0])
    weight = own_weight + other_weight
    towards_own = (own_weight / weight)[:, tf.newaxis]
    of_pixels = tf.reshape(own, [-1, 1, 1, 1])
    return (
        of_pixels * images + (1 - of_pixels) * tf.reverse(images, [0]),
        towards_own * targets + (1 - towards_own) * tf.reverse(targets, [0]),
        weight,
    )


def _images(
    parsed: Mapping[str, tf.Tensor],
    settings: Hyperparameters,
    augmentation: Augmentation | None,
    seed: tf.Tensor | None,
) -> tf.Tensor:
    images = unpack_images(parsed, settings.preprocessing.image_size_px)
    if augmentation is not None:
        images = augment(images, seed, augmentation)
    return standardise(images, parsed, settings.preprocessing.normalisation)


def _classes(parsed: Mapping[str, tf.Tensor], task: Task) -> tf.Tensor:
    """Returns the class index of each film, [batch] int64; -1 where its subtype is unknown."""
    label = tf.reshape(parsed[features.LABEL_XF], [-1])
    if task == "binary":
        return label
    subtype = tf.reshape(parsed[features.SUBTYPE_XF], [-1])
    known = tf.where(subtype > 0, subtype, -1)
    return tf.where(label == 0, tf.zeros_like(label), known)


def _targets(classes: tf.Tensor, task: Task) -> tf.Tensor:
    if task == "binary":
        return tf.cast(classes, tf.float32)[:, tf.newaxis]
    return tf.one_hot(classes, len(features.SUBTYPES))


def _class_of(film: tf.Tensor, task: Task) -> tf.Tensor:
    names = (features.LABEL_XF, features.SUBTYPE_XF)
    spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in names}
    return _classes(tf.io.parse_single_example(film, spec), task)[0]


def _by_class(films: TransformedFilms, seed: int) -> list[tf.data.Dataset]:
    def of_class(index: int) -> tf.data.Dataset:
        chosen = films.serialised().filter(
            lambda film: tf.equal(_class_of(film, films.task), index)
        )
        return films.cached(chosen).shuffle(SHUFFLE_BUFFER_FILMS, seed=seed)

    return [of_class(index) for index in range(len(films.counts))]


def _count_classes(files: Sequence[str], task: Task) -> tuple[int, ...]:
    films = tf.data.TFRecordDataset(list(files), compression_type="GZIP")
    classes = np.fromiter(
        films.map(lambda film: _class_of(film, task)).as_numpy_iterator(), dtype=np.int64
    )
    unknown = int(np.sum(classes < 0))
    if unknown:
        raise ValueError(
            f"task=subtype needs the subtype {features.BACTERIA} or {features.VIRUS} for each "
            f"pneumonia film, but {unknown} of {len(classes)} films have another; see "
            "data.subtype_pattern, or set task=binary"
        )
    names = features.classes_of(task)
    counts = np.bincount(classes, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if missing:
        split = posixpath.basename(posixpath.dirname(files[0]))
        raise ValueError(
            f"task={task} needs films of each class to learn from and to judge by, but {split} has "
            f"none of {' and '.join(missing)}; add some or change task"
        )
    return tuple(int(count) for count in counts)
