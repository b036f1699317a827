"""DICOM films whose pixels are of another codec, in lying fragments, or spoilt where compressed."""

from __future__ import annotations

import struct

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from radiographs.phantoms import draw_phantom
from tests.dicom_films import encoded
from tests.mutated_films.any_file import flipped, huge_numbers
from tests.mutated_films.dicom_parts import (
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    data_set_place,
    element,
    explicit_film,
    is_packed,
    parsed,
)
from tests.mutated_films.formats import PACKED, SIDE_PX, dicom_film
from tests.mutated_films.jpeg import with_sides
from tests.mutated_films.spoiling import HUGE, Damages, Random, Spoil


def _with_pixels(film: Dataset, syntax: str, pixels: bytes) -> bytes:
    """Returns a file with any bytes for the element of its pixels, which pydicom would not write.

    Args:
        film: What describes the pixels.
        syntax: That the file says it has; of explicit VR and little endian.
        pixels: The element, from tag to last byte.
    """
    empty = Dataset()
    empty.file_meta = film.file_meta
    film.pop("PixelData")
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    described = encoded(film)
    film.file_meta.TransferSyntaxUID = uid.UID(syntax)
    return encoded(empty) + described[data_set_place(described) :] + pixels


def _pixel_element(vr: bytes, value: bytes, length: int = -1) -> bytes:
    return element(0x7FE0, 0x0010, vr, value, length)


def _wrong_syntax(data: bytes, random: Random) -> bytes:
    """Says of pixels that they are of another codec, or of none, or of one where they are not."""
    film = _little_endian(data, random)
    own, value = film.file_meta.TransferSyntaxUID, film.PixelData
    others = [one for one in (*PACKED, uid.ExplicitVRLittleEndian) if one != own]
    length = UNDEFINED if is_packed(film) else -1
    pixels = _pixel_element(b"OB", value + (SEQUENCE_END if is_packed(film) else b""), length)
    return _with_pixels(film, others[random.integers(len(others))], pixels)


def _little_endian(data: bytes, random: Random) -> Dataset:
    """Returns a film of explicit VR and little endian, another one if need be."""
    film = parsed(data)
    return film if is_packed(film) else parsed(explicit_film(random))


def _fragments_of(film: Dataset) -> tuple[str, bytes]:
    """Returns a transfer syntax and pixels in fragments, whatever they were."""
    if is_packed(film):
        return str(film.file_meta.TransferSyntaxUID), bytes(film.PixelData)
    return str(uid.RLELossless), encapsulate([film.PixelData])


def _lying_fragments(data: bytes, random: Random) -> bytes:
    film = _little_endian(data, random)
    syntax, whole = _fragments_of(film)
    fragments = bytearray(whole)
    place = fragments.find(ITEM, 8)
    fragments[place + 4 : place + 8] = struct.pack("<I", HUGE[random.integers(len(HUGE))])
    return _with_pixels(
        film, syntax, _pixel_element(b"OB", bytes(fragments) + SEQUENCE_END, UNDEFINED)
    )


def _lying_offsets(data: bytes, random: Random) -> bytes:
    film = _little_endian(data, random)
    syntax, fragments = _fragments_of(film)
    (size,) = struct.unpack_from("<I", fragments, 4)
    offsets = random.bytes(8)
    table = ITEM + struct.pack("<I", len(offsets)) + offsets
    value = table + fragments[8 + size :] + SEQUENCE_END
    return _with_pixels(film, syntax, _pixel_element(b"OB", value, UNDEFINED))


def _lying_length(data: bytes, random: Random) -> bytes:
    """Lets an element near the pixels tell of a length that no file has."""
    place = data.find(b"\xe0\x7f\x10\x00")
    if place < 0:
        return huge_numbers(data, random)
    at = place + 8 if data[place + 4 : place + 6] in (b"OW", b"OB") else place + 4
    return data[:at] + struct.pack("<I", HUGE[random.integers(2)]) + data[at + 4 :]


def _in_frame(change: Spoil, syntax: str) -> Spoil:
    """Spoils the compressed picture inside a DICOM file of one transfer syntax."""

    def spoil(data: bytes, random: Random) -> bytes:
        pixels = draw_phantom(int(random.integers(1 << 30)), SIDE_PX).pixels
        film = parsed(dicom_film(pixels, syntax, deep=syntax != uid.JPEGBaseline8Bit))
        (frame,) = generate_frames(film.PixelData, number_of_frames=1)
        film.PixelData = encapsulate([change(frame, random)])
        return encoded(film)

    return spoil


def _jpeg_2000_sides(frame: bytes, random: Random) -> bytes:
    """Writes a huge picture into the header of a JPEG 2000, or one of many tiny tiles."""
    place = frame.find(b"\xff\x51")
    if random.integers(2):
        return frame[: place + 6] + struct.pack(">II", *HUGE[:2]) + frame[place + 14 :]
    return frame[: place + 22] + struct.pack(">II", 1, 1) + frame[place + 30 :]


def _rle_segments(frame: bytes, random: Random) -> bytes:
    """Lets an RLE frame tell of other segments, or unpack to much more than its pixels."""
    if random.integers(2):
        numbers = random.integers(0, 1 << 32, 16, dtype=np.uint32).tolist()
        return struct.pack("<16I", *numbers) + frame[64:]
    return frame[:64] + b"\x81\0" * 500_000


DAMAGES: Damages = {
    "DICOM: another transfer syntax": _wrong_syntax,
    "DICOM: fragments of lying length": _lying_fragments,
    "DICOM: offsets that lead nowhere": _lying_offsets,
    "DICOM: pixels of lying length": _lying_length,
    "DICOM: JPEG with other sides": _in_frame(with_sides(60_000, 60_000), uid.JPEGBaseline8Bit),
    "DICOM: lossless JPEG with other sides": _in_frame(
        with_sides(60_000, 60_000), uid.JPEGLosslessSV1
    ),
    "DICOM: JPEG-LS with other sides": _in_frame(with_sides(60_000, 60_000), uid.JPEGLSLossless),
    "DICOM: JPEG 2000 of other sides or tiles": _in_frame(_jpeg_2000_sides, uid.JPEG2000Lossless),
    "DICOM: RLE of lying segments": _in_frame(_rle_segments, uid.RLELossless),
    **{f"DICOM: bits flipped in {uid.UID(one).name}": _in_frame(flipped, one) for one in PACKED},
}
