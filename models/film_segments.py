"""Finds the parts of a film's file in a graph: the scan and EXIF of a JPEG, the chunks of a PNG.

A file is walked from part to part as `radiographs.formats` does it, so that what looks like EXIF
within another part is none. The steps are bounded; nobody's film has as many parts.
"""

from __future__ import annotations

import tensorflow as tf

_EXIF_NAME = b"Exif\0\0"
_MARK, _EXIF_SEGMENT, _START_OF_SCAN = 0xFF, 0xE1, 0xDA
_LONGEST_HEAD = 10  # bytes of a segment that are looked at
_MOST_SEGMENTS = 4096
_PNG_SIGNATURE_BYTES, _CHUNK_FRAME_BYTES = 8, 12
_MOST_CHUNKS = 1 << 14

_ORIENTATION_TAG = 0x0112
_ENTRY_BYTES = 12
_SHORTS, _LONGS = (3, 8), (4, 9)  # types of a value of 2 and of 4 bytes


def jpeg_parts(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Walks over the segments of a JPEG to its picture.

    Args:
        data: [bytes] uint8, the file.

    Returns:
        Where the scan begins, scalar int32; what the first EXIF segment holds, [bytes] uint8, empty
        where there is none; and whether the scan was found, scalar bool.
    """
    last = tf.maximum(tf.size(data) - _LONGEST_HEAD, 0)
    padded = tf.pad(data, [[0, _LONGEST_HEAD]])

    def is_before(place: tf.Tensor, exif: tf.Tensor) -> tf.Tensor:
        is_segment = (place < last) & (padded[place] == _MARK)
        return is_segment & (padded[place + 1] != _START_OF_SCAN)

    def next_segment(place: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        name = tf.slice(padded, [place + 4], [len(_EXIF_NAME)])
        is_exif = (padded[place + 1] == _EXIF_SEGMENT) & tf.reduce_all(name == list(_EXIF_NAME))
        exif = tf.where(is_exif & (exif == 0), place, exif)
        is_padding = padded[place + 1] == _MARK
        following = place + 2 + tf.maximum(_number(tf.slice(padded, [place + 2], [2])), 2)
        return tf.where(is_padding, place + 1, tf.minimum(following, last)), exif

    scan, exif = tf.while_loop(
        is_before, next_segment, (tf.constant(2), tf.constant(0)),
        maximum_iterations=_MOST_SEGMENTS,
    )  # fmt: skip
    end = tf.where(exif > 0, exif + 2 + _number(tf.slice(padded, [exif + 2], [2])), 0)
    found = (padded[scan] == _MARK) & (padded[scan + 1] == _START_OF_SCAN)
    return scan, data[exif + 4 : end], found


def png_chunk(data: tf.Tensor, name: bytes, last: bytes) -> tuple[tf.Tensor, tf.Tensor]:
    """Looks for a chunk of a PNG.

    Args:
        data: [bytes] uint8, the file.
        name: Of the chunk.
        last: Name of the chunk that it has to come before.

    Returns:
        What the first of that name holds, [bytes] uint8, empty where there is none; and whether
        that is certain, scalar bool.
    """
    # Most films have none, and many small chunks.
    size = tf.size(data, out_type=tf.int64)
    padded = tf.pad(data, [[0, _CHUNK_FRAME_BYTES]])

    def is_named(place: tf.Tensor, wanted: bytes) -> tf.Tensor:
        return tf.reduce_all(tf.slice(padded, [place + 4], [len(wanted)]) == list(wanted))

    def length_at(place: tf.Tensor) -> tf.Tensor:
        return _number(tf.slice(padded, [place], [4]), tf.int64)

    def goes_on(place: tf.Tensor) -> tf.Tensor:
        return (place < size) & ~is_named(place, name) & ~is_named(place, last)

    def next_chunk(place: tf.Tensor) -> tf.Tensor:
        return tf.minimum(place + _CHUNK_FRAME_BYTES + length_at(place), size)

    (place,) = tf.while_loop(
        goes_on, lambda place: (next_chunk(place),),
        (tf.constant(_PNG_SIGNATURE_BYTES, tf.int64),),
        maximum_iterations=_MOST_CHUNKS,
    )  # fmt: skip
    found = is_named(place, name) & (place < size)
    length = tf.where(found, length_at(place), 0)
    return data[place + 8 : place + 8 + length], ~goes_on(place)


def orientation_of(exif: tf.Tensor) -> tf.Tensor:
    """Returns the orientation in an EXIF block, scalar int32 from 1 to 8; 1 where it tells none.

    Args:
        exif: [bytes] uint8, with or without the name that leads it in a JPEG.
    """
    block = tf.cond(
        _begins(exif, _EXIF_NAME), lambda: exif[len(_EXIF_NAME) :], lambda: tf.identity(exif)
    )
    little, big = _begins(block, b"II*\0"), _begins(block, b"MM\0*")
    padded = tf.pad(block, [[0, _ENTRY_BYTES]])
    size = tf.size(block, out_type=tf.int64)
    start = tf.minimum(_in_order(tf.slice(padded, [4], [4]), little), size)
    entries = _in_order(tf.slice(padded, [start], [2]), little)
    table = block[start + 2 : start + 2 + _ENTRY_BYTES * entries]
    rows = tf.reshape(table[: tf.size(table) // _ENTRY_BYTES * _ENTRY_BYTES], [-1, _ENTRY_BYTES])
    tag, kind = _in_order(rows[:, :2], little), _in_order(rows[:, 2:4], little)
    is_short, is_long = (
        tf.reduce_any(kind[:, tf.newaxis] == tf.constant(kinds, tf.int64), axis=1)
        for kinds in (_SHORTS, _LONGS)
    )
    short, long = _in_order(rows[:, 8:10], little), _in_order(rows[:, 8:12], little)
    value = tf.where(is_short, short, tf.where(is_long, long, 0))
    count = _in_order(rows[:, 4:8], little)  # two shorts still stand in the entry itself
    told = (tag == _ORIENTATION_TAG) & ((count == 1) | is_short & (count == 2)) & (little | big)
    first = tf.concat([tf.boolean_mask(value, told), [1]], axis=0)[0]
    return tf.cast(tf.where((first >= 1) & (first <= 8), first, 1), tf.int32)


def _begins(data: tf.Tensor, beginning: bytes) -> tf.Tensor:
    first = tf.pad(data[: len(beginning)], [[0, len(beginning)]])[: len(beginning)]
    return tf.reduce_all(first == list(beginning))


def _in_order(digits: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """Returns the numbers of [..., bytes] uint8 in either order of bytes: [...] int64."""
    return _number(tf.where(little, tf.reverse(digits, [-1]), digits), tf.int64)


def _number(digits: tf.Tensor, dtype: tf.DType = tf.int32) -> tf.Tensor:
    """Returns the numbers of [..., bytes] uint8, the highest digit first: [...]."""
    weights = [256**place for place in reversed(range(int(digits.shape[-1])))]
    return tf.reduce_sum(tf.cast(digits, dtype) * tf.constant(weights, dtype), axis=-1)
