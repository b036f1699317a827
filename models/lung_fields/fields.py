"""Lung fields in any graph: found, checked, boxed.

The weights enter the graph as constants, so Transform, the served model and the ingest carry
them along. Fields have the size that the network draws; places are shares of the film's sides,
so that they hold for the film at any size.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import images
from models.lung_fields.network import SIDE_PX, with_weights
from models.lung_fields.weights import SHIPPED, load_weights
from radiographs.options import IngestOptions

Array = npt.NDArray[np.float32]

LUNG = 0.5  # probability from which on a pixel belongs to a field

# What two lungs of a frontal chest film look like, wherever it was taken. Nearly every film with
# drawn lungs keeps a wide distance from these bounds.
_LEAST_AREA, _MOST_AREA = 0.03, 0.45  # of one field, of the film
_LEAST_RATIO = 0.3  # of the smaller field to the larger
_LEAST_SIDE = 0.08  # of a field's box, of the film
_LEAST_OVERLAP = 0.5  # of the heights of both, of the lower one
_LEAST_CERTAINTY = 0.9  # mean probability inside the fields

_STRAY_PX = 2  # pixels that a row or column of a box has at least
_MIN_STDDEV = 1 / 255


def find_fields(films: tf.Tensor, weights: str = SHIPPED) -> tf.Tensor:
    """Finds the lung fields of films.

    Args:
        films: [batch, SIDE_PX, SIDE_PX] uint8, upright grey films as they are before contrast
            and normalisation, squashed to a square, averaged over areas.
        weights: `SHIPPED` or a file, see `weights.load_weights`.

    Returns:
        [batch, SIDE_PX, SIDE_PX, 2] float32 in [0, 1]: how probably a pixel lies in the lung on
        the left of the picture, and in the one on the right. Both include the heart's shadow.
    """
    pixels = tf.cast(films, tf.float32)[..., tf.newaxis] / 255.0
    network, trainable, fixed = _network(weights)
    constants = [[tf.constant(value) for value in values] for values in (trainable, fixed)]
    logits, _ = network.stateless_call(*constants, standardise_films(pixels), training=False)
    return tf.sigmoid(logits)


def check_weights(weights: str) -> None:
    """Makes sure that weights can be used, before much depends on them.

    Args:
        weights: as of `find_fields`.

    Raises:
        ValueError: the file is missing, damaged or of another network.
    """
    _network(weights)


def standardise_films(films: tf.Tensor) -> tf.Tensor:
    """Gives each film mean 0 and standard deviation 1, as the network expects.

    Args:
        films: [batch, size, size, 1] float32 in [0, 1].

    Returns:
        Same shape, float32; 0 where a film is blank.
    """
    mean, variance = tf.nn.moments(films, axes=[1, 2, 3], keepdims=True)
    return (films - mean) / tf.maximum(tf.sqrt(variance), _MIN_STDDEV)


def are_plausible(fields: tf.Tensor) -> tf.Tensor:
    """Tells whether fields look like two lungs of an upright frontal chest.

    Two of them, neither a speck nor most of the film, of sizes that go together, side by side,
    the left one on the left, and found with certainty.

    Args:
        fields: [batch, side, side, 2] float32, of `find_fields`.

    Returns:
        [batch] bool.
    """
    inside = tf.cast(fields > LUNG, tf.float32)
    areas = tf.reduce_mean(inside, axis=[1, 2])
    boxes = _boxes(fields)
    top, left, bottom, right = tf.unstack(boxes, axis=-1)
    heights, widths = bottom - top, right - left
    shared = tf.reduce_min(bottom, axis=1) - tf.reduce_max(top, axis=1)
    centres = (left + right) / 2
    count = tf.maximum(tf.reduce_sum(inside, axis=[1, 2, 3]), 1.0)
    certainty = tf.reduce_sum(inside * fields, axis=[1, 2, 3]) / count
    smallest, largest = tf.reduce_min(areas, axis=1), tf.reduce_max(areas, axis=1)
    return (
        (smallest > _LEAST_AREA)
        & (largest < _MOST_AREA)
        & (smallest > _LEAST_RATIO * largest)
        & (tf.reduce_min(tf.minimum(heights, widths), axis=1) > _LEAST_SIDE)
        & (shared > _LEAST_OVERLAP * tf.reduce_min(heights, axis=1))
        & (centres[:, 0] < centres[:, 1])
        & (certainty > _LEAST_CERTAINTY)
    )


def box_of_lungs(fields: tf.Tensor) -> tf.Tensor:
    """Draws the smallest box around both fields.

    Args:
        fields: [batch, side, side, 2] float32, of `find_fields`.

    Returns:
        [batch, 4] float32: top, left, bottom, right, as shares of the film's sides. A row or
        column counts from two pixels on. Where nothing is found, (1, 1, 0, 0).
    """
    top, left, bottom, right = tf.unstack(_boxes(fields), axis=-1)
    nearest = [tf.reduce_min(edge, axis=1) for edge in (top, left)]
    farthest = [tf.reduce_max(edge, axis=1) for edge in (bottom, right)]
    return tf.stack([*nearest, *farthest], axis=-1)


def lungs_of_pixels(pixels: tf.Tensor, weights: str = SHIPPED) -> tf.Tensor:
    """Finds the lung fields of films of any size, at their own size.

    Args:
        pixels: [batch, height, width] uint8, whole upright films before contrast.
        weights: as of `find_fields`.

    Returns:
        [batch, height, width, 2] float32 in [0, 1], as `find_fields`, interpolated.
    """
    small = tf.map_fn(
        lambda film: images.resize_image(tf.cast(film, tf.float32)[..., tf.newaxis], SIDE_PX),
        pixels,
        fn_output_signature=tf.TensorSpec([SIDE_PX, SIDE_PX], tf.uint8),
    )
    return tf.image.resize(find_fields(small, weights), tf.shape(pixels)[1:3])


def lungs_of_films(
    encoded: tf.Tensor,
    size_px: int,
    weights: str = SHIPPED,
    bounds: IngestOptions = images.ANY_FILM,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decodes whole films, as training and serving do, and finds their lung fields.

    Args:
        encoded: [batch] string, files.
        size_px: height and width of the result; the aspect ratio is not kept.
        weights: as of `find_fields`.
        bounds: of the sides of a film.

    Returns:
        [batch, size_px, size_px] uint8, the films, 0 where one cannot be judged;
        [batch, size_px, size_px, 2] float32 in [0, 1], the fields; and [batch] bool, whether
        they are plausible.
    """
    pixels, *_ = images.prepare_films(encoded, size_px, bounds=bounds)
    fields = lungs_of_pixels(pixels, weights)
    return pixels, fields, are_plausible(fields)


def _boxes(fields: tf.Tensor) -> tf.Tensor:
    """Draws a box around each field: [batch, fields, 4], as `box_of_lungs`."""
    inside = tf.cast(fields > LUNG, tf.int32)
    rows, columns = (tf.reduce_sum(inside, axis=axis) >= _STRAY_PX for axis in (2, 1))
    (top, bottom), (left, right) = (_first_and_end(line) for line in (rows, columns))
    return tf.stack([top, left, bottom, right], axis=-1)


def _first_and_end(lines: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where the first true one of [batch, side, fields] begins and the last one ends."""
    side = lines.shape[1]
    places = tf.range(side, dtype=tf.float32)[tf.newaxis, :, tf.newaxis] / side
    first = tf.reduce_min(tf.where(lines, places, 1.0), axis=1)
    return first, tf.reduce_max(tf.where(lines, places + 1 / side, 0.0), axis=1)


@functools.lru_cache(maxsize=2)
def _network(weights: str) -> tuple[keras.Model, list[Array], list[Array]]:
    # Outside the graph that is being traced, which must not own the variables.
    with tf.init_scope():
        try:
            network = with_weights(load_weights(weights))
        except ValueError as error:
            raise ValueError(f"preprocessing.lung_fields_weights: {error}") from error
        trainable, fixed = (
            [variable.numpy() for variable in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        )
    return network, trainable, fixed
