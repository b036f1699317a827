"""How the lesion decoder learns: from the train films that are known to have lesions, or none."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from models import features
from models.augmentation import augment_with_masks
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from models.lesion_masks import NO_LESION_MASKS, unpack_masks
from models.lesions import LesionFinder, lesion_loss
from models.preprocessing import standardise, unpack_images

_LEARNING_RATE = 2e-3
_MOMENTS_AVERAGE = 0.9  # momentum of the normalisations, in a training of a few hundred steps
_SEEDS = 2**63  # as many as there are
_STREAM = 3  # of random numbers, apart from those of an epoch

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownLesions:
    """Of which train films it is known where lesions are.

    Attributes:
        drawn: places of the films with a mask, be it one without a lesion, [drawn] int64.
        normal: places of the normal films without one, which have no lesion, [normal] int64.
    """

    drawn: np.ndarray
    normal: np.ndarray

    @classmethod
    def of(cls, films: TransformedFilms) -> KnownLesions:
        """Finds them.

        Args:
            films: the train split, of a Transform with `network.segmentation`.

        Raises:
            ValueError: no film has a mask.
        """
        has_mask = films.sizes_of(features.LESION_MASK_XF) > 0
        if not has_mask.any():
            raise ValueError(NO_LESION_MASKS)
        return cls(np.flatnonzero(has_mask), np.flatnonzero((films.classes == 0) & ~has_mask))


def fit_lesions(
    network: keras.Model, films: TransformedFilms, known: KnownLesions, settings: Hyperparameters
) -> LesionFinder:
    """Trains a decoder over a trained network, which is left as it is.

    A normal film has no lesion. A film of pneumonia without a mask may have them anywhere, and is
    left out. Half of a batch are films with a mask, however few they are. Films are moved, their
    masks with them, and their exposure changes as in any training; they are neither mixed nor put
    into other frames, nor is anything erased, for all of that would put lesions where none are
    seen.

    Args:
        network: of `build_network` or `fold`, trained.
        films: the train split.
        known: of these films.
        settings: of the training; `train.segmentation_steps`, batch size, seed, augmentation.

    Returns:
        The network with its decoder.
    """
    keras.utils.set_random_seed(settings.train.seed)
    finder = LesionFinder.untrained(network, settings.network.flip_average)
    _learn(finder, films, known, settings)
    _LOG.info(
        "lesions: learnt from %d films with a mask and %d normal ones",
        len(known.drawn),
        len(known.normal),
    )
    return finder


def _learn(
    finder: LesionFinder,
    films: TransformedFilms,
    known: KnownLesions,
    settings: Hyperparameters,
) -> None:
    decoder, steps = finder.decoder, settings.train.segmentation_steps
    for layer in decoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _MOMENTS_AVERAGE
    optimiser = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps))
    optimiser.build(decoder.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(images: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
        maps = finder.maps(images)
        with tf.GradientTape() as tape:
            found = decoder(maps, training=True)
            loss = lesion_loss(tf.image.resize(masks, found.shape[1:3], method="area"), found)
        gradients = tape.gradient(loss, decoder.trainable_variables)
        optimiser.apply_gradients(zip(gradients, decoder.trainable_variables, strict=True))
        return loss

    for number, (images, masks) in enumerate(_batches(films, known, settings), start=1):
        loss = step(images, masks)
        if number % (steps // 4 or 1) == 0:
            _LOG.info("lesions: step %d/%d  loss %.4f", number, steps, float(loss))


def _batches(
    films: TransformedFilms, known: KnownLesions, settings: Hyperparameters
) -> tf.data.Dataset:
    """Returns `train.segmentation_steps` pairs: images, standardised, and masks in [0, 1]."""
    train, preparation = settings.train, settings.preprocessing

    def draw() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        random = np.random.default_rng((train.seed, _STREAM))
        drawn, normal = _shuffled(known.drawn, random), _shuffled(known.normal, random)
        for _ in range(train.segmentation_steps):
            places = [
                *itertools.islice(drawn, -(-train.batch_size // 2)),
                *itertools.islice(normal, train.batch_size // 2),
            ]
            yield np.array(places), random.integers(_SEEDS, size=2)

    def prepare(places: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = films.take(places)
        pixels = unpack_images(parsed, preparation.image_size_px)
        masks = unpack_masks(parsed, preparation.image_size_px)
        pixels, masks = augment_with_masks(pixels, masks, seed, settings.augmentation)
        return standardise(pixels, parsed, preparation.normalisation), masks

    specs = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([2], tf.int64))
    batches = tf.data.Dataset.from_generator(draw, output_signature=specs)
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _shuffled(places: np.ndarray, random: np.random.Generator) -> Iterator[int]:
    """Yields places without end, each as often as the others; of none, nothing."""
    while len(places):
        yield from random.permutation(places).tolist()
