"""Encoded films to grey pixels of one size, in TensorFlow ops.

Training and serving decode through here alone, and so does the ingest to see whether a film can
be used. Large JPEGs are shrunk while they are decoded, as decoding is what a full-size film
costs most.

The ingest hands on grey upright films of 8 bits, see `radiographs.decoding`. A client may send
any file, so this graph reads what the ingest would read and sees the same picture in it; what
it cannot judge gets a reason, and the films beside it their answers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from models import features
from models.film_files import (
    FilmParts,
    clear_level,
    film_parts,
    has_16_bits,
    is_png,
    quality_of_header,
)
from models.lung_fields.network import SIDE_PX
from radiographs import grey_levels
from radiographs.formats.orientation import MIRRORED, TRANSPOSED, UPENDED
from radiographs.options import IngestOptions

_JPEG_RATIOS = (8, 4, 2, 1)  # what a JPEG decoder can shrink by on the way
_LUMINANCE = (0.299, 0.587, 0.114)  # red, green, blue; ITU-R BT.601
_CMYK_CHANNELS = 4

# A film shrunk while decoding stays this many times larger than its final size. At 2 the
# result is within half a grey level of a full decode on average; at 1 it is up to 1.8 off.
OVERSAMPLING = 2

# Films decoded at once. Enough for every core of a worker; more only costs memory, since
# a film of 100 megapixels takes 400 MB before it is resized.
_PARALLEL_FILMS = 4

ANY_FILM = IngestOptions()


class Framed(NamedTuple):
    """A film at the size of the network's input.

    Attributes:
        pixels: [size, size] uint8.
        shown: whether it shows what is looked for, scalar bool.
        lungs: [LUNGS_SIDE_PX, LUNGS_SIDE_PX, 2] uint8, of 255: how much of a place in `pixels` is
            the lung on the left of the picture, and the one on the right; 0 where nobody looked.
        outline: [SIDE_PX, SIDE_PX] bool, of the film itself, squashed to a square: true in the
            lungs.
    """

    pixels: tf.Tensor
    shown: tf.Tensor
    lungs: tf.Tensor
    outline: tf.Tensor


# From an upright decoded film, [height, width, 1] float32 in [0, 255], and a size in pixels.
Frame = Callable[[tf.Tensor, int], Framed]


class Prepared(NamedTuple):
    """The films of a batch at one size.

    Attributes:
        pixels: [batch, size, size] uint8, 0 where a film cannot be judged.
        qualities: [batch] string, each one of `features.QUALITIES`.
        lungs: [batch, LUNGS_SIDE_PX, LUNGS_SIDE_PX, 2] uint8, as `Framed.lungs`.
        outlines: [batch, SIDE_PX, SIDE_PX] bool, as `Framed.outline`, of films without their
            border.
    """

    pixels: tf.Tensor
    qualities: tf.Tensor
    lungs: tf.Tensor
    outlines: tf.Tensor


def whole_film(film: tf.Tensor, size_px: int) -> Framed:
    """Brings a whole film to one size, the `Frame` that looks for nothing."""
    return Framed(resize_image(film, size_px), tf.constant(True), no_lungs(), no_outline())


def no_lungs() -> tf.Tensor:
    """Returns the lung fields of a film where none were looked for or found."""
    return tf.zeros([features.LUNGS_SIDE_PX, features.LUNGS_SIDE_PX, 2], tf.uint8)


def no_outline() -> tf.Tensor:
    """Returns the same as `Framed.outline`."""
    return tf.zeros([SIDE_PX, SIDE_PX], tf.bool)


def prepare_films(
    encoded: tf.Tensor,
    size_px: int,
    border_crop: float = 0.0,
    bounds: IngestOptions = ANY_FILM,
    enhance: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    frame: Frame = whole_film,
) -> Prepared:
    """Brings the films of a batch to one size, each by itself, and says which are none.

    Film by film, so that memory does not grow with Transform's batches of up to 1,000.

    Args:
        encoded: [batch] string, files.
        size_px: height and width of the result; the aspect ratio is not kept.
        border_crop: share of height and width cut off at each side, below 0.5.
        bounds: of the sides of a film.
        enhance: what is done to the pixels in the end, [size_px, size_px] uint8 to the same.
        frame: what brings a film to the size; a film that does not show what it looks for has
            no lungs.

    Returns:
        The films.
    """
    black = tf.zeros([size_px, size_px], tf.uint8)

    def prepare(film: tf.Tensor) -> tuple[tf.Tensor, ...]:
        quality = quality_of_header(film, bounds)
        prepared = tf.cond(
            quality == features.QUALITY_OK,
            lambda: _decode_and_judge(film, size_px, border_crop, frame),
            lambda: Prepared(black, quality, no_lungs(), no_outline()),
        )
        return tuple(prepared._replace(pixels=enhance(prepared.pixels)))

    failed = (black, tf.constant(features.UNDECODABLE), no_lungs(), no_outline())
    return Prepared(*film_by_film(encoded, prepare, failed))


def film_by_film(
    encoded: tf.Tensor,
    treat: Callable[[tf.Tensor], tuple[tf.Tensor, ...]],
    failed: tuple[tf.Tensor, ...],
) -> tuple[tf.Tensor, ...]:
    """Treats the films of a batch each by itself, and goes on where one fails.

    As a dataset, because there alone TensorFlow goes on when an op has failed.

    Args:
        encoded: [batch] string, files.
        treat: what is done to one of them.
        failed: what stands for its results where an op fails, of the same shapes and dtypes.

    Returns:
        The results, each with the batch as first axis.
    """
    films = tf.shape(encoded, out_type=tf.int64)[0]
    treated = tf.data.Dataset.range(films).map(
        lambda place: (place, treat(encoded[place])),
        num_parallel_calls=_PARALLEL_FILMS,
        deterministic=False,
    )
    # One more, since a dataset without an element has nothing to hand out.
    beyond = tf.data.Dataset.from_tensors((films, failed))
    gathered = treated.ignore_errors().concatenate(beyond).batch(films + 1)
    places, results = gathered.get_single_element()
    return tuple(
        tf.ensure_shape(_scatter(places, result, films, missing), [None, *missing.shape])
        for result, missing in zip(results, failed, strict=True)
    )


def decode_and_resize(
    encoded: tf.Tensor,
    size_px: int,
    border_crop: float = 0.0,
    frame: Frame = whole_film,
    parts: FilmParts | None = None,
) -> tuple[Framed, tf.Tensor]:
    """Decodes one film, cuts its border off and brings it to the size of the network's input.

    Args:
        encoded: scalar string, a JPEG or PNG file.
        size_px: height and width of the result; the aspect ratio is not kept.
        border_crop: share of height and width cut off at each side, below 0.5.
        frame: what brings it to the size.
        parts: of the file, where they have been read.

    Returns:
        The film, upright; and whether every pixel is opaque, scalar bool.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no JPEG or PNG file, or a broken one.
    """
    film, opaque = decode_upright(encoded, size_px, border_crop, parts)
    return frame(without_border(film, border_crop), size_px), opaque


def decode_upright(
    encoded: tf.Tensor, size_px: int, border_crop: float = 0.0, parts: FilmParts | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes one film, as large as it has to be for its final size.

    Args:
        encoded: scalar string, a JPEG or PNG file.
        size_px: height and width that it will be brought to.
        border_crop: share of height and width that will be cut off at each side.
        parts: of the file, where they have been read.

    Returns:
        [height, width, 1] float32 in [0, 255], whole and upright; and whether every pixel is
        opaque, scalar bool.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no JPEG or PNG file, or a broken one.
    """
    image, opaque = decode_image(encoded, math.ceil(OVERSAMPLING * size_px / (1 - 2 * border_crop)))
    return _upright(image, (parts or film_parts(encoded)).orientation), opaque


def without_border(film: tf.Tensor, border_crop: float) -> tf.Tensor:
    """Cuts the border off a film, [height, width, 1], as many pixels at one side as at the other.

    Args:
        film: of `decode_upright`.
        border_crop: share of height and width cut off at each side, below 0.5.
    """
    return tf.ensure_shape(tf.image.central_crop(film, 1 - 2 * border_crop), [None, None, 1])


def decode_image(encoded: tf.Tensor, min_side_px: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes one film to grey, as stored; colour becomes luminance (ITU-R BT.601).

    A PNG of 16 bits does not record how many of them are used, so such a film is stretched, as
    `radiographs.grey_levels` does it.

    Args:
        encoded: scalar string: JPEG in grey or colour; PNG of any colour type, 1 to 16 bit.
        min_side_px: a JPEG may be shrunk by 2, 4 or 8 while decoding as long as its shorter
            side keeps this length; None decodes every pixel.

    Returns:
        [height, width, 1] float32 in [0, 255]; and whether every pixel is opaque, scalar bool.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no JPEG or PNG file, or a broken one.
    """
    image, opaque = tf.cond(
        is_png(encoded),
        functools.partial(_decode_png, encoded),
        lambda: (_decode_jpeg(encoded, min_side_px), True),
    )
    return tf.ensure_shape(image, [None, None, 1]), opaque


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


def stretch(levels: tf.Tensor) -> tf.Tensor:
    """Stretches 16-bit levels between their robust bounds: `grey_levels.to_8_bit`, unrounded.

    Args:
        levels: [height, width, 1] float32, whole numbers up to 65535.

    Returns:
        The same shape, float32 in [0, 255]; a film of a single level becomes black.
    """
    counts = tf.math.bincount(tf.cast(tf.reshape(levels, [-1]), tf.int32), minlength=65536)
    low, high = _quantiles(counts, grey_levels.DEFECT_SHARE)
    occurring = tf.cast(tf.where(counts > 0)[:, 0], tf.int32)
    widest = tf.maximum(grey_levels.GAP * tf.cast(high - low, tf.float32), 1.0)
    apart = tf.cast(occurring[1:] - occurring[:-1], tf.float32) > widest
    below = tf.boolean_mask(occurring[1:], apart & (occurring[1:] <= low))
    above = tf.boolean_mask(occurring[:-1], apart & (occurring[:-1] >= high))
    darkest = tf.cast(tf.concat([occurring[:1], below], axis=0)[-1], tf.float32)
    brightest = tf.cast(tf.concat([above, occurring[-1:]], axis=0)[0], tf.float32)
    span = tf.maximum(brightest - darkest, 1.0)
    return tf.clip_by_value((levels - darkest) * (255.0 / span), 0.0, 255.0)


def _decode_and_judge(
    encoded: tf.Tensor, size_px: int, border_crop: float, frame: Frame
) -> Prepared:
    """Returns what is known of a film, without the batch; black pixels where it is not judged."""
    parts = film_parts(encoded)
    framed, opaque = decode_and_resize(encoded, size_px, border_crop, frame, parts)
    pixels, shown, lungs, outline = framed
    counts = tf.math.bincount(tf.cast(tf.reshape(pixels, [-1]), tf.int32), minlength=256)
    low, high = _quantiles(counts, grey_levels.BLANK_SHARE)
    is_blank = high - low < grey_levels.BLANK_SPREAD
    quality = tf.where(tf.reduce_any(shown), features.QUALITY_OK, features.NO_LUNGS)
    quality = tf.where(is_blank, features.BLANK, quality)
    quality = tf.where(parts.has_hole, features.INCOMPLETE, quality)
    quality = tf.where(opaque, quality, features.TRANSPARENT)
    quality = tf.where(parts.is_understood, quality, features.UNDECODABLE)
    is_judged = quality == features.QUALITY_OK
    return Prepared(
        tf.where(is_judged, pixels, 0), quality, tf.where(is_judged, lungs, 0), outline & is_judged
    )


def _quantiles(counts: tf.Tensor, share: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the levels with at most a share of the pixels below and above, scalar int32."""
    cumulated = tf.cumsum(counts)
    beyond = tf.cast(share * tf.cast(cumulated[-1], tf.float64), tf.int32)
    low = tf.searchsorted(cumulated, beyond[tf.newaxis], side="right")
    high = tf.searchsorted(cumulated, (cumulated[-1] - beyond)[tf.newaxis])
    return low[0], high[0]


def _scatter(
    places: tf.Tensor, values: tf.Tensor, films: tf.Tensor, missing: tf.Tensor
) -> tf.Tensor:
    """Puts values in their places, and what stands for a missing one in the others."""
    shape = tf.concat([[films + 1], tf.shape(missing, out_type=tf.int64)], axis=0)
    everywhere = tf.broadcast_to(missing, shape)
    return tf.tensor_scatter_nd_update(everywhere, places[:, tf.newaxis], values)[:-1]


def _upright(film: tf.Tensor, told: tf.Tensor) -> tf.Tensor:
    """Turns [height, width, 1] pixels as `radiographs.formats.orientation.upright` does."""

    def where_told(
        orientations: tuple[int, ...], film: tf.Tensor, turn: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        is_told = tf.reduce_any(told == tf.constant(orientations))
        turned = tf.cond(is_told, lambda: turn(film), lambda: film)
        return tf.ensure_shape(turned, [None, None, 1])

    film = where_told(TRANSPOSED, film, lambda stored: tf.transpose(stored, [1, 0, 2]))
    film = where_told(MIRRORED, film, lambda stored: tf.reverse(stored, [1]))
    return where_told(UPENDED, film, lambda stored: tf.reverse(stored, [0]))


def _decode_png(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    grey_and_opaque = functools.partial(_grey_and_opaque, clear=clear_level(encoded))
    return tf.cond(
        has_16_bits(encoded),
        lambda: grey_and_opaque(tf.io.decode_png(encoded, channels=0, dtype=tf.uint16), stretch),
        lambda: grey_and_opaque(tf.io.decode_png(encoded, channels=0), tf.identity),
    )


def _grey_and_opaque(
    image: tf.Tensor, finish: Callable[[tf.Tensor], tf.Tensor], clear: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Weighs colours, since the PNG library would weigh them by what a file says of its screen."""
    channels = tf.shape(image)[2]
    grey = tf.cond(
        channels >= 3, lambda: _luminance(image), lambda: tf.cast(image[..., :1], tf.float32)
    )
    # 2 channels are grey and alpha, 4 are colour and alpha.
    opaque = (channels % 2 == 1) | tf.reduce_all(image[..., -1] == image.dtype.max)
    shows_clear = tf.cond(
        tf.size(clear) > 0,
        lambda: tf.reduce_any(tf.reduce_all(tf.cast(image, tf.int32) == clear, axis=-1)),
        lambda: tf.constant(False),
    )
    return finish(grey), opaque & ~shows_clear


def _luminance(image: tf.Tensor) -> tf.Tensor:
    """Returns [height, width, 1] float32, whole numbers."""
    weighted = tf.cast(image[..., :3], tf.float32) * tf.constant(_LUMINANCE)
    return tf.round(tf.reduce_sum(weighted, axis=-1, keepdims=True))


def _decode_jpeg(encoded: tf.Tensor, min_side_px: int | None) -> tf.Tensor:
    shape = tf.io.extract_jpeg_shape(encoded)
    ratios = _JPEG_RATIOS if min_side_px else (1,)
    limit = tf.reduce_min(shape[:2]) // (min_side_px or 1)
    return tf.cond(
        shape[2] == _CMYK_CHANNELS,
        lambda: _luminance(tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")),
        lambda: _decode_jpeg_by_largest(ratios, encoded, limit),
    )


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
