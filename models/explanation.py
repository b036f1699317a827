"""What `explain_images` says of a film beside its probability: heat, overlay, boxes, extent."""

from __future__ import annotations

import tensorflow as tf

from models import features
from models.grad_cam import largest_is_one, overlay
from models.heat_boxes import GRID, find_boxes, hot_share
from models.lung_fields.whole_films import WholeFilms
from models.placing import place


def explain(
    evidence: tf.Tensor,
    probability: tf.Tensor,
    films: WholeFilms,
    lesions: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Lays what the network saw out on the whole films.

    Boxes are inside the lungs, around what is hottest there, even if the film is hotter elsewhere:
    their scores say so. Where no plausible lungs are found, which happens only where
    `preprocessing.lungs` is none, they are anywhere on the film, and the extent is unknown.

    Heat is relative to the film's own, and a healthy film has a hottest place too. So scores and
    extent are multiplied by the probability that there is anything to be seen.

    Args:
        evidence: `[batch, rows, columns]` float32, of `models.grad_cam.grad_cam`.
        probability: `[batch]` float32, P(pneumonia).
        films: of `look_at_whole`, with lungs on a grid of `GRID` cells.
        lesions: `[batch, rows, columns]` float32, of `models.lesions`, laid out as the evidence is.

    Returns:
        HEATMAP, OVERLAY_BYTES, BOXES, BOX_SCORES and LUNG_OPACITY of `models.features`, and
        LESIONS where they are given.
    """
    size_px = films.pixels.shape[1]
    heatmap, heat = (
        largest_is_one(place(evidence[..., tf.newaxis], films.frames, side)[..., 0])
        for side in (size_px, GRID)
    )
    within = tf.reduce_any(films.lungs, axis=-1) | ~films.found[:, tf.newaxis, tf.newaxis]
    inside = heat * tf.cast(within, tf.float32)
    boxes, peaks = find_boxes(largest_is_one(inside))
    scores = probability * tf.reduce_max(inside, axis=[1, 2])
    extent = probability[:, tf.newaxis] * hot_share(heat, films.lungs)
    laid = (
        {}
        if lesions is None
        else {features.LESIONS: place(lesions[..., tf.newaxis], films.frames, size_px)[..., 0]}
    )
    pixels = tf.cast(films.pixels, tf.float32)[..., tf.newaxis] / 255.0
    return {
        features.HEATMAP: heatmap,
        features.OVERLAY_BYTES: overlay(pixels, heatmap),
        features.BOXES: boxes,
        features.BOX_SCORES: scores[:, tf.newaxis] * peaks,
        features.LUNG_OPACITY: tf.where(films.found[:, tf.newaxis], extent, float("nan")),
        **laid,
    }
