"""DICOM files as data elements, read within bounds (PS3.10, section 7; PS3.5, annex A).

pydicom parses. A deflated data set is inflated here, where it can be stopped: a few kilobytes may
hold gigabytes of zeros.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pydicom.config
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)  # fmt: skip

from radiographs.errors import UnusableImage
from radiographs.formats.decoder import damaged
from radiographs.formats.dicom.attributes import FACTS, IDENTITY, PIXEL_DESCRIPTION, PIXELS
from radiographs.formats.dicom.syntaxes import CODECS

MOST_HEADER_BYTES = 16 << 20  # of a data set without its pixels, inflated
_MOST_READS = 50_000  # two or three an element; a radiograph has some hundreds of these

_PREAMBLE, _MAGIC = 128, b"DICM"
_META_GROUP = b"\x02\0\0\0UL\x04\0"  # (0002,0000), which leads a file that lost its preamble
# (0008,0000), (0008,0001), (0008,0005), (0008,0008), (0008,0012) or (0008,0016): what the bare data
# set of an older archive begins with, of explicit or of implicit VR.
_BARE_EXPLICIT = re.compile(rb"\x08\0[\0\x01\x05\x08\x12\x16]\0(?:UL|CS|DA|UI)[\0-\xff]\0")
_BARE_IMPLICIT = re.compile(rb"\x08\0[\0\x01\x05\x08\x12\x16]\0[\0-\xfe]\0\0\0")
_BARE_BIG_ENDIAN = re.compile(rb"\0\x08\0[\0\x01\x05\x08\x12\x16](?:UL|CS|DA|UI)\0[\0-\xff]")
_BARE = (
    (_BARE_EXPLICIT, ExplicitVRLittleEndian),
    (_BARE_IMPLICIT, ImplicitVRLittleEndian),
    (_BARE_BIG_ENDIAN, ExplicitVRBigEndian),
)
_NATIVE = (
    ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)  # fmt: skip
_PIXEL_GROUP = 0x7FE0

# pydicom's warnings quote values, and these may be names.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")


@dataclass(frozen=True)
class DicomFile:
    """What has been read of a file.

    Attributes:
        tags: The data elements of `attributes`.
        syntax: UID of the transfer syntax.
        ends_at_pixels: Whether reading ended where the pixels begin.
    """

    tags: Dataset
    syntax: str
    ends_at_pixels: bool = False

    @property
    def little_endian(self) -> bool:
        """Whether words of the file have their lower byte first."""
        return self.syntax != ExplicitVRBigEndian


def is_dicom(data: bytes) -> bool:
    """Tells a DICOM file by its first bytes, with or without the preamble of 128 bytes.

    Args:
        data: The file, or the first 132 bytes of it.
    """
    return (
        data.startswith(_MAGIC, _PREAMBLE)
        or data.startswith(_META_GROUP)
        or any(start.match(data) for start, _ in _BARE)
    )


def read_header(data: bytes) -> DicomFile:
    """Reads all but the pixels.

    Args:
        data: The file.

    Returns:
        The elements that describe a film and whose it is.

    Raises:
        UnusableImage: Saying why this cannot be read.
    """
    wanted = (*PIXEL_DESCRIPTION, *FACTS, *IDENTITY)
    return _read(data, wanted, MOST_HEADER_BYTES, with_pixels=False)


def read_pixels(data: bytes, most_bytes: int) -> DicomFile:
    """Reads the pixels and what describes them.

    Args:
        data: The file.
        most_bytes: That the pixels may take, uncompressed.

    Returns:
        The elements that tell how a film looks.

    Raises:
        UnusableImage: Saying why this cannot be read.
    """
    wanted = (*PIXEL_DESCRIPTION, *PIXELS)
    return _read(data, wanted, MOST_HEADER_BYTES + most_bytes, with_pixels=True)


def _read(data: bytes, wanted: Sequence[str], most_bytes: int, with_pixels: bool) -> DicomFile:
    ends: list[int] = []

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if int(tag) >> 16 >= _PIXEL_GROUP:
            ends.append(tag)
        return bool(ends)

    try:
        file: io.BytesIO = _Counted(data)
        syntax, object_class = _syntax(file, data)
        if syntax == DeflatedExplicitVRLittleEndian:
            inflated = _inflated(data[file.tell() :], most_bytes, whole=with_pixels)
            file = _Counted(inflated)
        tags = read_dataset(
            file,
            syntax == ImplicitVRLittleEndian,
            syntax != ExplicitVRBigEndian,
            stop_when=None if with_pixels else at_pixels,
            specific_tags=[tag for word in wanted if (tag := tag_for_keyword(word)) is not None],
        )
        if object_class and "SOPClassUID" not in tags:
            tags.SOPClassUID = object_class
        if "Rows" in tags and tags.get("PixelRepresentation") is None:
            tags.PixelRepresentation = 0
        tags = correct_ambiguous_vr(tags, syntax != ExplicitVRBigEndian)
    except UnusableImage:
        raise
    except Exception:  # pydicom's own are of many kinds, and their text may quote values
        raise damaged("its DICOM data elements make no sense") from None
    return DicomFile(tags, syntax, bool(ends))


class _Counted(io.BytesIO):
    """A file that takes so much time at most: what pydicom parses it reads, piece by piece."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads, but not for ever.

        Raises:
            UnusableImage: If there are more elements than a radiograph has.
        """
        self._reads += 1
        if self._reads > _MOST_READS:
            raise damaged("it holds more DICOM data elements than a radiograph does")
        return super().read(size)


def _syntax(file: io.BytesIO, data: bytes) -> tuple[str, str]:
    """Returns transfer syntax and object class, and moves to the start of the data set."""
    if data.startswith(_MAGIC, _PREAMBLE):
        file.seek(_PREAMBLE + len(_MAGIC))
    elif not data.startswith(_META_GROUP):
        return next(syntax for start, syntax in _BARE if start.match(data)), ""
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    syntax = str(meta.get("TransferSyntaxUID", "")).strip()
    if not syntax:
        raise UnusableImage(
            "its DICOM header names no transfer syntax (0002,0010); export it again from the "
            "archive"
        )
    if syntax not in _NATIVE and syntax not in CODECS:
        raise UnusableImage(
            f"its transfer syntax {_shown_uid(syntax)} is not read; export it uncompressed, or as "
            "JPEG, JPEG-LS, JPEG 2000 or RLE"
        )
    return syntax, str(meta.get("MediaStorageSOPClassUID", ""))


def _shown_uid(uid: str) -> str:
    """Returns a UID of the standard as it is; any other may be somebody's."""
    return uid if re.fullmatch(r"1\.2\.840\.10008\.[\d.]{1,40}", uid) else "of a manufacturer"


def _inflated(deflated: bytes, most_bytes: int, whole: bool) -> bytes:
    """Inflates a data set as far as it may go."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = unpacker.decompress(deflated, most_bytes)
    except zlib.error as error:
        raise damaged(f"it cannot be inflated: {error}") from None
    if not whole:
        return inflated
    if unpacker.unconsumed_tail or (not unpacker.eof and len(inflated) == most_bytes):
        raise damaged("it inflates to more than its rows and columns tell")
    if not unpacker.eof:
        raise damaged("the end of its deflated data is missing")
    return inflated


def text_of(tags: Dataset, keyword: str) -> str:
    """Returns the first value of an element as text; empty where there is none."""
    try:
        value = tags.get(keyword)
        if value is not None and not isinstance(value, str | bytes | int | float):
            value = value[0] if len(value) else None
    except Exception:  # a value that cannot be read says nothing
        return ""
    return "" if value is None else str(value).strip("\0 ")


def numbers_of(tags: Dataset, keyword: str) -> list[float]:
    """Returns the values of an element as numbers; none where it is absent or empty.

    Raises:
        UnusableImage: If a value is no number, or an infinite one.
    """
    try:
        value = tags.get(keyword)
        if value is None or value == "":
            return []
        if isinstance(value, bytes):  # of a VR that says nothing of what it holds
            value = struct.unpack(f"<{len(value) // 2}h", value)
        values = [value] if isinstance(value, str | int | float) else list(value)
        numbers = [float(one) for one in values]
    except Exception:
        raise damaged(f"its {keyword} is no number") from None
    if not all(map(math.isfinite, numbers)):
        raise damaged(f"its {keyword} is no number")
    return numbers


def number_of(tags: Dataset, keyword: str, default: float | None = None) -> float | None:
    """Returns the first value of an element as a number, or a default where there is none."""
    numbers = numbers_of(tags, keyword)
    return numbers[0] if numbers else default
