"""The one seam between files and films: any readable file becomes a canonical film.

A canonical film is a grey JPEG or PNG of 8 bits, upright and without metadata. Ingest, external
sites, audits and clients all go through here, and the served graph decodes what comes out. This
is also where a damaged, foreign or empty file is found out, with a reason that is true.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from PIL import Image

from radiographs.errors import UnusableImage
from radiographs.formats import DECODERS, FilmDecoder
from radiographs.formats.decoder import CheckSides, damaged
from radiographs.formats.dicom import DicomFacts
from radiographs.formats.jpeg import JpegDecoder, decode_grey_jpeg, jpeg_size
from radiographs.formats.png import decode_grey_png, encode_png, png_size
from radiographs.grey_levels import is_blank, to_8_bit
from radiographs.memory_room import Room
from radiographs.options import IngestOptions

# Other formats that films come in, often under a wrong name: offset, bytes there, format.
_OTHER_FORMATS = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"%PDF-", "PDF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
)

UNFORESEEN = "its decoder failed"  # a reason that no file should have; tests look for it

_SEARCHED_BYTES = 1024  # for a film that does not begin where the file does

# That are decoded at once, at up to 16 bytes each on the way; a usual film has one to ten million
# pixels, so these do not wait.
ROOM_PX = 64_000_000
ROOM = Room(ROOM_PX)
_HANDY_SIDE_PX = 4096  # of a film that is looked at after it was encoded


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the pixels and the header of a usable film say.

    Attributes:
        width_px: Width of the upright film, as large as in the file.
        height_px: Height of the same.
        mean_intensity: Mean of the grey levels in [0, 1], of 16 bits after stretching.
        source_format: `JPEG`, `PNG` or `DICOM`, encoding of the file.
        sha256: Digest of the file, in hexadecimal.
        dicom: What the tags of a DICOM file say; None of another file.
    """

    width_px: int
    height_px: int
    mean_intensity: float
    source_format: str
    sha256: str
    dicom: DicomFacts | None = None


@dataclass(frozen=True, slots=True)
class CanonicalFilm:
    """A film that every later step can decode.

    Attributes:
        encoded: Grey JPEG or PNG of 8 bits, upright, without metadata.
        facts: Of the file that it came from.
        grey: `[height, width]` uint8, its pixels; of a large JPEG a copy of at least 256 pixels a
            side, of a huge film one of 4,096 pixels at most.
    """

    encoded: bytes
    facts: ImageFacts
    grey: np.ndarray


def read_film(data: bytes, options: IngestOptions) -> CanonicalFilm:
    """Turns a file into a canonical film.

    Usable are JPEG of 8 bits and PNG of up to 16, grey, in colours or of a palette, opaque, and
    DICOM of one grey frame that its tags do not tell to be anything but a frontal chest; of a side
    within the options, and showing something. The sides are checked before pixels are decoded, so
    a small file that unpacks to a huge image costs nothing. Colours become their luminance (ITU-R
    BT.601). A grey film of 8 bits keeps its bytes but for metadata.

    Args:
        data: The encoded file.
        options: Bounds of the sides.

    Returns:
        The film and its facts.

    Raises:
        UnusableImage: Saying why the file is no usable film.
    """
    decoder = _decoder_of(data)
    with ExitStack() as decoding:

        def check_sides(width_px: int, height_px: int) -> None:
            _check_sides(width_px, height_px, options)
            decoding.enter_context(ROOM.taken(width_px * height_px))

        return _read(data, decoder, check_sides)


def _read(data: bytes, decoder: FilmDecoder, check_sides: CheckSides) -> CanonicalFilm:
    try:
        film = decoder.decode(data, check_sides)
    except UnusableImage:
        raise
    except Exception as error:  # one file must not end a run, whatever nobody has thought of
        raise damaged(f"{UNFORESEEN}: {type(error).__name__}") from None
    grey = to_8_bit(film.levels) if film.levels.dtype == np.uint16 else film.levels
    if is_blank(grey):
        raise UnusableImage("all pixels are nearly equal; it has no content")
    facts = ImageFacts(
        width_px=film.width_px,
        height_px=film.height_px,
        mean_intensity=float(grey.mean() / 255),
        source_format=decoder.name,
        sha256=sha256_of(data),
        dicom=film.facts,
    )
    return CanonicalFilm(film.encoded or encode_png(grey), facts, _reduced(grey, _HANDY_SIDE_PX))


def grey_levels(encoded: bytes, max_side_px: int) -> np.ndarray:
    """Decodes a canonical film; a large one is reduced by areas.

    Args:
        encoded: Of a `CanonicalFilm`.
        max_side_px: Longest side of the result.

    Returns:
        `[height, width]` uint8.
    """
    is_jpeg = JpegDecoder().recognises(encoded)
    grey = decode_grey_jpeg(encoded, max_side_px) if is_jpeg else decode_grey_png(encoded)
    return _reduced(grey, max_side_px)


def _reduced(grey: np.ndarray, max_side_px: int) -> np.ndarray:
    factor = max(grey.shape) / max_side_px
    if factor <= 1:
        return grey
    height, width = (max(1, round(side / factor)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def film_size(encoded: bytes) -> tuple[int, int]:
    """Returns width and height of a canonical film in pixels."""
    return jpeg_size(encoded) if JpegDecoder().recognises(encoded) else png_size(encoded)


def sha256_of(data: bytes) -> str:
    """Returns the SHA-256 digest of a file's bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _decoder_of(data: bytes) -> FilmDecoder:
    if not data:
        raise UnusableImage("the file is empty; copy it again from its source")
    for decoder in DECODERS:
        if decoder.recognises(data):
            return decoder
    for offset, magic, name in _OTHER_FORMATS:
        if data.startswith(magic, offset):
            raise UnusableImage(f"the content is {name}, not JPEG, PNG or DICOM; convert it to PNG")
    _refuse_late_start(data)
    raise UnusableImage("the content is no image; only JPEG, PNG and DICOM are read")


def _refuse_late_start(data: bytes) -> None:
    """Says so where other bytes come before a film, which no decoder of a served model skips."""
    for decoder in DECODERS:
        before = data.find(decoder.start, 0, _SEARCHED_BYTES)
        if before > 0:
            stray = "1 stray byte comes" if before == 1 else f"{before:,} stray bytes come"
            raise UnusableImage(
                f"{stray} before the start of the {decoder.name}; take them out, or copy it again "
                "from its source"
            )


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
