"""Lesion masks: what a person has drawn on a film, from a file to the bytes of the contract.

A mask is a PNG of the film's own size, black but for what belongs to a lesion. It is drawn on the
film as viewers show it, upright. What goes on is encoded anew, so that no text of the file does.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.features import NORMAL
from radiographs.decoding import ROOM, CanonicalFilm
from radiographs.errors import UnusableImage
from radiographs.films import Film
from radiographs.formats.decoder import transparent
from radiographs.formats.png import decode_drawing

_LESION = 255  # of what goes on; the rest is 0


class _Refused(UnusableImage):
    """What is wrong with a mask, in words that speak of masks."""


_DAMAGED = _Refused("its lesion mask is no PNG, or a damaged one; save it again as PNG")


def read_mask(read: Callable[[str], bytes], film: Film, image: CanonicalFilm) -> bytes:
    """Reads the mask that was drawn on a film.

    Args:
        read: Returns the content of a file below the data root.
        film: That the mask is of.
        image: What was read of it.

    Returns:
        Of `canonical_mask`; empty where none was drawn.

    Raises:
        UnusableImage: Saying what is wrong with the mask. Its path may tell a patient's name; it
            is in the manifest.
    """
    if not film.lesion_mask:
        return b""
    try:
        data = read(film.lesion_mask)
    except UnusableImage:
        raise UnusableImage(
            "its lesion mask cannot be read; put it where the manifest says, or empty the cell"
        ) from None
    return canonical_mask(data, film, image)


def canonical_mask(data: bytes, film: Film, image: CanonicalFilm) -> bytes:
    """Turns the file of a lesion mask into the one that goes on.

    Args:
        data: The encoded file.
        film: What is known of the film that the mask is of.
        image: What was read of that film.

    Returns:
        Grey PNG of 8 bits of the film's size, 255 in lesions and 0 elsewhere, without metadata.

    Raises:
        UnusableImage: Saying what is wrong with the mask.
    """
    inside = _decoded(data, (image.facts.width_px, image.facts.height_px))
    if film.label == NORMAL and inside.any():
        raise UnusableImage(
            f"its lesion mask shows a lesion, but its label is {NORMAL}; correct one of the two"
        )
    file = io.BytesIO()
    Image.fromarray(inside.astype(np.uint8) * _LESION).save(file, "PNG")
    return file.getvalue()


def _decoded(data: bytes, size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns `[height, width]`, true in lesions."""

    def check_sides(width_px: int, height_px: int) -> None:
        if (width_px, height_px) != size_px:
            raise _Refused(
                f"its lesion mask has {width_px} x {height_px} pixels and the film upright "
                f"{size_px[0]} x {size_px[1]}; save it in the film's size"
            )

    try:
        with ROOM.taken(size_px[0] * size_px[1]):
            return _two_valued(decode_drawing(data, check_sides))
    except _Refused:
        raise
    except UnusableImage as error:
        if str(error) == str(transparent()):
            raise _Refused(
                "parts of its lesion mask are transparent; save it without alpha"
            ) from None
        raise _DAMAGED from None
    except Exception:  # whatever a decoder makes of a file that nobody has foreseen
        raise _DAMAGED from None


def _two_valued(levels: npt.NDArray[np.uint8 | np.uint16]) -> npt.NDArray[np.bool_]:
    inside = levels > 0
    if inside.any() and (inside.all() or (levels[inside] != levels.max()).any()):
        raise _Refused(
            "its lesion mask is not black with one other value in the lesions; save it as such"
        )
    return inside
