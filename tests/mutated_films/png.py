"""PNG files whose header, chunks or compressed pixels are untrue, or too much."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np

from tests.mutated_films.bombs import packed, packed_zeros
from tests.mutated_films.formats import SIDE_PX
from tests.mutated_films.spoiling import HUGE, LARGEST_SIDE_PX, Damages, Random, Spoil

_START = b"\x89PNG\r\n\x1a\n"
_STRIPE_PX = 99


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _header(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


def _with_header(header: bytes) -> Spoil:
    """Puts another header, with its true checksum, before the pixels of a PNG."""
    return lambda data, random: _START + header + data[8 + 25 :]


def _png_bomb(width: int, height: int, bits: int = 8, colour: int = 0) -> Spoil:
    """A PNG whose pixels unpack to a gigabyte, whatever its header says."""
    head = _START + _header(width, height, bits, colour)
    return lambda data, random: head + _chunk(b"IDAT", packed_zeros()) + _chunk(b"IEND", b"")


def _giant_png(bits: int, colour: int) -> Spoil:
    """A true PNG as large as a film may be, of which a megabyte is on disk."""

    @cache
    def giant() -> bytes:
        channels = {0: 1, 2: 3}[colour]
        row_bytes = LARGEST_SIDE_PX * channels * bits // 8
        levels = np.linspace(0, 255, _STRIPE_PX).astype(int)
        stripe = b"".join(b"\0" + bytes((level,)) * row_bytes for level in levels.tolist())
        pixels = packed(stripe, LARGEST_SIDE_PX // _STRIPE_PX)
        header = _header(LARGEST_SIDE_PX, LARGEST_SIDE_PX, bits, colour)
        return _START + header + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")

    # Another text in each, or all would be one film.
    return lambda data, random: giant()[:33] + _chunk(b"tEXt", random.bytes(8)) + giant()[33:]


def _with_chunk(name: bytes, body: Callable[[], bytes]) -> Spoil:
    """Puts a chunk behind the header of a PNG."""
    return lambda data, random: data[:33] + _chunk(name, body()) + data[33:]


def _many_chunks(data: bytes, random: Random) -> bytes:
    return data[:33] + _chunk(b"IDAT", b"") * 200_000 + data[33:]


def _lying_chunk(data: bytes, random: Random) -> bytes:
    place = data.find(b"IDAT") - 4
    length = HUGE[random.integers(len(HUGE))]
    return data[:place] + struct.pack(">I", length) + data[place + 4 :]


GIANTS = ("PNG: 100 megapixels, 8 bits", "PNG: 100 megapixels, colours of 16 bits")
DAMAGES: Damages = {
    "PNG: a gigabyte behind a small header": _png_bomb(SIDE_PX, SIDE_PX),
    "PNG: a gigabyte behind a huge header": _png_bomb(0x7FFFFFFF, 0x7FFFFFFF),
    "PNG: 100 megapixels, 8 bits": _giant_png(8, 0),
    "PNG: 100 megapixels, colours of 16 bits": _giant_png(16, 2),
    "PNG: 100 megapixels of nothing": _png_bomb(LARGEST_SIDE_PX, LARGEST_SIDE_PX, 8, 0),
    "PNG: header of a larger film": _with_header(_header(SIDE_PX * 2, SIDE_PX * 2)),
    "PNG: header of other bits": _with_header(_header(SIDE_PX, SIDE_PX, 16, 6)),
    "PNG: header that makes no sense": _with_header(_header(SIDE_PX, SIDE_PX, 7, 9)),
    "PNG: no sides": _with_header(_header(0, SIDE_PX)),
    "PNG: bomb in the colour profile": _with_chunk(b"iCCP", lambda: b"x\0\0" + packed_zeros()),
    "PNG: bomb in a text": _with_chunk(b"zTXt", lambda: b"x\0\0" + packed_zeros()),
    "PNG: 200,000 chunks": _many_chunks,
    "PNG: a chunk of four gigabytes": _lying_chunk,
}
