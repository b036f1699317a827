"""Looks at an encoded file: is it a film the pipeline can use, and what are its facts?

Every later step decodes without asking again, so this is where a damaged, foreign or
empty image is found out. What passes here also decodes in TensorFlow, whose decoders
forgive less than Pillow: hence the checks of a file's end and of a PNG's checksums.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = re.compile(rb"IEND\xaeB`\x82")
# A scan that runs into the end of the image: no marker in between but those of restarts.
_JPEG_END = re.compile(rb"\xff\xda[^\xff]*(?:\xff+[\x00\xd0-\xd7][^\xff]*)*\xff+\xd9")

# Other formats that films come in, often under a wrong name: offset, bytes there, format.
_OTHER_FORMATS = (
    (128, b"DICM", "DICOM"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"%PDF-", "PDF"),
)

_UNUSABLE_MODES = {
    "CMYK": "the colours are CMYK; convert it to grey",
    "P": "the pixels are indices into a palette; convert it to grey",
    "PA": "the pixels are indices into a palette; convert it to grey",
    "LA": "it has transparency; save it without an alpha channel",
    "RGBA": "it has transparency; save it without an alpha channel",
    "1": "it is black and white without grey levels; export it again with 8 or 16 bit",
}
_USABLE_MODES = ("L", "RGB", "I;16")

# A larger JPEG is shrunk while it is decoded, down to no less than this: enough for its mean.
_MEAN_SIDE_PX = 256

# What Pillow raises on damaged files, depending on where the damage is.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    TypeError,
    KeyError,
    struct.error,
    zlib.error,
)
_DAMAGED = "the file is truncated or damaged; copy it again from its source"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the pixels and the header of a usable film say.

    Attributes:
        width_px: Width as stored.
        height_px: Height as stored.
        mean_intensity: Mean of the grey levels in [0, 1], 1 being the largest level of
            the file's bit depth.
        source_format: Encoding of the file.
    """

    width_px: int
    height_px: int
    mean_intensity: float
    source_format: Literal["JPEG", "PNG"]


def inspect_image(data: bytes, options: IngestOptions) -> ImageFacts:
    """Decodes a file once to see whether it is a usable film.

    Usable are JPEG and PNG, grey or RGB, 8 bit, or 16 bit in PNG, of a side within the
    options and with more than one grey level. The sides are checked before pixels are
    decoded, so a small file that unpacks to a huge image costs nothing.

    Args:
        data: The encoded file.
        options: Bounds of the sides.

    Returns:
        Size, mean intensity and format.

    Raises:
        UnusableImage: Saying why the file is no usable film.
    """
    return decode_film(data, options)[1]


def decode_film(data: bytes, options: IngestOptions) -> tuple[np.ndarray, ImageFacts]:
    """Decodes a usable film, as `inspect_image` does, and keeps its grey levels.

    Args:
        data: The encoded file.
        options: Bounds of the sides.

    Returns:
        [height, width] uint8 or uint16, of a large JPEG a copy of at least 256 pixels a side;
        and the facts, which are those of the file.

    Raises:
        UnusableImage: Saying why the file is no usable film.
    """
    image = _open(data)
    width_px, height_px = image.size
    _check_mode(image.mode)
    _check_sides(width_px, height_px, options)
    grey = _decode_grey(image)
    if grey.min() == grey.max():
        raise UnusableImage("all pixels are equal; it has no content")
    facts = ImageFacts(
        width_px=width_px,
        height_px=height_px,
        mean_intensity=float(grey.mean() / np.iinfo(grey.dtype).max),
        source_format="PNG" if isinstance(image, PngImageFile) else "JPEG",
    )
    return grey, facts


def sha256_of(data: bytes) -> str:
    """Returns the SHA-256 digest of a file's bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _open(data: bytes) -> ImageFile:
    """Reads the header.

    The classes are called directly: `PIL.Image.open` has its own limit of the number of
    pixels, and takes a JPEG with an embedded preview for another format.
    """
    if not data:
        raise UnusableImage("the file is empty; copy it again from its source")
    _check_format(data)
    is_jpeg = data.startswith(_JPEG_START)
    if not (_JPEG_END if is_jpeg else _PNG_END).search(data):
        raise UnusableImage(_DAMAGED)
    try:
        if is_jpeg:
            return JpegImageFile(io.BytesIO(data))
        PngImageFile(io.BytesIO(data)).verify()
        return PngImageFile(io.BytesIO(data))
    except _DAMAGE:
        raise UnusableImage(_DAMAGED) from None


def _check_format(data: bytes) -> None:
    for offset, magic, name in _OTHER_FORMATS:
        if data.startswith(magic, offset):
            raise UnusableImage(f"the content is {name}, not JPEG or PNG; convert it to PNG")
    if not data.startswith((_JPEG_START, _PNG_START)):
        raise UnusableImage("the content is no image; only JPEG and PNG are read")


def _check_mode(mode: str) -> None:
    if mode not in _USABLE_MODES:
        reason = f"the pixel format {mode} is not supported; convert it to grey"
        raise UnusableImage(_UNUSABLE_MODES.get(mode, reason))


def _check_sides(width_px: int, height_px: int, options: IngestOptions) -> None:
    size = f"{width_px} x {height_px} pixels"
    if min(width_px, height_px) < options.min_side_px:
        raise UnusableImage(
            f"{size} is too small for a film; below data.min_side_px={options.min_side_px}"
        )
    if max(width_px, height_px) > options.max_side_px:
        raise UnusableImage(
            f"{size} is too large for a film; above data.max_side_px={options.max_side_px}"
        )


def _decode_grey(image: ImageFile) -> np.ndarray:
    """Decodes to [height, width] uint8 or uint16; a JPEG may come out smaller."""
    try:
        image.draft("L", (_MEAN_SIDE_PX, _MEAN_SIDE_PX))
        image.load()
        return np.asarray(image.convert("L") if image.mode == "RGB" else image)
    except _DAMAGE:
        raise UnusableImage(_DAMAGED) from None
