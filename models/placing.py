"""Maps of a part of a film, laid out on the whole film."""

from __future__ import annotations

import tensorflow as tf

WHOLE = (0.0, 0.0, 1.0, 1.0)  # top, left, bottom, right


def place(maps: tf.Tensor, frames: tf.Tensor, size_px: int) -> tf.Tensor:
    """Lays maps of parts of films out on the films, bilinearly, with nothing around them.

    Args:
        maps: [batch, rows, columns, channels] float32.
        frames: [batch, 4] float32, the parts: top, left, bottom, right, as shares of the film's
            sides.
        size_px: height and width of the result.

    Returns:
        [batch, size_px, size_px, channels] float32; 0 where the middle of a pixel lies outside of
        the part.
    """
    first, end = frames[:, :2], frames[:, 2:]
    cells = tf.cast(tf.shape(maps)[1:3], tf.float32)
    # The pixel in row y of the result lies at (y + 0.5) / size of the film.
    scales = cells / (end - first)
    steps = scales / size_px
    offsets = steps / 2 - first * scales - 0.5
    nought = tf.zeros_like(steps[:, 0])
    down, right = (tf.stack([steps[:, axis], offsets[:, axis]], axis=-1) for axis in (0, 1))
    transforms = tf.stack(
        [right[:, 0], nought, right[:, 1], nought, down[:, 0], down[:, 1], nought, nought], axis=-1
    )
    placed = tf.raw_ops.ImageProjectiveTransformV3(
        images=maps,
        transforms=transforms,
        output_shape=[size_px, size_px],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    middles = (tf.range(size_px, dtype=tf.float32) + 0.5) / size_px
    rows, columns = tf.unstack(
        (first[..., tf.newaxis] <= middles) & (middles < end[..., tf.newaxis]), axis=1
    )
    inside = rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis]
    return tf.where(inside, placed, 0.0)
