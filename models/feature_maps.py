"""What the channels of a layer respond to, as one picture."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from radiographs.formats.png import encode_png

GAP_PX = 2  # between maps, of mid grey

_GAP_GREY = 128


def feature_map_montage(
    activations: npt.NDArray[np.floating], most_maps: int = 64, map_px: int = 48
) -> bytes:
    """Draws the feature maps of a layer beside one another, the most active first.

    Each map is stretched by itself: black is its least and white its largest activation. A map
    without any difference is black.

    Args:
        activations: `[rows, columns, channels]`, of one film, such as one of
            `models.cut_open.activations_and_logits`.
        most_maps: Channels that are drawn; those with the largest mean magnitude are.
        map_px: Least height of a map; a map is enlarged by a whole factor, so that its cells show.

    Returns:
        A grey PNG of 8 bits, as square as the number of maps allows, row by row.

    Raises:
        ValueError: If there is no map to draw.
    """
    if activations.ndim != 3 or 0 in activations.shape:
        raise ValueError(
            f"activations of shape {activations.shape} are no feature maps; give [rows, columns, "
            "channels] of one film"
        )
    maps = np.moveaxis(np.asarray(activations, np.float32), -1, 0)
    order = np.argsort(-np.abs(maps).mean(axis=(1, 2)), kind="stable")[:most_maps]
    factor = math.ceil(map_px / maps.shape[1])
    tiles = [_enlarged(_stretched(maps[channel]), factor) for channel in order]
    return encode_png(_laid_out(tiles))


def _stretched(one: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    spread = max(float(np.ptp(one)), float(np.finfo(np.float32).tiny))
    return np.round(255 * ((one - one.min()) / spread)).astype(np.uint8)


def _enlarged(one: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    return one.repeat(factor, axis=0).repeat(factor, axis=1)


def _laid_out(tiles: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    across = math.ceil(math.sqrt(len(tiles)))
    down = math.ceil(len(tiles) / across)
    height, width = (side + GAP_PX for side in tiles[0].shape)
    picture = np.full((down * height + GAP_PX, across * width + GAP_PX), _GAP_GREY, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = (
            GAP_PX + step * side
            for step, side in zip(divmod(place, across), (height, width), strict=True)
        )
        picture[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return picture
