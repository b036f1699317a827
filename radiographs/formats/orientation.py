"""The orientation that a camera or a viewer wrote into a file's EXIF.

Exchangeable image file format for digital still cameras: Exif 2.3, tag 0x0112.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

UPRIGHT = 1
TRANSPOSED = (5, 6, 7, 8)  # rows of the file are columns of the film
MIRRORED = (2, 3, 6, 7)  # then left and right are exchanged
UPENDED = (3, 4, 7, 8)  # and top and bottom
_TAG = 0x0112


def orientation_of(exif: bytes) -> int:
    """Returns the orientation in an EXIF block, 1 to 8; 1 where it tells none.

    Args:
        exif: With or without the name that leads it in a JPEG.
    """
    try:
        block = Image.Exif()
        block.load(exif)
        orientation = block.get(_TAG, UPRIGHT)
    except Exception:  # whatever is wrong with the block, the picture is not in it
        return UPRIGHT
    return orientation if orientation in range(1, 9) else UPRIGHT


def upright(levels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns a film as a viewer would.

    Args:
        levels: `[height, width]` as stored.
        orientation: Of `orientation_of`.

    Returns:
        `[height, width]`, or `[width, height]` for the last four orientations.
    """
    film = levels.T if orientation in TRANSPOSED else levels
    film = film[:, ::-1] if orientation in MIRRORED else film
    return film[::-1] if orientation in UPENDED else film
