"""JPEG files whose frame header, segments or scans are untrue, or too much."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image

from tests.mutated_films.formats import SIDE_PX, picture_file
from tests.mutated_films.spoiling import LARGEST_SIDE_PX, Damages, Random, Spoil


def _frame_place(data: bytes) -> int:
    """Returns where the sides are in the frame header of a JPEG: height, then width."""
    place = 2
    while data[place + 1] not in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7):
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place + 5


def with_sides(height: int, width: int) -> Spoil:
    """Writes other sides into the frame header of a JPEG."""

    def spoil(data: bytes, random: Random) -> bytes:
        place = _frame_place(data)
        return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]

    return spoil


def _other_precision(data: bytes, random: Random) -> bytes:
    place = _frame_place(data) - 1
    return data[:place] + bytes((int(random.integers(9, 20)),)) + data[place + 1 :]


def _many_segments(data: bytes, random: Random) -> bytes:
    return data[:2] + b"\xff\xfe\0\x02" * 500_000 + data[2:]


def _padded_markers(data: bytes, random: Random) -> bytes:
    return data[:2] + b"\xff" * 3_000_000 + data[2:]


def _short_segment(data: bytes, random: Random) -> bytes:
    return data[:2] + b"\xff\xe5\0\0" + data[2:]


def _scan_bomb(data: bytes, random: Random) -> bytes:
    """A progressive JPEG of 100 megapixels in thousands of scans, each of a few bytes."""
    small = picture_file(Image.fromarray(np.full((16, 16), 99, np.uint8)), "JPEG", progressive=True)
    place = _frame_place(small)
    side = struct.pack(">HH", LARGEST_SIDE_PX, LARGEST_SIDE_PX)
    small = small[:place] + side + small[place + 4 :]
    last = small.rfind(b"\xff\xda")
    return small[:last] + small[last:-2] * 20_000 + small[-2:]


DAMAGES: Damages = {
    "JPEG: 65,535 pixels a side": with_sides(65_535, 65_535),
    "JPEG: 100 megapixels that are not there": with_sides(LARGEST_SIDE_PX, LARGEST_SIDE_PX),
    "JPEG: sides of another film": with_sides(SIDE_PX * 3, SIDE_PX),
    "JPEG: no height": with_sides(0, SIDE_PX),
    "JPEG: other bits": _other_precision,
    "JPEG: 500,000 segments": _many_segments,
    "JPEG: megabytes of padding": _padded_markers,
    "JPEG: a segment of no length": _short_segment,
    "JPEG: 20,000 scans of 100 megapixels": _scan_bomb,
}
