"""Pictures in the page itself, as data URIs, each small enough that all fit."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import cv2
import numpy as np

BUDGET_BYTES = 6_000_000  # of all pictures of films, before base64 makes a third more of them
MOST_BYTES, LEAST_BYTES = 40_000, 2_000  # of one
_TRIED = ((384, 80), (256, 80), (256, 60), (192, 60), (128, 50))  # longer side in px, quality
_PNG = b"\x89PNG"


def data_uri(picture: bytes) -> str:
    """Returns a picture as it is, for an `src`; nothing for no picture."""
    if not picture:
        return ""
    kind = "png" if picture.startswith(_PNG) else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def fitted_uris(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Returns pictures made smaller until all of them fit.

    Args:
        pictures: PNG or JPEG by name.

    Returns:
        An `src` by name; what is no picture is left out.
    """
    each = BUDGET_BYTES // max(len(pictures), 1)
    at_most = min(MOST_BYTES, max(LEAST_BYTES, each))
    fitted = {name: _fitted(picture, at_most) for name, picture in pictures.items()}
    return {name: data_uri(picture) for name, picture in fitted.items() if picture}


def _fitted(picture: bytes, at_most: int) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return b""
    if len(picture) <= at_most:
        return picture
    encoded = b""
    for side_px, quality in _TRIED:
        scale = min(1.0, side_px / max(pixels.shape[:2]))
        height_px, width_px = (max(1, round(side * scale)) for side in pixels.shape[:2])
        small = cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= at_most:
            break
    return encoded
