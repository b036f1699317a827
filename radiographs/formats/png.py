"""PNG: which files hold a film, and what of them is kept (ISO/IEC 15948).

Pillow decodes, and OpenCV where Pillow would drop the lower half of 16-bit colours. Both forgive
more than the decoder of a served model, so chunks, checksums and the amount of data are checked
here. Metadata is read for the orientation and left out of what is kept.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from radiographs.errors import UnusableImage
from radiographs.formats.decoder import CheckSides, DecodedFilm, damaged, transparent
from radiographs.formats.orientation import TRANSPOSED, UPRIGHT, orientation_of, upright

_START = b"\x89PNG\r\n\x1a\n"
_HEADER, _PALETTE, _ALPHA, _PIXELS, _END = b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"
_PICTURE = (_HEADER, _PALETTE, _ALPHA, _PIXELS, _END)  # without these bytes it is another one
_EXIF = b"eXIf"

_GREY, _COLOUR, _INDEXED, _GREY_ALPHA, _COLOUR_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _COLOUR: 3, _INDEXED: 1, _GREY_ALPHA: 2, _COLOUR_ALPHA: 4}
_LUMINANCE = np.array([0.114, 0.587, 0.299], np.float32)  # blue, green, red; ITU-R BT.601
# Adam7: first column and row of each pass, and its steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip
_WIDEST_WINDOW = b"\x78\x01"  # zlib header of 32 kB
_Chunk = tuple[bytes, bytes]  # name and body
_AT_ONCE = 1 << 20  # bytes unpacked at a time
_MOST_CHUNKS = 100_000  # of a film of 100 megapixels in chunks of 8 kB there are some 25,000


@dataclass(frozen=True)
class _Header:
    width_px: int
    height_px: int
    bits: int
    colour: int
    interlaced: bool

    @property
    def plain(self) -> bool:
        """Whether pixels are stored as the bytes that the pipeline works with."""
        return self.colour == _GREY and self.bits == 8

    def unpacked_bytes(self) -> int:
        """Returns how many bytes the pixels and the filter of each row take."""
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        bits = self.bits * _CHANNELS[self.colour]
        total = 0
        for column, row, across, down in passes:
            columns = -(-(self.width_px - column) // across)
            rows = -(-(self.height_px - row) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + -(-columns * bits // 8))
        return total


class PngDecoder:
    """PNG of any colour type, 2 to 16 bits, opaque."""

    name = "PNG"
    start = _START

    def recognises(self, data: bytes) -> bool:
        """Tells by the signature."""
        return data.startswith(self.start)

    def decode(self, data: bytes, check_sides: CheckSides) -> DecodedFilm:
        """Decodes the luminance; a grey upright film of 8 bits is kept without its metadata."""
        chunks = list(_chunks(data))
        header, orientation = _header(chunks), _orientation(chunks)
        check_sides(*_turned(header, orientation))
        if header.bits == 1:
            raise UnusableImage(
                "it is black and white without grey levels; export it again with 8 or 16 bit"
            )
        chunks, picture = _picture(chunks, header)
        levels = upright(_levels(picture, header), orientation)
        alone = header.plain and orientation == UPRIGHT and all(n != _ALPHA for n, _ in chunks)
        return DecodedFilm(levels, levels.shape[1], levels.shape[0], picture if alone else None)


def decode_drawing(data: bytes, check_sides: CheckSides) -> np.ndarray:
    """Decodes what was drawn on a film, which may be of 1 bit, as strictly as a film.

    Args:
        data: The encoded file.
        check_sides: Called with the upright sides, before any pixel is decoded.

    Returns:
        `[height, width]` uint8 or uint16, its luminance, upright.

    Raises:
        UnusableImage: If it is no PNG, damaged, or not opaque.
    """
    if not data.startswith(_START):
        raise damaged("it is no PNG")
    chunks = list(_chunks(data))
    header, orientation = _header(chunks), _orientation(chunks)
    check_sides(*_turned(header, orientation))
    return upright(_levels(_picture(chunks, header)[1], header), orientation)


def encode_png(grey: np.ndarray) -> bytes:
    """Encodes `[height, width]` uint8 without loss."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", compress_level=1)
    return file.getvalue()


def decode_grey_png(data: bytes) -> np.ndarray:
    """Decodes a grey PNG of 8 bits that `PngDecoder` has kept: `[height, width]` uint8."""
    return np.asarray(PngImageFile(io.BytesIO(data)))


def png_size(data: bytes) -> tuple[int, int]:
    """Returns width and height of a PNG that `PngDecoder` has kept, in pixels."""
    header = _header(list(itertools.islice(_chunks(data), 1)))
    return header.width_px, header.height_px


def _orientation(chunks: list[_Chunk]) -> int:
    return next((orientation_of(body) for name, body in chunks if name == _EXIF), UPRIGHT)


def _picture(chunks: list[_Chunk], header: _Header) -> tuple[list[_Chunk], bytes]:
    """Returns the chunks that make the picture, all of it there, and the file that they are."""
    chunks = _unpackable([one for one in chunks if one[0] in _PICTURE], header)
    return chunks, _START + b"".join(_packed(name, body) for name, body in chunks)


def _turned(header: _Header, orientation: int) -> tuple[int, int]:
    sides = (header.width_px, header.height_px)
    return sides[::-1] if orientation in TRANSPOSED else sides


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yields name and body of each chunk; what comes after the last one is no part of the file."""
    place, count = len(_START), 0
    while True:
        count += 1
        if count > _MOST_CHUNKS:
            raise damaged(f"it holds more than {_MOST_CHUNKS:,} chunks")
        if place + 12 > len(data):
            raise damaged("the end is missing")
        size, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + size]
        checksum = data[place + 8 + size : place + 12 + size]
        if name in _PICTURE and checksum != struct.pack(">I", zlib.crc32(name + body)):
            raise damaged(f"the checksum of {name.decode()} is wrong")
        yield name, body
        if name == _END:
            return
        place += 12 + size


def _header(chunks: list[_Chunk]) -> _Header:
    name, body = chunks[0]
    if name != _HEADER or len(body) != 13:
        raise damaged("it does not begin with a header")
    width_px, height_px, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
    if colour not in _CHANNELS or bits not in (1, 2, 4, 8, 16) or not width_px or not height_px:
        raise damaged("the header makes no sense")
    return _Header(width_px, height_px, bits, colour, bool(interlaced))


def _unpackable(chunks: list[_Chunk], header: _Header) -> list[_Chunk]:
    """Sees that all pixels are there, and mends a header that declares too small a window.

    Some writers declare less than they use. Pillow does not look, the model's decoder refuses; the
    largest window is never too small.
    """
    try:
        missing = _missing_bytes(chunks, header)
    except zlib.error:
        chunks = _with_widest_window(chunks)
        try:
            missing = _missing_bytes(chunks, header)
        except zlib.error as error:
            raise damaged(f"the pixels cannot be unpacked: {error}") from None
    if missing > 0:
        raise damaged("rows are missing at the end")
    return chunks


def _with_widest_window(chunks: list[_Chunk]) -> list[_Chunk]:
    first = next(place for place, (name, _) in enumerate(chunks) if name == _PIXELS)
    mended = _WIDEST_WINDOW + chunks[first][1][len(_WIDEST_WINDOW) :]
    return [*chunks[:first], (_PIXELS, mended), *chunks[first + 1 :]]


def _missing_bytes(chunks: list[_Chunk], header: _Header) -> int:
    """Unpacks the pixels, a piece at a time, within the window that is declared."""
    unpacker, missing = zlib.decompressobj(wbits=0), header.unpacked_bytes()
    for piece in (body for name, body in chunks if name == _PIXELS):
        while piece and missing > 0 and not unpacker.eof:
            missing -= len(unpacker.decompress(piece, min(_AT_ONCE, missing)))
            piece = unpacker.unconsumed_tail
    if missing > 0 and not unpacker.eof:
        missing -= len(unpacker.flush())
    return missing


def _packed(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _levels(picture: bytes, header: _Header) -> np.ndarray:
    """Decodes to `[height, width]` uint8 or uint16."""
    if header.bits == 16 and header.colour != _GREY:
        return _levels_of_16_bit_colour(picture)
    try:
        image: Image.Image = PngImageFile(io.BytesIO(picture))
        level = image.info.get("transparency")
        if header.colour == _GREY and level is not None and header.bits < 8:
            # Pillow spreads the pixels over 8 bits, but not the level that is clear.
            image.info["transparency"] = level * (255 // (2**header.bits - 1))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise damaged(str(error)) from None
    if image.mode == "I;16":
        levels = np.asarray(image, np.uint16)
        if level is not None and (levels == level).any():
            raise transparent()
        return levels
    if level is not None or image.mode in ("LA", "PA", "RGBA"):
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            raise transparent()
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _levels_of_16_bit_colour(picture: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise damaged("the pixels cannot be unpacked")
    if pixels.shape[2] == 4 and pixels[..., 3].min() < np.iinfo(pixels.dtype).max:
        raise transparent()
    levels = np.empty(pixels.shape[:2], np.uint16)
    for row, colours in zip(levels, pixels, strict=True):  # all at once take thrice the memory
        row[:] = np.round(colours[:, :3] @ _LUMINANCE)
    return levels
