"""From a heatmap to findings: boxes around what is hot, and how much of each lung is.

Connected components are found by handing the largest number of a component on from cell to cell
until nothing changes, since TensorFlow has no op for it.
"""

from __future__ import annotations

import tensorflow as tf

from models.features import MAX_BOXES

# Of the largest heat. The first overlaps best with lesions of phantoms.
HOT = 0.55  # from which on a place counts
PEAK = 0.75  # that a region reaches somewhere to have a box, as specks do not
GRID = 64  # cells along each side of the film; at twice as many, boxes take four times as long


def find_boxes(heat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws a box around each connected region of hot cells.

    Args:
        heat: `[batch, side, side]` float32 in [0, 1], 0 where no box may be.

    Returns:
        `[batch, MAX_BOXES, 4]` float32: top, left, bottom, right, as shares of the sides; and
        `[batch, MAX_BOXES]` float32, the largest heat in each, at least `PEAK`. The hottest come
        first; rows that are left over are NaN.
    """
    side = heat.shape[1]
    cells = side * side
    labels = label_components(heat >= HOT)
    batch = tf.shape(heat)[0]
    # A segment for each number of each film; 0 is none, and its cells count for nothing.
    of_film = tf.range(batch)[:, tf.newaxis, tf.newaxis] * (cells + 1)
    segments, count = tf.reshape(labels + of_film, [-1]), batch * (cells + 1)
    rows, columns = tf.meshgrid(tf.range(side), tf.range(side), indexing="ij")

    def largest(values: tf.Tensor) -> tf.Tensor:
        everywhere = tf.reshape(tf.broadcast_to(values, tf.shape(labels)), [-1])
        most = tf.math.unsorted_segment_max(everywhere, segments, count)
        return tf.reshape(most, [batch, cells + 1])[:, 1:]

    peaks, chosen = tf.math.top_k(largest(heat), MAX_BOXES)
    edges = [side - largest(side - rows), side - largest(side - columns)]
    edges += [largest(rows + 1), largest(columns + 1)]
    boxes = tf.stack([tf.gather(edge, chosen, batch_dims=1) for edge in edges], axis=-1)
    used = peaks >= PEAK
    nan = float("nan")
    return (
        tf.where(used[..., tf.newaxis], tf.cast(boxes, tf.float32) / side, nan),
        tf.where(used, peaks, nan),
    )


def label_components(hot: tf.Tensor) -> tf.Tensor:
    """Numbers connected regions; cells that touch at a corner are connected.

    Args:
        hot: `[batch, side, side]` bool.

    Returns:
        `[batch, side, side]` int32: 0 where it is not hot, and of each region of a film one number
        of its own, of 1 to side * side.
    """
    side = hot.shape[1]
    own = tf.reshape(tf.range(1, side * side + 1, dtype=tf.float32), [1, side, side])
    inside = tf.cast(hot, tf.float32)

    def spread(labels: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        around = labels
        for _axis in ("down", "across"):
            # Columns in the place of channels: with one channel, pooling takes ten times as long.
            pooled = tf.nn.max_pool2d(around[:, :, tf.newaxis], [3, 1], 1, "SAME")
            around = tf.transpose(pooled[:, :, 0], [0, 2, 1])
        spreaded = around * inside
        return spreaded, tf.reduce_any(spreaded != labels)

    labels, _ = tf.while_loop(lambda _, changed: changed, spread, (own * inside, tf.constant(True)))
    return tf.cast(labels, tf.int32)


def hot_share(heat: tf.Tensor, lungs: tf.Tensor) -> tf.Tensor:
    """Measures how much of each lung is hot.

    Args:
        heat: `[batch, side, side]` float32 in [0, 1].
        lungs: `[batch, side, side, lungs]` bool.

    Returns:
        `[batch, lungs]` float32 in [0, 1]; NaN for a lung of no cell.
    """
    hot = (heat >= HOT)[..., tf.newaxis] & lungs
    areas, covered = (tf.reduce_sum(tf.cast(one, tf.float32), axis=[1, 2]) for one in (lungs, hot))
    return covered / areas
