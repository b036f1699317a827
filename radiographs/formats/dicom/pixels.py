"""Stored values: the samples of a film as its file holds them (PS3.5, section 8).

Whatever lies beside them in a word, overlays of older files, is masked out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from radiographs.errors import UnusableImage
from radiographs.formats.decoder import damaged
from radiographs.formats.dicom import codec_process
from radiographs.formats.dicom.codestreams import read_codestream
from radiographs.formats.dicom.reading import DicomFile, number_of, text_of
from radiographs.formats.dicom.syntaxes import CODECS
from radiographs.formats.jpeg import JpegDecoder, decode_grey_jpeg

GREY = ("MONOCHROME1", "MONOCHROME2")
_ALLOCATED = (8, 16)
_MOST_EXCESS = 0.1  # some writers pad; more are rows that the header does not tell of
_NO_PIXELS = "it has no pixels (7FE0,0010); copy it again from its source"
_COLOURS = "its pixels are in colours, and grey films are read; export it as grey"


@dataclass(frozen=True)
class PixelDescription:
    """How the pixels of a grey film are stored.

    Attributes:
        width_px: Columns.
        height_px: Rows.
        allocated: Bits of a word, 8 or 16.
        stored: Bits of it that hold the sample.
        high_bit: The uppermost of these.
        signed: Whether samples are two's complement.
        white_is_low: MONOCHROME1.
    """

    width_px: int
    height_px: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    white_is_low: bool

    @property
    def values(self) -> np.ndarray:
        """`[2 ** stored]` int32: the sample that each pattern of the stored bits stands for."""
        patterns = np.arange(1 << self.stored, dtype=np.int32)
        if not self.signed:
            return patterns
        return np.where(patterns >> (self.stored - 1), patterns - (1 << self.stored), patterns)


def describe_pixels(tags: Dataset) -> PixelDescription:
    """Reads how the pixels are stored.

    Args:
        tags: Of the file.

    Returns:
        The description of one grey frame.

    Raises:
        UnusableImage: If it is of another kind, or makes no sense.
    """
    photometric = text_of(tags, "PhotometricInterpretation").upper()
    if not photometric or "Rows" not in tags:
        raise UnusableImage(_NO_PIXELS)
    if _whole(tags, "SamplesPerPixel", 1) != 1 or photometric not in GREY:
        raise UnusableImage(_COLOURS)
    frames = _whole(tags, "NumberOfFrames", 1)
    if frames != 1:
        raise UnusableImage(
            f"it holds {frames:,} frames, and a film is one; export the frame that is meant"
        )
    allocated = _whole(tags, "BitsAllocated")
    if allocated not in _ALLOCATED:
        raise UnusableImage(
            f"its pixels take {allocated} bit each, and 8 or 16 are read; export it again so"
        )
    stored = _whole(tags, "BitsStored", allocated)
    high_bit = _whole(tags, "HighBit", stored - 1)
    if not 2 <= stored <= allocated or not stored - 1 <= high_bit < allocated:
        raise damaged(f"{stored} bits up to bit {high_bit} do not fit into {allocated}")
    return PixelDescription(
        width_px=_whole(tags, "Columns"),
        height_px=_whole(tags, "Rows"),
        allocated=allocated,
        stored=stored,
        high_bit=high_bit,
        signed=bool(_whole(tags, "PixelRepresentation", 0)),
        white_is_low=photometric == GREY[0],
    )


def _whole(tags: Dataset, keyword: str, default: int | None = None) -> int:
    number = number_of(tags, keyword, default)
    if number is None or number != int(number) or number < 0:
        raise damaged(f"its {keyword} is missing or makes no sense")
    return int(number)


def stored_patterns(file: DicomFile, description: PixelDescription) -> np.ndarray:
    """Returns the stored bits of each pixel, without what lies beside them in a word.

    Args:
        file: With its pixels.
        description: Of `describe_pixels`.

    Returns:
        `[height, width]` uint16, below `2 ** stored`.

    Raises:
        UnusableImage: If pixels are missing or cannot be decoded.
    """
    data = file.tags.get("PixelData")
    if not data:
        floating = "FloatPixelData" in file.tags or "DoubleFloatPixelData" in file.tags
        raise UnusableImage(
            "its pixels are floating-point numbers, and whole numbers are read; export it again"
            if floating
            else _NO_PIXELS
        )
    words = (
        _decoded(file, data, description)
        if file.syntax in CODECS
        else _native(file, data, description)
    )
    native = words.astype(words.dtype.newbyteorder("="), copy=False)
    bits = native.view(f"u{words.itemsize}").astype(np.uint16)
    below = description.high_bit + 1 - description.stored
    return (bits >> below) & np.uint16((1 << description.stored) - 1)


def _native(file: DicomFile, data: bytes, description: PixelDescription) -> np.ndarray:
    order = "<" if file.little_endian else ">"
    dtype = np.dtype(f"{order}u{description.allocated // 8}")
    count = description.width_px * description.height_px
    if file.tags["PixelData"].is_undefined_length:
        raise damaged("its pixels are in fragments, and its transfer syntax says they are not")
    if len(data) < count * dtype.itemsize:
        raise damaged(f"{len(data):,} of {count * dtype.itemsize:,} bytes of pixels are there")
    if len(data) > (1 + _MOST_EXCESS) * count * dtype.itemsize + 2:
        raise damaged(
            f"{len(data):,} bytes of pixels are there, and its rows and columns tell of "
            f"{count * dtype.itemsize:,}"
        )
    words = np.frombuffer(data, dtype, count)
    if description.allocated == 8 and not file.little_endian and _words_swapped(file):
        words = _swapped(data, count)
    return words.reshape(description.height_px, description.width_px)


def _words_swapped(file: DicomFile) -> bool:
    """Tells whether bytes lie in words of two, the second one first (PS3.5, section 8.1.1)."""
    return file.tags["PixelData"].VR == "OW"


def _swapped(data: bytes, count: int) -> np.ndarray:
    padded = data + b"\0" * (len(data) % 2)
    return np.frombuffer(padded, ">u2").astype("<u2").view(np.uint8)[:count]


def _decoded(file: DicomFile, data: bytes, description: PixelDescription) -> np.ndarray:
    frame = _frame(data)
    codec = CODECS[file.syntax]
    sides = (description.width_px, description.height_px)
    if codec == "RLE":
        return codec_process.decode(codec, *sides, description.allocated, frame)
    stream = read_codestream(frame, codec)
    if stream.components != 1:
        raise UnusableImage(_COLOURS)
    if (stream.width_px, stream.height_px) != sides:
        raise damaged(
            f"its header tells of {sides[0]} x {sides[1]} pixels, and its {stream.coding} holds "
            f"{stream.width_px} x {stream.height_px}"
        )
    if stream.coding == "JPEG" and stream.bits == 8:
        JpegDecoder().decode(stream.data, lambda width, height: None)  # finds damage
        return decode_grey_jpeg(stream.data, 0)
    return codec_process.decode(stream.coding, *sides, stream.bits, stream.data)


def _frame(data: bytes) -> bytes:
    """Joins the fragments of the only frame."""
    try:
        (frame,) = generate_frames(data, number_of_frames=1)
    except Exception:
        raise damaged("the fragments of its pixels are missing or incomplete") from None
    if not frame:
        raise damaged("the fragments of its pixels are empty")
    return frame
