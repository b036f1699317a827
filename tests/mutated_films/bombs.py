"""Bombs: streams that are small on disk and huge when they are unpacked."""

from __future__ import annotations

import struct
import zlib
from functools import cache

_BOMB_BYTES = 1 << 30


def packed(block: bytes, times: int) -> bytes:
    """Returns the zlib stream of a block that is repeated, for the price of one."""
    packer = zlib.compressobj(9)
    start, repeated = b"\x78\xda", (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH))[2:]
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(block, checksum)
    last = b"\x03\0"  # an empty block
    return start + repeated * times + last + struct.pack(">I", checksum)


@cache
def packed_zeros() -> bytes:
    return packed(bytes(1 << 24), _BOMB_BYTES >> 24)


@cache
def deflated_zeros() -> bytes:
    return packed_zeros()[2:-4]  # without the header and the checksum of zlib
