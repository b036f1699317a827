"""Whatever a file holds, it becomes a film or gets a reason; the graph never fails on either."""

from __future__ import annotations

import functools
import io
import struct
import zlib

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models import features
from models.preprocessing import quality_of
from radiographs.decoding import UNFORESEEN, film_size, grey_levels, read_film
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions
from tests.fuzz.damage import damaged
from tests.support import draw_film

OPTIONS = IngestOptions(max_side_px=2000)


def _saved(picture: Image.Image, file_format: str, **save: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **save)
    return file.getvalue()


@functools.cache
def sound_files() -> tuple[bytes, ...]:
    """Small films in every kind that is read, and a few that are not."""
    grey = Image.fromarray(draw_film(1, 72))
    colour = Image.fromarray(np.stack([draw_film(seed, 72) for seed in (1, 2, 3)], axis=-1))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = draw_film(4, 72).astype(np.uint16) * 13
    return (
        _saved(grey, "JPEG"),
        _saved(grey, "JPEG", progressive=True, comment=b"a comment"),
        _saved(colour, "JPEG", exif=exif.tobytes()),
        _saved(colour.convert("CMYK"), "JPEG"),
        _saved(grey, "PNG"),
        _saved(colour, "PNG", exif=exif.tobytes()),
        _saved(grey.convert("P"), "PNG", transparency=3),
        _saved(colour.convert("RGBA"), "PNG"),
        cv2.imencode(".png", deep)[1].tobytes(),
        cv2.imencode(".png", np.stack([deep] * 4, axis=-1))[1].tobytes(),
        _saved(grey, "GIF"),
        _saved(grey, "TIFF"),
    )


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A sound file after a few accidents."""
    return damaged(draw, draw(st.sampled_from(sound_files())))


def with_true_checksums(data: bytes) -> bytes:
    """Signs the chunks of a PNG anew, so that damage reaches what lies behind the checksums."""
    place, signed = 8, bytearray(data[:8])
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : place + 8 + size]
        signed += data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + size
    return bytes(signed)


def check(data: bytes) -> None:
    assert quality_of(data, OPTIONS) in features.QUALITIES
    try:
        film = read_film(data, OPTIONS)
    except UnusableImage as error:
        assert error.reason
        assert UNFORESEEN not in error.reason
        return
    width, height = film_size(film.encoded)
    assert (width, height) == (film.facts.width_px, film.facts.height_px)
    assert grey_levels(film.encoded, 2000).shape == (height, width)
    # A grey film keeps its compressed bytes, and two decoders may differ about damaged ones: the
    # ingest asks the graph as well, so any answer will do here but an exception.
    assert quality_of(film.encoded, OPTIONS) in features.QUALITIES


@given(damaged_files())
def test_a_damaged_file_is_a_film_or_has_a_reason(data: bytes) -> None:
    check(data)


@given(damaged_files())
def test_so_is_one_whose_checksums_are_right(data: bytes) -> None:
    check(with_true_checksums(data))


@given(st.binary(max_size=200), st.sampled_from((b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")))
def test_so_are_any_bytes(data: bytes, start: bytes) -> None:
    check(start + data)
