"""Reads what Transform wrote: batches of images and targets for training and evaluation."""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.augmentation import augment
from models.class_groups import ClassGroups
from models.clinical import Given, forget, given_to_network
from models.frame_swap import swap_frames
from models.hyperparameters import Augmentation, Hyperparameters, Task, Train
from models.imbalance import draw_epoch, film_weights, films_of_epoch
from models.preprocessing import standardise, unpack_images, unpack_lungs
from models.record_file import RecordFile

_Given = TypeVar("_Given")  # of models.clinical

_SEEDS = 2**63  # as many as there are
_OF_FORGETTING = 2  # after the two seeds of a batch that are drawn with or without it
_READ_AT_ONCE = 64  # films, where a split is gone through once


@dataclass(frozen=True, eq=False)
class TransformedFilms:
    """A split as Transform wrote it.

    Attributes:
        files: Gzipped TFRecord files.
        feature_spec: How to parse them.
        classes: `[films]` int64, class index of each film in their order.
        task: Which classes are told apart.
    """

    files: tuple[str, ...]
    feature_spec: Mapping[str, tf.io.FixedLenFeature]
    classes: np.ndarray
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
        return cls(files, transform.transformed_feature_spec(), _read_classes(files, task), task)

    @property
    def counts(self) -> tuple[int, ...]:
        """Films by class index."""
        return _counts(self.classes, self.task)

    def joined(self, other: TransformedFilms) -> TransformedFilms:
        """Returns these films and others of the same graph and task, in this order."""
        classes = np.concatenate([self.classes, other.classes])
        return TransformedFilms(self.files + other.files, self.feature_spec, classes, self.task)

    def groups(self, name: str) -> np.ndarray:
        """Reads what the films of a group share, once.

        Args:
            name: A key of `features.GROUPS`.

        Returns:
            `[films]` bytes, in their order.
        """
        if name not in self._groups:
            self._groups[name] = self._read_column(features.GROUPS[name])
        return self._groups[name]

    @cached_property
    def _groups(self) -> dict[str, np.ndarray]:
        return {}

    def _read_column(self, key: str) -> np.ndarray:
        spec = {key: tf.io.FixedLenFeature([], tf.string)}
        batches = self.serialised().batch(_READ_AT_ONCE)
        parsed = batches.map(lambda batch: tf.io.parse_example(batch, spec)[key])
        return np.concatenate([np.zeros(0, object), *parsed.as_numpy_iterator()])

    def sizes_of(self, key: str) -> np.ndarray:
        """Reads how many bytes each film has in a feature of bytes, `[films]` int64."""
        spec = {key: tf.io.FixedLenFeature([], tf.string)}
        batches = self.serialised().batch(_READ_AT_ONCE)
        sizes = batches.map(lambda batch: tf.strings.length(tf.io.parse_example(batch, spec)[key]))
        return np.concatenate([np.zeros(0, np.int64), *sizes.as_numpy_iterator()])

    def groups_to_weigh(self, train: Train) -> ClassGroups | None:
        """Returns the groups whose losses `train.objective` weighs; None where none are."""
        if train.objective != "worst_group":
            return None
        return ClassGroups.of(self.classes, self.groups(train.group_by))

    @cached_property
    def records(self) -> RecordFile:
        """A copy of `serialised` on this machine, made once, where each film is within reach."""
        with tf.init_scope():  # it may be asked for first while a graph is traced
            batches = self.serialised().batch(_READ_AT_ONCE).as_numpy_iterator()
            return RecordFile(itertools.chain.from_iterable(batches))

    def serialised(self) -> tf.data.Dataset:
        """Returns the films one by one, as serialised tf.Examples."""
        return tf.data.TFRecordDataset(list(self.files), compression_type="GZIP")

    def take(self, places: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reads and parses some films, inside a `tf.data.Dataset.map`.

        Args:
            places: `[batch]` int64, where the films stand in the split.
        """
        batch = tf.numpy_function(self.records.read, [places], tf.string, stateful=False)
        return self.parse(tf.ensure_shape(batch, [None]))

    def parse(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses a batch of serialised films."""
        return tf.io.parse_example(batch, dict(self.feature_spec))


def training_batches(
    films: TransformedFilms, settings: Hyperparameters, first_epoch: int = 0
) -> tf.data.Dataset:
    """Returns one epoch of shuffled, augmented batches; every pass is the next epoch.

    An epoch's films, their order and their augmentation follow from the seed and from which
    epoch it is. Where `max_steps_per_epoch` shortens it, each epoch has films of its own, and
    every film the same chance to be among them.

    Args:
        films: The train split.
        settings: Batch size, seed, imbalance, groups, objective, augmentation, mixup, image size.
        first_epoch: Which epoch the first pass is, from 0.

    Returns:
        Dataset of `training_steps` triples: images `[batch, height, width, 1]` float32,
        standardised, and with `network.clinical` a pair of these and the vectors of
        `models.clinical`, partly forgotten; targets as `evaluation_batches` gives them, or between
        two of these under mixup; weight of each film, `[batch]` float32, or of each film in each
        group, `[batch, groups]`, where the worst group is to count. A film whose lungs are put
        into the frame of another stays in its group.
    """
    train, counts = settings.train, films.counts
    steps = training_steps(films, settings)
    epochs = itertools.count(first_epoch)
    groups = films.groups(train.group_by) if train.balance_groups else None
    weighed = films.groups_to_weigh(train)

    def draw() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        random = np.random.default_rng((train.seed, next(epochs)))
        order = draw_epoch(films.classes, train.imbalance, random, groups)
        for start in range(0, steps * train.batch_size, train.batch_size):
            yield order[start : start + train.batch_size], random.integers(_SEEDS, size=2)

    def prepare(places: tf.Tensor, seed: tf.Tensor) -> tuple[Given, tf.Tensor, tf.Tensor]:
        parsed = films.take(places)
        augmentation_seed, mixup_seed = tf.unstack(tf.random.split(seed, 2))
        images = _images(parsed, settings, settings.augmentation, augmentation_seed)
        given = given_to_network(images, _forgetting(parsed, settings, seed))
        classes = _classes(parsed, films.task)
        weights = (
            film_weights(classes, counts, train.imbalance)
            if weighed is None
            else tf.one_hot(tf.gather(weighed.of_films, places), len(weighed.classes))
        )
        targets = targets_of(classes, films.task)
        if not train.mixup:
            return given, targets, weights
        return mix(given, targets, weights, train.mixup, mixup_seed)

    drawn = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([2], tf.int64))
    batches = tf.data.Dataset.from_generator(draw, output_signature=drawn)
    # Told the length, Keras does not try one step more, which counts for the learning rate.
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def training_steps(films: TransformedFilms, settings: Hyperparameters) -> int:
    """Returns the steps of an epoch of `training_batches`."""
    train = settings.train
    steps = -(-sum(films_of_epoch(films.counts, train.imbalance)) // train.batch_size)
    return min(steps, train.max_steps_per_epoch) if train.max_steps_per_epoch else steps


def evaluation_batches(films: TransformedFilms, settings: Hyperparameters) -> tf.data.Dataset:
    """Returns all films in order, neither shuffled nor augmented.

    Args:
        films: Any split.
        settings: Batch size and image size.

    Returns:
        Dataset of pairs: images `[batch, height, width, 1]` float32, standardised, and with
        `network.clinical` the vectors of `models.clinical` beside them; targets float32:
        `[batch, 1]` of 0 and 1, or `[batch, classes]` one-hot for a task of more than two classes.
    """

    def prepare(places: tf.Tensor) -> tuple[Given, tf.Tensor]:
        parsed = films.take(places)
        images = _images(parsed, settings, None, None)
        given = given_to_network(images, parsed)
        return given, targets_of(_classes(parsed, films.task), films.task)

    batches = tf.data.Dataset.range(len(films.classes)).batch(settings.train.batch_size)
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def augmented_examples(
    films: TransformedFilms, settings: Hyperparameters, of_each_class: int = 8
) -> tf.Tensor:
    """Draws films beside what an epoch may make of them, before they are mixed.

    Args:
        films: The train split.
        settings: Seed, augmentation, image size.
        of_each_class: Films at most; the first ones of the split.

    Returns:
        `[films, height, 2 * width, 1]` float32 in [0, 1], as they are on the left.
    """
    classes = range(len(films.counts))
    places = [np.flatnonzero(films.classes == one)[:of_each_class] for one in classes]
    parsed = films.take(tf.constant(np.concatenate(places)))
    seed = tf.constant([settings.train.seed, 0], tf.int64)
    pixels = _pixels(parsed, settings, None, None)
    return tf.concat([pixels, _pixels(parsed, settings, settings.augmentation, seed)], axis=2)


def targets_of(classes: tf.Tensor, task: Task) -> tf.Tensor:
    """Returns what a network is to answer for classes.

    Args:
        classes: `[batch]` int64, class index.
        task: Which classes are told apart.

    Returns:
        Targets as `evaluation_batches` gives them.
    """
    if task == "binary":
        return tf.cast(classes, tf.float32)[:, tf.newaxis]
    return tf.one_hot(classes, len(features.SUBTYPES))


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
    given: _Given, targets: tf.Tensor, weights: tf.Tensor, alpha: float, seed: tf.Tensor
) -> tuple[_Given, tf.Tensor, tf.Tensor]:
    """Mixes each film of a batch with another one (Zhang et al., mixup, ICLR 2018).

    Target and weight of a mixed film are such that its cross-entropy is the mixture of the
    two weighted ones; under the focal loss it is nearly so. What is known of two films is mixed as
    their pixels are, so that no part of a mixed film tells more of its target than another.

    Args:
        given: Images `[batch, height, width, 1]` float32, alone or with vectors `[batch, length]`.
        targets: `[batch, columns]` float32.
        weights: `[batch]` float32, above 0; or `[batch, groups]`, what a film counts in each,
            with sums above 0.
        alpha: Of the Beta law that the share of the other film follows.
        seed: `[2]` int64.

    Returns:
        The same three, mixed with the batch in reverse order; the larger share of each
        film is its own.
    """
    other = tf.cast(shares_of_the_other(tf.shape(weights)[0], alpha, seed), tf.float32)
    own = 1 - other
    totals = tf.reduce_sum(tf.reshape(weights, [tf.size(own), -1]), axis=1)  # of each film
    towards_own = own * totals / _mixed(totals, own)
    mixed = tf.nest.map_structure(lambda part: _mixed(part, own), given)
    return mixed, _mixed(targets, towards_own), _mixed(weights, own)


def _mixed(values: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Mixes a batch with itself in reverse order; `own` is `[batch]`, the share of each value."""
    shares = tf.reshape(own, [-1] + [1] * (values.shape.rank - 1))
    return shares * values + (1 - shares) * tf.reverse(values, [0])


def shares_of_the_other(batch: int | tf.Tensor, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws the smaller of a share that follows Beta(alpha, alpha) and what is left of 1.

    A share is G / (G + H) of two Gamma(alpha) variables, which underflow where alpha is small.
    Their logarithms do not: G is Gamma(alpha + 1) times U^(1 / alpha), with U even in [0, 1]
    (Devroye, Non-Uniform Random Variate Generation, 1986, chapter IX.3.4).

    Args:
        batch: Number of films.
        alpha: Above 0.
        seed: `[2]` int64.

    Returns:
        `[batch]` float64 in [0, 0.5].
    """
    gamma, uniform = tf.unstack(tf.random.split(seed, 2))
    gammas = tf.random.stateless_gamma([2, batch], gamma, alpha + 1, dtype=tf.float64)
    evens = 1 - tf.random.stateless_uniform([2, batch], uniform, dtype=tf.float64)  # never 0
    logs, powers = tf.math.log(gammas), tf.math.log(evens)
    return tf.sigmoid(-tf.abs(logs[0] - logs[1] + (powers[0] - powers[1]) / alpha))


def _forgetting(
    parsed: Mapping[str, tf.Tensor], settings: Hyperparameters, seed: tf.Tensor
) -> Mapping[str, tf.Tensor]:
    """Returns films of which less is known, where anything is."""
    if features.CLINICAL_XF not in parsed:
        return parsed
    own_seed = tf.random.fold_in(seed, _OF_FORGETTING)
    share = settings.network.clinical_dropout
    return {
        **parsed,
        features.CLINICAL_XF: forget(parsed[features.CLINICAL_XF], share, own_seed),
    }


def _images(
    parsed: Mapping[str, tf.Tensor],
    settings: Hyperparameters,
    augmentation: Augmentation | None,
    seed: tf.Tensor | None,
) -> tf.Tensor:
    pixels = _pixels(parsed, settings, augmentation, seed)
    return standardise(pixels, parsed, settings.preprocessing.normalisation)


def _pixels(
    parsed: Mapping[str, tf.Tensor],
    settings: Hyperparameters,
    augmentation: Augmentation | None,
    seed: tf.Tensor | None,
) -> tf.Tensor:
    images = unpack_images(parsed, settings.preprocessing.image_size_px)
    if augmentation is not None:
        of_frames, of_films = tf.unstack(tf.random.split(seed, 2))
        share = augmentation.strength * augmentation.frame_swap
        if share and settings.preprocessing.lungs != "none":
            images = swap_frames(images, unpack_lungs(parsed), share, of_frames)
        images = augment(images, of_films, augmentation)
    return images


def _classes(parsed: Mapping[str, tf.Tensor], task: Task) -> tf.Tensor:
    """Returns the class index of each film, [batch] int64; -1 where its subtype is unknown."""
    label = tf.reshape(parsed[features.LABEL_XF], [-1])
    if task == "binary":
        return label
    subtype = tf.reshape(parsed[features.SUBTYPE_XF], [-1])
    known = tf.where(subtype > 0, subtype, -1)
    return tf.where(label == 0, tf.zeros_like(label), known)


def _classes_of(batch: tf.Tensor, task: Task) -> tf.Tensor:
    names = (features.LABEL_XF, features.SUBTYPE_XF)
    spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in names}
    return _classes(tf.io.parse_example(batch, spec), task)


def _counts(classes: np.ndarray, task: Task) -> tuple[int, ...]:
    return tuple(np.bincount(classes, minlength=len(features.classes_of(task))).tolist())


def _qualities_of(batch: tf.Tensor) -> tf.Tensor:
    spec = tf.io.FixedLenFeature([], tf.string, default_value=features.QUALITY_OK)
    return tf.io.parse_example(batch, {features.QUALITY_XF: spec})[features.QUALITY_XF]


def _refuse_unjudged(qualities: np.ndarray) -> None:
    """Refuses films that the ingest let through but that show nothing once they are prepared."""
    unjudged = Counter(word.decode() for word in qualities if word.decode() != features.QUALITY_OK)
    if unjudged:
        reasons = ", ".join(f"{count} {word}" for word, count in sorted(unjudged.items()))
        raise ValueError(
            f"{unjudged.total()} films cannot be judged once they are prepared ({reasons}); lower "
            "preprocessing.border_crop, or take them out of the data"
        )


def _read_classes(files: Sequence[str], task: Task) -> np.ndarray:
    films = tf.data.TFRecordDataset(list(files), compression_type="GZIP")
    batches = films.batch(_READ_AT_ONCE).map(
        lambda batch: (_classes_of(batch, task), _qualities_of(batch))
    )
    read = [(np.zeros(0, np.int64), np.zeros(0, object)), *batches.as_numpy_iterator()]
    classes, qualities = (np.concatenate(parts) for parts in zip(*read, strict=True))
    _refuse_unjudged(qualities)
    unknown = int(np.sum(classes < 0))
    if unknown:
        raise ValueError(
            f"task=subtype needs the subtype {features.BACTERIA} or {features.VIRUS} for each "
            f"pneumonia film, but {unknown} of {len(classes)} films have another; see "
            "data.subtype_pattern, or set task=binary"
        )
    counts = zip(features.classes_of(task), _counts(classes, task), strict=True)
    missing = [name for name, count in counts if not count]
    if missing:
        split = posixpath.basename(posixpath.dirname(files[0]))
        raise ValueError(
            f"task={task} needs films of each class to learn from and to judge by, but {split} has "
            f"none of {' and '.join(missing)}; add some or change task"
        )
    return classes
