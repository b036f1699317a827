"""What becomes of a film for its lung fields: cut to their box, or greyed out beyond them.

The network should look at lungs. What lies around them (collimation, side markers, printed
values) tells the ward and the scanner, and with them the label, without showing the disease.
"""

from __future__ import annotations

import tensorflow as tf

from models.features import QUALITY_OK
from models.film_files import quality_of_header
from models.hyperparameters import Preprocessing
from models.images import Frame, decode_and_resize, resize_image, whole_film
from models.lung_fields.fields import LUNG, are_plausible, box_of_lungs, find_fields
from models.lung_fields.network import FIELDS, SIDE_PX
from radiographs.options import IngestOptions


def make_frame(settings: Preprocessing, fields: tf.Tensor | None = None) -> Frame:
    """Returns what brings a decoded film to the size of the network's input.

    Args:
        settings: `lungs`, `lung_margin`, `lung_ratio`, `lung_fields_weights`.
        fields: [1, SIDE_PX, SIDE_PX, 2] float32, of `fields_of_file`, where they have been found
            for the only film there is.

    Returns:
        A `models.images.Frame`; a film without plausible lung fields comes back whole, and
        as one where no lungs were found.
    """
    if settings.lungs == "none":
        return whole_film
    framed = _crop if settings.lungs == "crop" else _mask

    def frame(film: tf.Tensor, size_px: int) -> tuple[tf.Tensor, tf.Tensor]:
        found = _fields(film, settings) if fields is None else fields
        plausible = are_plausible(found)[0]
        pixels = tf.cond(
            plausible,
            lambda: framed(film, found, size_px, settings),
            lambda: resize_image(film, size_px),
        )
        return pixels, plausible

    return frame


def fields_of_file(encoded: tf.Tensor, settings: Preprocessing, bounds: IngestOptions) -> tf.Tensor:
    """Finds the lung fields that the frame of `make_frame` finds.

    Args:
        encoded: scalar string, a file.
        settings: of the preparation; they say which part of the film is looked at.
        bounds: of the sides of a film.

    Returns:
        [1, SIDE_PX, SIDE_PX, 2] float32 in [0, 1], as `find_fields`; 0 where the file is no film.
    """
    nothing = tf.zeros([1, SIDE_PX, SIDE_PX, FIELDS])

    def find(film: tf.Tensor) -> tf.Tensor:
        found, _, _ = decode_and_resize(
            film,
            settings.image_size_px,
            settings.border_crop,
            lambda upright, _: (_fields(upright, settings), tf.constant(True)),
        )
        return found

    def find_if_readable(film: tf.Tensor) -> tf.Tensor:
        readable = quality_of_header(film, bounds) == QUALITY_OK
        return tf.cond(readable, lambda: find(film), lambda: nothing)

    # As a dataset, because there alone TensorFlow goes on when an op has failed.
    found = tf.data.Dataset.from_tensors(encoded).map(find_if_readable).ignore_errors()
    either = found.concatenate(tf.data.Dataset.from_tensors(nothing))
    return either.take(1).get_single_element()


def _fields(film: tf.Tensor, settings: Preprocessing) -> tf.Tensor:
    squashed = resize_image(film, SIDE_PX)[tf.newaxis]
    return find_fields(squashed, settings.lung_fields_weights)


def _crop(film: tf.Tensor, fields: tf.Tensor, size_px: int, settings: Preprocessing) -> tf.Tensor:
    sides = tf.cast(tf.shape(film)[:2], tf.float32)
    box = with_margin(box_of_lungs(fields)[0], settings.lung_margin)
    if settings.lung_ratio == "keep":
        box = made_square(box, sides)
    first = tf.cast(tf.floor(box[:2] * sides), tf.int32)
    end = tf.cast(tf.math.ceil(box[2:] * sides), tf.int32)
    return resize_image(film[first[0] : end[0], first[1] : end[1]], size_px)


def _mask(film: tf.Tensor, fields: tf.Tensor, size_px: int, settings: Preprocessing) -> tf.Tensor:
    """Gives everything outside one grey, the mean of the lungs, which makes no edge of its own."""
    pixels = tf.cast(resize_image(film, size_px), tf.float32)
    dilated = dilate(tf.reduce_max(fields, axis=-1), settings.lung_margin)
    inside = tf.image.resize(dilated[..., tf.newaxis], [size_px, size_px])[0, ..., 0] > LUNG
    grey = tf.round(tf.reduce_mean(tf.boolean_mask(pixels, inside)))
    return tf.cast(tf.where(inside, pixels, grey), tf.uint8)


def with_margin(box: tf.Tensor, margin: float) -> tf.Tensor:
    """Widens a box by a share of its sides at each edge, as far as the film reaches.

    Args:
        box: [4] float32: top, left, bottom, right, as shares of the film's sides.
        margin: share of the box's height and width.

    Returns:
        The same.
    """
    added = margin * (box[2:] - box[:2])
    return tf.clip_by_value(box + tf.concat([-added, added], axis=0), 0.0, 1.0)


def made_square(box: tf.Tensor, sides_px: tf.Tensor) -> tf.Tensor:
    """Widens the shorter sides of a box until it is square on the film, if that is large enough.

    Args:
        box: [4] float32, as of `with_margin`.
        sides_px: [2] float32, height and width of the film.

    Returns:
        The same; moved where it would reach beyond the film, and as long as the film where a
        square is longer.
    """
    lengths = (box[2:] - box[:2]) * sides_px
    wished = tf.minimum(tf.reduce_max(lengths) / sides_px, 1.0)
    first = (box[:2] + box[2:] - wished) / 2
    first = tf.clip_by_value(first, 0.0, 1.0 - wished)
    return tf.concat([first, first + wished], axis=0)


def dilate(fields: tf.Tensor, margin: float) -> tf.Tensor:
    """Widens fields by a share of the film's side to all directions of a square.

    Args:
        fields: [batch, side, side] float32.
        margin: share of the side.

    Returns:
        The same shape, float32.
    """
    window = [2 * round(margin * SIDE_PX) + 1, 1]
    for _ in ("down", "across"):
        # Columns in the place of channels: with one channel, pooling takes ten times as long.
        pooled = tf.nn.max_pool2d(fields[:, :, tf.newaxis], window, 1, "SAME")
        fields = tf.transpose(pooled[:, :, 0], [0, 2, 1])
    return fields
