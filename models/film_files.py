"""What a graph can tell of an encoded film by its bytes, before it decodes them.

The counterpart, for files that clients send as they are, of what `radiographs.formats` knows.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from models import features
from models.film_segments import jpeg_parts, orientation_of, png_chunk
from radiographs.options import IngestOptions

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
# In the header chunk, which always comes first.
_PNG_SIDES_BYTE, _PNG_BIT_DEPTH_BYTE, _PNG_COLOUR_TYPE_BYTE = 16, 24, 25
_CHANNELS = {0: 1, 2: 3}  # grey and colour: the types without palette or alpha

# Chunks, and the one that each has to come before.
_EXIF_CHUNK, _CLEAR_CHUNK = (b"eXIf", b"IEND"), (b"tRNS", b"IDAT")

# A hole is one byte again and again, as where a disk or a network lost a part.
_BLOCK_BYTES = 256
_HOLE_SHARE = 0.05  # of the compressed picture; a flat border compresses to less


class FilmParts(NamedTuple):
    """What lies round the pixels of a film.

    Attributes:
        orientation: that EXIF tells, scalar int32 from 1 to 8; 1 where it tells none.
        has_hole: scalar bool, whether a part of a JPEG was lost and filled up. It has no checksum,
            and its decoder makes grey of what is missing; a PNG has one.
        is_understood: scalar bool, whether the file was walked to its pixels, so that nothing was
            overlooked.
    """

    orientation: tf.Tensor
    has_hole: tf.Tensor
    is_understood: tf.Tensor


def is_png(encoded: tf.Tensor) -> tf.Tensor:
    """Tells by its signature whether a file, scalar string, is a PNG: scalar bool."""
    return tf.strings.substr(encoded, 0, len(_PNG_START)) == _PNG_START


def has_16_bits(encoded: tf.Tensor) -> tf.Tensor:
    """Tells whether a PNG, scalar string, has 16 bits a channel: scalar bool."""
    return _bit_depth(encoded) == 16


def quality_of_header(encoded: tf.Tensor, bounds: IngestOptions) -> tf.Tensor:
    """Judges a film by its header, so that a huge one is not unpacked.

    Args:
        encoded: scalar string, a file.
        bounds: of the sides.

    Returns:
        scalar string, one of `features.QUALITIES`.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no JPEG or PNG file, or a broken one.
    """
    known = tf.debugging.Assert(
        is_png(encoded) | (tf.strings.substr(encoded, 0, len(_JPEG_START)) == _JPEG_START),
        ["The image is neither a JPEG nor a PNG file"],
    )
    with tf.control_dependencies([known]):
        encoded = tf.identity(encoded)
    sides, bits = tf.cond(
        is_png(encoded),
        lambda: (_png_sides(encoded), _bit_depth(encoded)),
        lambda: (tf.io.extract_jpeg_shape(encoded)[:2], 8),
    )
    quality = tf.where(bits == 1, features.BLANK, features.QUALITY_OK)
    quality = tf.where(tf.reduce_min(sides) < bounds.min_side_px, features.TOO_SMALL, quality)
    return tf.where(tf.reduce_max(sides) > bounds.max_side_px, features.TOO_LARGE, quality)


def film_parts(encoded: tf.Tensor) -> FilmParts:
    """Reads what lies round the pixels of a film.

    Args:
        encoded: scalar string, a JPEG or PNG file.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    exif, has_hole, is_understood = tf.cond(
        is_png(encoded), lambda: _png_parts(encoded, data), lambda: _jpeg_parts(data)
    )
    return FilmParts(orientation_of(exif), has_hole, is_understood)


def _png_parts(encoded: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    # EXIF may come after thousands of chunks, and most films have none.
    has_exif = tf.size(tf.strings.split(encoded, _EXIF_CHUNK[0], maxsplit=1)) > 1
    exif, is_certain = tf.cond(
        has_exif, lambda: png_chunk(data, *_EXIF_CHUNK), lambda: (data[:0], tf.constant(True))
    )
    return exif, tf.constant(False), is_certain & png_chunk(data, *_CLEAR_CHUNK)[1]


def _jpeg_parts(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    start_of_scan, exif, is_found = jpeg_parts(data)
    return exif, _has_hole(data[start_of_scan:]), is_found


def clear_level(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the grey level or the colour that a PNG without palette and alpha calls clear.

    The decoder makes an alpha channel of what a palette says, but overlooks this.

    Args:
        encoded: scalar string, a PNG file.

    Returns:
        [1 or 3] int32, a level as the decoder hands it out; empty where none is named.
    """
    body, _ = png_chunk(tf.io.decode_raw(encoded, tf.uint8), *_CLEAR_CHUNK)
    digits = tf.reshape(tf.cast(body[: tf.size(body) // 2 * 2], tf.int32), [-1, 2])
    levels = 256 * digits[:, 0] + digits[:, 1]
    # Levels of less than 8 bits are spread over all 8.
    bits = _bit_depth(encoded)
    spread = tf.where(bits < 8, levels * (255 // (tf.bitwise.left_shift(1, bits) - 1)), levels)
    colour_type = _last_byte(_beginning(encoded, _PNG_COLOUR_TYPE_BYTE + 1))
    is_named = [
        (colour_type == kind) & (tf.size(spread) == channels)
        for kind, channels in _CHANNELS.items()
    ]
    return tf.cond(tf.reduce_any(is_named), lambda: spread, lambda: spread[:0])


def _has_hole(scan: tf.Tensor) -> tf.Tensor:
    blocks = tf.reshape(scan[: tf.size(scan) // _BLOCK_BYTES * _BLOCK_BYTES], [-1, _BLOCK_BYTES])
    empty = tf.reduce_all(blocks == blocks[:, :1], axis=1)
    lost = _BLOCK_BYTES * tf.math.count_nonzero(empty, dtype=tf.int32)
    return tf.cast(lost, tf.float32) > _HOLE_SHARE * tf.cast(tf.size(scan), tf.float32)


def _png_sides(encoded: tf.Tensor) -> tf.Tensor:
    digits = tf.reshape(_bytes(tf.strings.substr(encoded, _PNG_SIDES_BYTE, 8)), [2, 4])
    sides = tf.reduce_sum(tf.cast(digits, tf.int64) * [1 << 24, 1 << 16, 1 << 8, 1], axis=1)
    return tf.cast(tf.minimum(sides, tf.int32.max), tf.int32)


def _bit_depth(encoded: tf.Tensor) -> tf.Tensor:
    return _last_byte(_beginning(encoded, _PNG_BIT_DEPTH_BYTE + 1))


def _last_byte(beginning: tf.Tensor) -> tf.Tensor:
    # Cut out as the end of the beginning: a position beyond the end would be an error that
    # quotes the bytes of the file, which Python then fails to decode as text.
    return _bytes(tf.strings.substr(beginning, -1, 1))[0]


def _beginning(encoded: tf.Tensor, count: int) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, count)


def _bytes(text: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
