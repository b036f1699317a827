"""What a graph can tell of an encoded film by its bytes, before it decodes them.

The counterpart, for files that clients send as they are, of what `radiographs.formats` knows.
"""

from __future__ import annotations

import tensorflow as tf

from models import features
from radiographs.options import IngestOptions

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
# In the header chunk, which always comes first.
_PNG_SIDES_BYTE, _PNG_BIT_DEPTH_BYTE, _PNG_COLOUR_TYPE_BYTE = 16, 24, 25
_GREY_AND_COLOUR = (0, 2)  # colour types without palette or alpha
_START_OF_SCAN = 0xDA

# Tag, type and count of EXIF's orientation, little and big endian; and where its value follows.
_ORIENTATION_TAGS = ((b"\x12\x01\x03\x00\x01\x00\x00\x00", 8),
                     (b"\x01\x12\x00\x03\x00\x00\x00\x01", 9))  # fmt: skip
_EXIF = (b"Exif", b"eXIf")  # of JPEG and PNG
_SEARCHED_BYTES = 2048  # the block is one of the first of a file, and the tag one of its first

# A hole is one byte again and again, as where a disk or a network lost a part.
_BLOCK_BYTES = 256
_HOLE_SHARE = 0.05  # of the compressed picture; a flat border compresses to less


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


def has_clear_level(encoded: tf.Tensor) -> tf.Tensor:
    """Tells whether a PNG says that one of its levels or colours is clear: scalar bool.

    The decoder makes an alpha channel of what a palette says, but overlooks this. Whether any
    pixel is clear is not asked.

    Args:
        encoded: scalar string, a JPEG or PNG file.
    """
    head = _bytes(_beginning(encoded, _SEARCHED_BYTES))
    colour_type = _last_byte(_beginning(encoded, _PNG_COLOUR_TYPE_BYTE + 1))
    without_palette = tf.reduce_any(colour_type == tf.constant(_GREY_AND_COLOUR))
    return is_png(encoded) & without_palette & (tf.size(_starts(head, b"tRNS")) > 0)


def has_hole(encoded: tf.Tensor) -> tf.Tensor:
    """Tells whether a part of a JPEG was lost and filled up: scalar bool.

    A JPEG has no checksum, and its decoder makes grey of what is missing. A PNG has one.

    Args:
        encoded: scalar string, a JPEG or PNG file.
    """
    return tf.cond(is_png(encoded), lambda: False, lambda: _scan_has_hole(encoded))


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the orientation that EXIF tells, scalar int32 from 1 to 8; 1 where it tells none.

    Args:
        encoded: scalar string, a JPEG or PNG file.
    """
    head = _bytes(_beginning(encoded, _SEARCHED_BYTES))
    told = [tf.gather(head, _starts(head, tag)[:1] + after) for tag, after in _ORIENTATION_TAGS]
    first = tf.concat([*told, [1]], axis=0)[0]
    has_exif = tf.reduce_any([tf.size(_starts(head, name)) > 0 for name in _EXIF])
    return tf.where(has_exif & (first >= 1) & (first <= 8), first, 1)


def _starts(data: tf.Tensor, pattern: bytes) -> tf.Tensor:
    """Returns where a pattern begins, [matches] int32, with room for one more byte behind it."""
    places = tf.maximum(tf.size(data) - len(pattern) - 2, 0)
    same = [data[shift : places + shift] == byte for shift, byte in enumerate(pattern)]
    return tf.cast(tf.where(tf.reduce_all(same, axis=0))[:, 0], tf.int32)


def _scan_has_hole(encoded: tf.Tensor) -> tf.Tensor:
    data = tf.io.decode_raw(encoded, tf.uint8)
    scan = data[_start_of_scan(data) :]
    blocks = tf.reshape(scan[: tf.size(scan) // _BLOCK_BYTES * _BLOCK_BYTES], [-1, _BLOCK_BYTES])
    empty = tf.reduce_all(blocks == blocks[:, :1], axis=1)
    lost = _BLOCK_BYTES * tf.math.count_nonzero(empty, dtype=tf.int32)
    return tf.cast(lost, tf.float32) > _HOLE_SHARE * tf.cast(tf.size(scan), tf.float32)


def _start_of_scan(data: tf.Tensor) -> tf.Tensor:
    """Walks over the segments of a JPEG, [bytes] uint8, to its picture: scalar int32."""
    last = tf.size(data) - 4

    def is_before(place: tf.Tensor) -> tf.Tensor:
        return (place < last) & (data[tf.minimum(place, last) + 1] != _START_OF_SCAN)

    def next_segment(place: tf.Tensor) -> tf.Tensor:
        high, low = tf.unstack(tf.cast(data[place + 2 : place + 4], tf.int32), num=2)
        return place + 2 + 256 * high + low

    return tf.minimum(tf.while_loop(is_before, next_segment, [tf.constant(2)])[0], last)


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
