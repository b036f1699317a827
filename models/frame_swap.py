"""Lungs of one training film in the frame of another, so that a frame foretells no label.

What lies around the lungs (collimation, side markers, tone of the soft tissue) goes with the
ward that took the film, and so with its label. Where lungs stand in frames of either class, a
network learns nothing from frames. The label stays that of the lungs. After K. Xiao et al.,
"Noise or Signal: The Role of Image Backgrounds in Object Recognition", ICLR 2021, section 4.
"""

from __future__ import annotations

import tensorflow as tf

from models.augmentation import resample

_LUNG = 0.5  # share of a place from which on it counts as lung
_RIM = 1  # places by which what is seen reaches beyond the fields


def swap_frames(images: tf.Tensor, lungs: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Puts some films of a batch into the frames of others.

    Each lung is scaled to the place of the same lung in the frame, whose own lungs are covered.

    Args:
        images: [batch, size, size, 1] float32 in [0, 1].
        lungs: [batch, side, side, 2] float32 in [0, 1], of `models.preprocessing.unpack_lungs`.
        share: of the films that get another frame, in [0, 1]. A film without lungs gets none, and
            lends none.
        seed: [2] int64.

    Returns:
        The same shape as images; the lungs of each film are its own.
    """
    chosen, distance = tf.unstack(tf.random.split(seed, 2))
    batch = tf.shape(images)[0]
    by = tf.random.stateless_uniform([], distance, 1, tf.maximum(batch, 2), tf.int32)
    frames, places = tf.roll(images, by, 0), tf.roll(lungs, by, 0)
    has_lungs = tf.reduce_all(tf.reduce_max(lungs, axis=[1, 2]) > _LUNG, axis=-1)
    swapped = tf.random.stateless_uniform([batch], chosen) < share
    swapped &= has_lungs & tf.roll(has_lungs, by, 0)
    pasted = paste_lungs(frames, places, images, lungs)
    return tf.where(swapped[:, tf.newaxis, tf.newaxis, tf.newaxis], pasted, images)


def paste_lungs(
    frames: tf.Tensor, places: tf.Tensor, images: tf.Tensor, lungs: tf.Tensor
) -> tf.Tensor:
    """Pastes the lungs of films into others, each lung into the place of its own kind.

    Args:
        frames: [batch, size, size, 1] float32, give all that lies outside the lungs.
        places: [batch, side, side, 2] float32, lungs of the frames; none may be empty.
        images: as frames, give the lungs.
        lungs: as places, of the images.

    Returns:
        The same shape as images.
    """
    size_px = images.shape[1]
    # Fields are moved at their own size, which costs next to nothing; only pixels are at theirs.
    for side in range(2):
        own, field = places[..., side : side + 1], lungs[..., side : side + 1]
        of_box, to_box = _boxes(field, size_px), _boxes(own, size_px)
        into_place = _scaling(field.shape[1] * to_box, field.shape[1] * of_box)
        moved_field = resample(field, into_place, "CONSTANT")  # a lung ends where its film does
        moved = resample(images, _scaling(size_px * to_box, size_px * of_box))
        frames += _seen(tf.maximum(moved_field, own), size_px) * (moved - frames)
    return frames


def _boxes(fields: tf.Tensor, size_px: int) -> tf.Tensor:
    """Returns left, top, right and bottom of [batch, side, side, 1] fields, [batch, 4] float32.

    As shares of the sides; found at the size of the images, as half a place would be seen.
    """
    inside = tf.image.resize(fields, [size_px, size_px])[..., 0] > _LUNG
    edges = []
    for axis in (1, 2):  # over rows, which leaves columns, and the other way about
        taken = tf.cast(tf.reduce_any(inside, axis=axis), tf.float32)
        along = tf.range(1, taken.shape[1] + 1, dtype=tf.float32)
        last = tf.reduce_max(taken * along, axis=-1)
        first = taken.shape[1] - tf.reduce_max(taken * along[::-1], axis=-1)
        edges.append((first, tf.maximum(last, first + 1)))
    (left, right), (top, bottom) = edges
    return tf.stack([left, top, right, bottom], axis=-1) / size_px


def _seen(fields: tf.Tensor, size_px: int) -> tf.Tensor:
    """Returns how much is seen through [batch, side, side, 1] fields, widened, at another size."""
    inside = tf.cast(fields > _LUNG, tf.float32)
    widened = tf.nn.max_pool2d(inside, 2 * _RIM + 1, 1, "SAME")
    return tf.image.resize(widened, [size_px, size_px])  # what lies between two places is a slope


def _scaling(to: tf.Tensor, of: tf.Tensor) -> tf.Tensor:
    """Returns the maps that bring boxes in pixels to others, [batch, 8] float32, for `resample`."""
    factors = (of[:, 2:] - of[:, :2]) / (to[:, 2:] - to[:, :2])
    across, down = tf.unstack(factors, axis=-1)
    x, y = tf.unstack(of[:, :2] + (0.5 - to[:, :2]) * factors - 0.5, axis=-1)
    nought = tf.zeros_like(across)
    return tf.stack([across, nought, x, nought, down, y, nought, nought], axis=-1)
