"""What becomes of a film for its lung fields: cut to their box, or greyed out beyond them.

The network should look at lungs. What lies around them (collimation, side markers, printed
values) tells the ward and the scanner, and with them the label, without showing the disease.
"""

from __future__ import annotations

import tensorflow as tf

from models import features
from models.hyperparameters import Preprocessing
from models.images import Frame, Framed, no_lungs, resize_image, whole_film
from models.lung_fields.fields import LUNG, are_plausible, box_of_lungs, find_fields
from models.lung_fields.network import SIDE_PX


def make_frame(settings: Preprocessing) -> Frame:
    """Returns what brings a decoded film to the size of the network's input.

    Args:
        settings: `lungs`, `lung_margin`, `lung_ratio`, `lung_fields_weights`.

    Returns:
        A `models.images.Frame` that shows both fields; a film without plausible ones comes back
        whole, and as one where no lungs were found.
    """
    if settings.lungs == "none":
        return whole_film
    framed = _crop if settings.lungs == "crop" else _mask

    def frame(film: tf.Tensor, size_px: int) -> Framed:
        fields = find_fields(resize_image(film, SIDE_PX)[tf.newaxis], settings.lung_fields_weights)
        found = are_plausible(fields)[0]
        pixels, lungs = tf.cond(
            found,
            lambda: framed(film, fields, size_px, settings),
            lambda: (resize_image(film, size_px), no_lungs()),
        )
        outline = tf.reduce_max(fields[0], axis=-1) > LUNG
        return Framed(pixels, found, lungs, found & outline)

    return frame


def crop_edges(fields: tf.Tensor, sides_px: tf.Tensor, settings: Preprocessing) -> tf.Tensor:
    """Finds where a film is cut.

    Args:
        fields: [1, side, side, 2] float32, of `find_fields`.
        sides_px: [2] float32, height and width of the film.
        settings: `lung_margin` and `lung_ratio`.

    Returns:
        [4] float32: top, left, bottom, right, in whole pixels.
    """
    box = with_margin(box_of_lungs(fields)[0], settings.lung_margin)
    if settings.lung_ratio == "keep":
        box = made_square(box, sides_px)
    return tf.concat([tf.floor(box[:2] * sides_px), tf.math.ceil(box[2:] * sides_px)], axis=0)


def _crop(
    film: tf.Tensor, fields: tf.Tensor, size_px: int, settings: Preprocessing
) -> tuple[tf.Tensor, tf.Tensor]:
    sides_px = tf.cast(tf.shape(film)[:2], tf.float32)
    edges_px = crop_edges(fields, sides_px, settings)
    top, left, bottom, right = tf.unstack(tf.cast(edges_px, tf.int32), num=4)
    cut = film[top:bottom, left:right]
    return resize_image(cut, size_px), _lungs_in(edges_px / tf.tile(sides_px, [2]), fields)


def _mask(
    film: tf.Tensor, fields: tf.Tensor, size_px: int, settings: Preprocessing
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives everything outside one grey, the mean of the lungs, which makes no edge of its own."""
    pixels = tf.cast(resize_image(film, size_px), tf.float32)
    dilated = dilate(tf.reduce_max(fields, axis=-1), settings.lung_margin)
    inside = tf.image.resize(dilated[..., tf.newaxis], [size_px, size_px])[0, ..., 0] > LUNG
    grey = tf.round(tf.reduce_mean(tf.boolean_mask(pixels, inside)))
    masked = tf.cast(tf.where(inside, pixels, grey), tf.uint8)
    return masked, _lungs_in(tf.constant([0.0, 0.0, 1.0, 1.0]), fields)


def _lungs_in(box: tf.Tensor, fields: tf.Tensor) -> tf.Tensor:
    """Returns the part of [1, side, side, 2] fields in a box as `Framed.lungs` has them."""
    side = tf.cast(tf.shape(fields)[1], tf.float32)
    # Of the middles of the outermost cells, which is what `crop_and_resize` takes for corners.
    half_cell = (box[2:] - box[:2]) / (2 * features.LUNGS_SIDE_PX)
    middles = tf.concat([box[:2] + half_cell, box[2:] - half_cell], axis=0)
    corners = (middles * side - 0.5) / (side - 1)
    size = [features.LUNGS_SIDE_PX] * 2
    cut = tf.image.crop_and_resize(fields, corners[tf.newaxis], [0], size)[0]
    return tf.cast(tf.round(255.0 * tf.clip_by_value(cut, 0.0, 1.0)), tf.uint8)


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
