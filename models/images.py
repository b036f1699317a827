"""Encoded films to grey pixels of one size, in TensorFlow ops.

Training and serving decode through here alone. JPEG and PNG are told apart by their
first bytes, because a served model is handed bytes without a file name. Large JPEGs
are shrunk while they are decoded, as decoding is what a full-size film costs most.
"""

from __future__ import annotations

import functools
import math

import tensorflow as tf

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_BIT_DEPTH_BYTE = 24  # in the header chunk, which always comes first
_JPEG_RATIOS = (8, 4, 2, 1)  # what a JPEG decoder can shrink by on the way

# A film shrunk while decoding stays this many times larger than its final size. At 2 the
# result is within half a grey level of a full decode on average; at 1 it is up to 1.8 off.
OVERSAMPLING = 2


def decode_and_resize(encoded: tf.Tensor, size_px: int, border_crop: float = 0.0) -> tf.Tensor:
    """Decodes one film, cuts its border off and brings it to the size of the network's input.

    Args:
        encoded: scalar string, a JPEG or PNG file.
        size_px: height and width of the result; the aspect ratio is not kept.
        border_crop: share of height and width cut off at each side, below 0.5.

    Returns:
        [size_px, size_px] uint8.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no JPEG or PNG file, or a broken one.
    """
    share_kept = 1 - 2 * border_crop
    image = decode_image(encoded, math.ceil(OVERSAMPLING * size_px / share_kept))
    return resize_image(tf.image.central_crop(image, share_kept), size_px)


def decode_image(encoded: tf.Tensor, min_side_px: int | None = None) -> tf.Tensor:
    """Decodes one film to grey; colour becomes luminance (ITU-R BT.601).

    A PNG of 16 bits does not record how many of them are used, so such a film is
    stretched between its own darkest and brightest pixel.

    Args:
        encoded: scalar string: JPEG in grey or colour; PNG of any colour type, 1 to 16 bit.
        min_side_px: a JPEG may be shrunk by 2, 4 or 8 while decoding as long as its shorter
            side keeps this length; None decodes every pixel.

    Returns:
        [height, width, 1] float32 in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no JPEG or PNG file, or a broken one.
    """
    is_png = tf.strings.substr(encoded, 0, len(_PNG_START)) == _PNG_START
    image = tf.cond(
        is_png,
        functools.partial(_decode_png, encoded),
        functools.partial(_decode_jpeg, encoded, min_side_px),
    )
    return tf.ensure_shape(image, [None, None, 1])


def resize_image(image: tf.Tensor, size_px: int) -> tf.Tensor:
    """Resizes one film without aliasing.

    Averages over areas where both sides shrink, in less than half the time of a bilinear
    filter as wide; interpolates where a side grows, as areas would turn into blocks.

    Args:
        image: [height, width, 1] float32 in [0, 255].
        size_px: height and width of the result.

    Returns:
        [size_px, size_px] uint8.
    """
    target = [size_px, size_px]
    sides = tf.shape(image)[:2]
    resize = functools.partial(tf.image.resize, image, target)
    resized = tf.cond(
        tf.reduce_all(sides == size_px),
        lambda: image,
        lambda: tf.cond(
            tf.reduce_all(sides >= size_px),
            lambda: resize(method="area"),
            lambda: resize(method="bilinear", antialias=True),
        ),
    )
    levels = tf.clip_by_value(tf.round(resized), 0.0, 255.0)
    return tf.ensure_shape(tf.cast(levels, tf.uint8)[..., 0], target)


def _decode_png(encoded: tf.Tensor) -> tf.Tensor:
    # Cut out as the end of the beginning: a position beyond the end would be an error that
    # quotes the bytes of the file, which Python then fails to decode as text.
    header = tf.strings.substr(encoded, 0, _PNG_BIT_DEPTH_BYTE + 1)
    is_16_bit = tf.strings.substr(header, -1, 1) == b"\x10"
    return tf.cond(
        is_16_bit,
        lambda: _stretch(tf.io.decode_png(encoded, channels=1, dtype=tf.uint16)),
        lambda: tf.cast(tf.io.decode_png(encoded, channels=1), tf.float32),
    )


def _stretch(image: tf.Tensor) -> tf.Tensor:
    """Stretches 16-bit levels to [0, 255]; a film of a single level becomes black."""
    levels = tf.cast(image, tf.float32)
    darkest = tf.reduce_min(levels)
    return (levels - darkest) * (255.0 / tf.maximum(tf.reduce_max(levels) - darkest, 1.0))


def _decode_jpeg(encoded: tf.Tensor, min_side_px: int | None) -> tf.Tensor:
    start = tf.strings.substr(encoded, 0, len(_JPEG_START))
    known = tf.debugging.Assert(
        start == _JPEG_START, ["The image is neither a JPEG nor a PNG file; it starts with", start]
    )
    with tf.control_dependencies([known]):
        encoded = tf.identity(encoded)
    if min_side_px is None:
        return _decode_jpeg_by(1, encoded)
    shorter_side = tf.reduce_min(tf.io.extract_jpeg_shape(encoded)[:2])
    return _decode_jpeg_by_largest(_JPEG_RATIOS, encoded, shorter_side // min_side_px)


def _decode_jpeg_by_largest(
    ratios: tuple[int, ...], encoded: tf.Tensor, limit: tf.Tensor
) -> tf.Tensor:
    """Decodes by the first of the falling ratios within the limit, or by the last.

    Conditions inside conditions, because Transform's analyzers reject `tf.switch_case`.
    """
    ratio, *rest = ratios
    if not rest:
        return _decode_jpeg_by(ratio, encoded)
    return tf.cond(
        limit >= ratio,
        lambda: _decode_jpeg_by(ratio, encoded),
        lambda: _decode_jpeg_by_largest(tuple(rest), encoded, limit),
    )


def _decode_jpeg_by(ratio: int, encoded: tf.Tensor) -> tf.Tensor:
    # The accurate transform is the one OpenCV and PIL use, and costs 5 % more.
    image = tf.io.decode_jpeg(encoded, channels=1, ratio=ratio, dct_method="INTEGER_ACCURATE")
    return tf.cast(image, tf.float32)
