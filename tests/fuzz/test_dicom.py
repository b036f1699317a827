"""Whatever a DICOM file holds, it becomes a film or gets a reason; no codec takes us with it."""

from __future__ import annotations

import functools
import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid

from radiographs.decoding import UNFORESEEN, read_film
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions
from tests.dicom_films import compressed, dicom_file, drawn_values
from tests.fuzz.damage import damaged

OPTIONS = IngestOptions(max_side_px=2000)
COMPRESSED = (
    uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless,
    uid.RLELossless,
)  # fmt: skip


@functools.cache
def sound_files() -> tuple[bytes, ...]:
    """A film in every kind of transfer syntax, with every kind of table."""
    values = drawn_values(12, shape=(64, 72))
    eight = dicom_file(drawn_values(8, shape=(64, 72)))
    deep = dicom_file(values, 12, WindowCenter=2000, WindowWidth=3000, PixelPaddingValue=0)
    plain = (
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    )
    return (
        deep,
        deep[128:],
        *(dicom_file(values, 12, syntax=syntax, RescaleSlope=2) for syntax in plain),
        *(compressed(eight if syntax == COMPRESSED[0] else deep, syntax) for syntax in COMPRESSED),
    )


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A sound file after a few accidents, most of them in its header."""
    return damaged(draw, draw(st.sampled_from(sound_files())), st.integers(128, 1200))


def check(data: bytes) -> None:
    try:
        film = read_film(data, OPTIONS)
    except UnusableImage as error:
        assert error.reason
        assert UNFORESEEN not in error.reason
        return
    assert film.grey.shape == (film.facts.height_px, film.facts.width_px)


@given(damaged_files())
def test_a_damaged_file_is_a_film_or_has_a_reason(data: bytes) -> None:
    check(data)


@given(st.binary(max_size=300), st.booleans())
def test_so_are_any_elements(data: bytes, deflated: bool) -> None:
    meta = dicom_file(
        drawn_values(8, shape=(2, 2)),
        syntax=uid.DeflatedExplicitVRLittleEndian if deflated else uid.ExplicitVRLittleEndian,
    )
    (length,) = struct.unpack_from("<I", meta, 140)
    packer = zlib.compressobj(wbits=-15)
    body = packer.compress(data) + packer.flush() if deflated else data
    check(meta[: 144 + length] + body)
