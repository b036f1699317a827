"""Contrast enhancement in TensorFlow ops: histogram equalisation, global and by tiles.

The served graph cannot call OpenCV, so both methods are written in ops that live in
any graph, work on a whole batch at once and give the grey levels OpenCV gives. Where
a pixel sits in the tile grid depends on the size of the film alone, so those tables
are made with NumPy while tracing and enter the graph as constants.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

LEVELS = 256


def equalize(images: tf.Tensor) -> tf.Tensor:
    """Equalises the histogram of each film, exactly as `cv2.equalizeHist` does.

    Args:
        images: [batch, height, width] uint8; height and width are known while tracing.

    Returns:
        [batch, height, width] uint8. A film of a single grey level comes back unchanged.
    """
    _, height, width = images.shape
    area = height * width
    cumulative = tf.cumsum(_histograms(tf.reshape(images, [-1, area])), axis=-1)
    # Nothing below the darkest level present has been counted, so its count comes first.
    darkest = tf.reduce_min(tf.where(cumulative > 0, cumulative, area), axis=-1, keepdims=True)
    scale = tf.cast(LEVELS - 1, tf.float32) / tf.cast(tf.maximum(area - darkest, 1), tf.float32)
    brighter = tf.cast(tf.maximum(cumulative - darkest, 0), tf.float32)
    tables = tf.where(darkest == area, tf.range(LEVELS, dtype=tf.float32), brighter * scale)
    return tf.gather(_to_uint8(tables), tf.cast(images, tf.int32), batch_dims=1)


def clahe(images: tf.Tensor, clip_limit: float, tiles: int) -> tf.Tensor:
    """Equalises by tiles with limited contrast, as `cv2.createCLAHE(...).apply` does.

    Agrees with OpenCV to within one grey level on every pixel, and as a rule exactly: the
    steps and their order are OpenCV's, so sums round alike unless a compiler reorders them.

    Source: K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics
    Gems IV, 1994, with the integer clip limit and the sharing out of OpenCV.

    Args:
        images: [batch, height, width] uint8; height and width are known while tracing.
        clip_limit: highest bin of a tile's histogram, in multiples of the mean bin.
        tiles: tiles along each side.

    Returns:
        [batch, height, width] uint8.
    """
    _, height, width = images.shape
    padded = _pad_to_tiles(images, tiles)
    tile_height, tile_width = padded.shape[1] // tiles, padded.shape[2] // tiles
    tables = _corner_tables(_tile_tables(_split(padded, tiles), clip_limit), tiles)
    rows, down = _place_in_grid(height, tile_height)
    columns, across = _place_in_grid(width, tile_width)
    cells = rows[:, None] * (tiles + 1) + columns
    levels = tf.gather(tables, cells * LEVELS + tf.cast(images, tf.int32), batch_dims=1)
    return _to_uint8(_interpolate(tf.cast(levels, tf.float32), down[:, None], across))


def _histograms(rows: tf.Tensor) -> tf.Tensor:
    """Counts the grey levels of each row: [rows, pixels] uint8 to [rows, 256] int32."""
    return tf.math.bincount(
        tf.cast(rows, tf.int32), minlength=LEVELS, maxlength=LEVELS, dtype=tf.int32, axis=-1
    )


def _to_uint8(levels: tf.Tensor) -> tf.Tensor:
    """Rounds half to even, as OpenCV does; the values are within [0, 255] already."""
    return tf.cast(tf.round(levels), tf.uint8)


def _pad_to_tiles(images: tf.Tensor, tiles: int) -> tf.Tensor:
    """Mirrors pixels beyond the right and lower edge until the tiles fit.

    As in OpenCV, when one side does not fit, a side that does grows by one pixel a tile.
    """
    _, height, width = images.shape
    if height % tiles == 0 and width % tiles == 0:
        return images
    rows, columns = (
        np.pad(np.arange(side), (0, tiles - side % tiles), mode="reflect")
        for side in (height, width)
    )
    return tf.gather(tf.gather(images, rows, axis=1), columns, axis=2)


def _split(images: tf.Tensor, tiles: int) -> tf.Tensor:
    """Cuts films into tiles, row by row: [batch * tiles * tiles, pixels of a tile]."""
    _, height, width = images.shape
    grid = tf.reshape(images, [-1, tiles, height // tiles, tiles, width // tiles])
    area = (height // tiles) * (width // tiles)
    return tf.reshape(tf.transpose(grid, [0, 1, 3, 2, 4]), [-1, area])


def _tile_tables(pixels: tf.Tensor, clip_limit: float) -> tf.Tensor:
    """Makes each tile's table from old level to new: [tiles, pixels] to [tiles, 256] uint8."""
    area = pixels.shape[-1]
    limit = max(int(clip_limit * area / LEVELS), 1)
    histograms = _histograms(pixels)
    clipped = tf.minimum(histograms, limit)
    excess = area - tf.reduce_sum(clipped, axis=-1)
    shared = excess // LEVELS
    clipped += shared[:, None] + tf.gather(_remainder_bins(), excess - shared * LEVELS)
    scale = tf.constant(LEVELS - 1, tf.float32) / tf.cast(area, tf.float32)
    return _to_uint8(tf.cast(tf.cumsum(clipped, axis=-1), tf.float32) * scale)


def _remainder_bins() -> npt.NDArray[np.int32]:
    """Which bins get one more count, for each remainder of the excess: [256, 256] int32.

    The remainder is handed out one by one at even steps from the darkest bin up.
    """
    remainder = np.arange(LEVELS)[:, None]
    step = LEVELS // np.maximum(remainder, 1)
    bins = np.arange(LEVELS)
    return ((bins % step == 0) & (bins // step < remainder)).astype(np.int32)


def _corner_tables(tables: tf.Tensor, tiles: int) -> tf.Tensor:
    """Puts side by side the tables that a pixel is interpolated from.

    The centres of the tiles divide a film into (tiles + 1)^2 cells, each with four tiles
    at its corners; beyond the outermost centres a tile stands for its missing neighbour.

    Args:
        tables: [batch * tiles * tiles, 256] uint8.
        tiles: tiles along each side.

    Returns:
        [batch, cells * 256, 4] uint8: upper left, upper right, lower left, lower right.
    """
    before = np.maximum(np.arange(tiles + 1) - 1, 0)
    after = np.minimum(np.arange(tiles + 1), tiles - 1)
    corners = np.stack(
        [rows[:, None] * tiles + columns for rows in (before, after) for columns in (before, after)]
    )
    by_film = tf.reshape(tables, [-1, tiles * tiles, LEVELS])
    gathered = tf.gather(by_film, corners.reshape(4, -1), axis=1)
    return tf.reshape(tf.transpose(gathered, [0, 2, 3, 1]), [-1, (tiles + 1) ** 2 * LEVELS, 4])


def _place_in_grid(
    side_px: int, tile_px: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Finds the cell of each pixel along one side, and how far in it lies, in [0, 1)."""
    position = np.arange(side_px, dtype=np.float32) * np.float32(1 / tile_px) - np.float32(0.5)
    centre = np.floor(position)
    return centre.astype(np.int32) + 1, position - centre


def _interpolate(
    corners: tf.Tensor, down: npt.NDArray[np.float32], across: npt.NDArray[np.float32]
) -> tf.Tensor:
    """Interpolates bilinearly: [batch, height, width, 4] to [batch, height, width]."""
    upper_left, upper_right, lower_left, lower_right = tf.unstack(corners, axis=-1)
    upper = upper_left * (1 - across) + upper_right * across
    lower = lower_left * (1 - across) + lower_right * across
    return upper * (1 - down) + lower * down
