"""Pictures of explained films: JPEG, of one size, and of so many bytes at most."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from models.feature_maps import feature_map_montage
from radiographs.formats.png import decode_grey_png

Colour = tuple[int, int, int]  # blue, green, red
CYAN, WHITE = (255, 255, 0), (255, 255, 255)
Picture = npt.NDArray[np.uint8]  # [height, width] grey, or [height, width, 3] blue, green, red

MOST_BYTES_A_PIXEL = 0.2  # 200 films of 256 pixels and their heat then take less than 6 MB

_QUALITIES = (85, 70, 50, 30, 15, 5)
_MAPS_A_LAYER = 16


def draw_film(encoded: bytes, size_px: int) -> Picture | None:
    """Draws a film as it is.

    Args:
        encoded: JPEG or PNG file.
        size_px: Longer side of the picture.

    Returns:
        The picture, grey; None where the file cannot be decoded.
    """
    film = _decode(encoded, cv2.IMREAD_GRAYSCALE)
    if film is None:
        return None
    scale = size_px / max(film.shape)
    height, width = (max(1, round(side * scale)) for side in film.shape)
    return _resized(film, height, width)


def draw_heat(overlay: bytes, film: Picture) -> Picture | None:
    """Draws a film under its heat.

    Args:
        overlay: A square PNG of `explain_images`, or nothing.
        film: Of `draw_film`, whose sides the picture gets.

    Returns:
        The picture, in colours; None where there is no overlay.
    """
    heat = _decode(overlay, cv2.IMREAD_COLOR)
    return None if heat is None else _resized(heat, *film.shape)


def outlined(picture: Picture, inside: npt.NDArray[np.bool_], colour: Colour) -> Picture:
    """Draws a line round the parts of a picture that belong to something.

    Args:
        picture: In colours.
        inside: `[rows, columns]`, of the whole film, whatever its sides.
        colour: Blue, green, red.

    Returns:
        Another picture of the same shape.
    """
    share = cv2.resize(inside.astype(np.float32), picture.shape[1::-1])
    lines, _ = cv2.findContours(
        (share >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    return cv2.drawContours(picture.copy(), lines, -1, colour, 1)


def draw_feature_maps(layers: list[npt.NDArray[np.float32]]) -> Picture:
    """Draws what the most active channels of layers respond to.

    Args:
        layers: Activations of a film, `[rows, columns, channels]` each.

    Returns:
        The montages of the layers beside one another, grey.
    """
    montages = [decode_grey_png(feature_map_montage(layer, _MAPS_A_LAYER)) for layer in layers]
    height = max(len(montage) for montage in montages)
    return np.hstack(
        [np.pad(montage, ((0, height - len(montage)), (0, 0))) for montage in montages]
    )


def encode_small(picture: Picture) -> bytes:
    """Encodes a picture as a JPEG of at most `MOST_BYTES_A_PIXEL`.

    Args:
        picture: Grey or in colours.

    Returns:
        The file, of the best quality that is small enough. Only noise of a few pixels is larger.
    """
    at_most = MOST_BYTES_A_PIXEL * math.prod(picture.shape[:2])
    for quality in _QUALITIES:
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= at_most:
            break
    return encoded


def _decode(encoded: bytes, flags: int) -> Picture | None:
    if not encoded:  # for which OpenCV raises
        return None
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)


def _resized(picture: Picture, height: int, width: int) -> Picture:
    shrinks = height < picture.shape[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=way)
