"""Whole films with their lungs, and what part of them the network was shown.

Transform hands on what the network sees, cut and enhanced. An explanation is looked at on the film
as it is, so the film is decoded once more, and its lungs are found by the same ops.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from models.hyperparameters import Preprocessing
from models.images import decode_upright, film_by_film, resize_image, without_border
from models.lung_fields.fields import LUNG, are_plausible, find_fields
from models.lung_fields.framing import crop_edges
from models.lung_fields.network import SIDE_PX
from models.lung_fields.weights import SHIPPED
from models.placing import WHOLE, place


class WholeFilms(NamedTuple):
    """Films as a person sees them, squashed to squares, and places on them.

    Attributes:
        pixels: [batch, size, size] uint8, upright, before any contrast; 0 where a file cannot be
            decoded.
        frames: [batch, 4] float32, what the network is shown: top, left, bottom, right, as shares
            of the film's sides.
        lungs: [batch, grid, grid, 2] bool, the lung on the left of the picture and the one on
            the right.
        found: [batch] bool, whether these are plausible lungs.
    """

    pixels: tf.Tensor
    frames: tf.Tensor
    lungs: tf.Tensor
    found: tf.Tensor


def look_at_whole(encoded: tf.Tensor, settings: Preprocessing, grid: int) -> WholeFilms:
    """Decodes films and finds their lungs, whatever the network is shown of them.

    Where `preprocessing.lungs` is none, lungs are found all the same, by the shipped weights.

    Args:
        encoded: [batch] string, at least one file; an empty one is a cheap way to leave one out.
        settings: size, border and lungs, as Transform ran with them.
        grid: height and width of the result's lungs, in cells.

    Returns:
        The films.
    """
    size_px, border = settings.image_size_px, settings.border_crop

    def look_at(film: tf.Tensor) -> tuple[tf.Tensor, ...]:
        whole, _ = decode_upright(film, size_px, border)
        inner = without_border(whole, border)
        sides_px = [tf.cast(tf.shape(part)[:2], tf.float32) for part in (whole, inner)]
        return resize_image(whole, size_px), resize_image(inner, SIDE_PX), *sides_px

    failed = [tf.zeros([side, side], tf.uint8) for side in (size_px, SIDE_PX)]
    pixels, inner, whole_sides_px, inner_sides_px = film_by_film(
        encoded, look_at, (*failed, tf.ones([2]), tf.ones([2]))
    )
    weights = SHIPPED if settings.lungs == "none" else settings.lung_fields_weights
    fields = find_fields(inner, weights)
    found = are_plausible(fields)
    edges = _edges_px(fields, found, inner_sides_px, settings)
    beside = (whole_sides_px - inner_sides_px) / 2
    inner_edges = tf.concat([beside, beside + inner_sides_px], axis=-1)
    sides_px = tf.tile(whole_sides_px, [1, 2])
    return WholeFilms(
        pixels,
        (edges + tf.tile(beside, [1, 2])) / sides_px,
        place(fields, inner_edges / sides_px, grid) > LUNG,
        found,
    )


def _edges_px(
    fields: tf.Tensor, found: tf.Tensor, sides_px: tf.Tensor, settings: Preprocessing
) -> tf.Tensor:
    """Returns where Transform has cut each film, [batch, 4], in pixels of the borderless film."""
    everything = tf.tile(sides_px, [1, 2]) * tf.constant(WHOLE)
    if settings.lungs != "crop":
        return everything
    cut = tf.map_fn(
        lambda film: crop_edges(film[0][tf.newaxis], film[1], settings),
        (fields, sides_px),
        fn_output_signature=tf.TensorSpec([4], tf.float32),
    )
    return tf.where(found[:, tf.newaxis], cut, everything)
