"""DICOM files taken apart and put together: films, elements, and where a data set starts."""

from __future__ import annotations

import io
import struct

import pydicom
from pydicom import uid
from pydicom.dataset import Dataset

from radiographs.phantoms import draw_phantom
from tests.mutated_films.formats import SIDE_PX, dicom_film
from tests.mutated_films.spoiling import Random

ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
UNDEFINED = 0xFFFFFFFF


def parsed(data: bytes) -> Dataset:
    """Returns the film of a file, with or without a preamble."""
    bare = data[128:132] != b"DICM"
    if bare:
        data = bytes(128) + b"DICM" + data
    return pydicom.dcmread(io.BytesIO(data), force=True)


def is_packed(film: Dataset) -> bool:
    """Tells whether the pixels are compressed, in fragments."""
    return film.file_meta.TransferSyntaxUID.is_encapsulated


def native_film(data: bytes, random: Random) -> Dataset:
    """Returns a film of uncompressed pixels, another one if need be."""
    film = parsed(data)
    return parsed(explicit_film(random)) if is_packed(film) else film


def explicit_film(random: Random) -> bytes:
    """A small film, explicit VR; another one each time, as the same one has one label."""
    pixels = draw_phantom(int(random.integers(1 << 30)), SIDE_PX).pixels
    return dicom_film(pixels, uid.ExplicitVRLittleEndian)


def data_set_place(data: bytes) -> int:
    """Returns where the data set starts, behind the preamble and the file meta information."""
    (length,) = struct.unpack_from("<I", data, 140)
    return 144 + int(length)


def element(group: int, number: int, vr: bytes, value: bytes, length: int = -1) -> bytes:
    """Returns an element of explicit VR and little endian; it may lie about its length."""
    size = len(value) if length < 0 else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size & 0xFFFF) + value
