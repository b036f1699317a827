"""DICOM data sets that nobody would write: deflated bombs, endless sequences, absurd elements."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pydicom
from pydicom import uid

from radiographs.phantoms import draw_phantom
from tests.dicom_films import encoded
from tests.mutated_films.bombs import deflated_zeros
from tests.mutated_films.dicom_parts import (
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    data_set_place,
    element,
    explicit_film,
    parsed,
)
from tests.mutated_films.formats import SIDE_PX, dicom_film
from tests.mutated_films.spoiling import Damages, Random, Spoil

_NOT_A_NUMBER, _INFINITE = (struct.pack("<d", value) for value in (np.nan, np.inf))
_SEQUENCE = b"\x40\x00\x75\x02SQ\0\0" + struct.pack("<I", UNDEFINED)  # (0040,0275)


def _deflated(build: Callable[[], bytes]) -> Spoil:
    """Puts a deflated data set behind the header of a DICOM file."""

    def spoil(data: bytes, random: Random) -> bytes:
        pixels = draw_phantom(0, SIDE_PX).pixels
        whole = dicom_film(pixels, uid.DeflatedExplicitVRLittleEndian)
        return whole[: data_set_place(whole)] + build()

    return spoil


def _put_first(elements: bytes) -> Spoil:
    """Puts elements before all others of the data set of an explicit film."""

    def spoil(data: bytes, random: Random) -> bytes:
        whole = explicit_film(random)
        place = data_set_place(whole)
        return whole[:place] + elements + whole[place:]

    return spoil


def _nested(depth: int) -> bytes:
    """Sequences within sequences, of undefined length."""
    opening = _SEQUENCE + ITEM + struct.pack("<I", UNDEFINED)
    closing = b"\xfe\xff\x0d\xe0" + bytes(4) + SEQUENCE_END
    return opening * depth + closing * depth


def _items(count: int) -> bytes:
    """A sequence of empty items."""
    return _SEQUENCE + (ITEM + bytes(4)) * count + SEQUENCE_END


def _replaced(keyword: str, vr: bytes, value: bytes) -> Spoil:
    """Writes an element with another VR and any value into an explicit film."""

    def spoil(data: bytes, random: Random) -> bytes:
        film = parsed(explicit_film(random))
        tag = pydicom.datadict.tag_for_keyword(keyword)
        assert tag is not None
        if keyword in film:
            delattr(film, keyword)
        whole = encoded(film)
        new = element(tag >> 16, tag & 0xFFFF, vr, value)
        place = data_set_place(whole)  # the order of elements is the least of its faults
        return whole[:place] + new + whole[place:]

    return spoil


DAMAGES: Damages = {
    "DICOM: a gigabyte deflated": _deflated(deflated_zeros),
    "DICOM: deflated noise": _deflated(lambda: bytes(range(7, 250))),
    "DICOM: 2,000 sequences in each other": _put_first(_nested(2_000)),
    "DICOM: 500,000 elements": _put_first(element(0x0008, 0x0001, b"UL", bytes(4)) * 500_000),
    "DICOM: 500,000 items of a sequence": _put_first(_items(500_000)),
    "DICOM: an element of four gigabytes": _put_first(
        element(0x0009, 0x1001, b"UN", b"", 0xFFFFFFF0)
    ),
    "DICOM: an infinite number of rows": _replaced("Rows", b"FD", _INFINITE),
    "DICOM: padding that is no number": _replaced("PixelPaddingValue", b"FD", _NOT_A_NUMBER),
    "DICOM: a spacing that is no number": _replaced("PixelSpacing", b"DS", b"nan\\x "),
    "DICOM: pixels that are a text": _replaced("PixelData", b"LT", b"not pixels"),
}
