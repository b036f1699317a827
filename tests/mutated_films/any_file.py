"""What befalls any file, whatever its format: cut, flipped, overwritten, or something else."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

from tests.mutated_films.bombs import packed_zeros
from tests.mutated_films.spoiling import HUGE, Damages, Random


def _truncated(data: bytes, random: Random) -> bytes:
    return data[: int(random.integers(1, len(data)))]


def flipped(data: bytes, random: Random) -> bytes:
    """Turns over one to eight bits, anywhere."""
    spoilt = bytearray(data)
    for place in random.integers(0, len(data), random.integers(1, 9)):
        spoilt[place] ^= 1 << int(random.integers(8))
    return bytes(spoilt)


def _hole(data: bytes, random: Random) -> bytes:
    first = int(random.integers(len(data) // 2))
    size = len(data) // 4
    return data[:first] + bytes(size) + data[first + size :]


def _lost_block(data: bytes, random: Random) -> bytes:
    first = int(random.integers(len(data) // 2))
    return data[:first] + data[first + int(random.integers(1, 512)) :]


def huge_numbers(data: bytes, random: Random) -> bytes:
    """Writes the largest numbers over four bytes near the start, where lengths and sizes are."""
    spoilt = bytearray(data)
    place = int(random.integers(2, min(len(data) - 4, 900)))
    spoilt[place : place + 4] = struct.pack(">I", HUGE[random.integers(len(HUGE))])
    return bytes(spoilt)


def _noise(data: bytes, random: Random) -> bytes:
    return random.bytes(int(random.integers(1, 4000)))


def _noise_behind_start(data: bytes, random: Random) -> bytes:
    return data[: 140 if data[128:132] == b"DICM" else 12] + random.bytes(2000)


def _stray_start(data: bytes, random: Random) -> bytes:
    return random.bytes(int(random.integers(1, 40))) + data


def _zip_bomb(data: bytes, random: Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number in range(4):
            archive.writestr(zipfile.ZipInfo(f"{number}.zip"), packed_zeros())  # of no date
    return file.getvalue()


def _gzip_bomb(data: bytes, random: Random) -> bytes:
    return gzip.compress(packed_zeros(), mtime=0)


DAMAGES: Damages = {
    "truncated": _truncated,
    "bits flipped": flipped,
    "a hole of zeros": _hole,
    "a block lost": _lost_block,
    "huge numbers near the start": huge_numbers,
    "empty": lambda data, random: b"",
    "random bytes": _noise,
    "random bytes behind the signature": _noise_behind_start,
    "stray bytes before the start": _stray_start,
    "zip bomb": _zip_bomb,
    "gzip bomb": _gzip_bomb,
}
