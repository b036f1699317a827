"""Random changes to films and their fields, so that children's films teach of adults too.

Far stronger than what the classifier is trained with: a field has to be found whatever the
framing, the exposure, the tubes and the cover of a film. A share of the films is spoilt, turned
or inverted until it shows no upright chest; nothing is to be found on those.
"""

from __future__ import annotations

import tensorflow as tf

from models.augmentation import (
    blur,
    change_contrast,
    change_gamma,
    change_sharpness,
    fill_rectangles,
    make_transforms,
)

# Bounds to either side.
_ROTATION_DEGREES = 15.0
_ZOOM = 0.35  # logarithm
_ASPECT = 0.22  # logarithm of the stretch of one side against the other
_SHIFT = 0.12  # of the side
_GAMMA = 0.55  # logarithm of the exponent
_CONTRAST = 0.45  # logarithm
_BRIGHTNESS = 0.12
_SHADE = 0.25  # difference between both sides, or top and bottom
_NOISE = 0.06  # most; standard deviation
_OPACITIES = 3  # blurred bright spots, as consolidation and effusions are
_COVERS = 3  # rectangles of one grey: markers, plates, printed text
_COLLIMATED = 0.4  # share of films with dark borders
_SPOILT = 0.08  # share of films that show no upright chest


def vary(films: tf.Tensor, fields: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Changes each film of a batch in its own way, and its fields where they move.

    Args:
        films: [batch, size, size, 1] float32 in [0, 1].
        fields: [batch, size, size, 2] float32 in [0, 1].
        seed: [2] int64; the same seed makes the same changes.

    Returns:
        The same shapes, float32 in [0, 1].
    """
    seeds = tf.unstack(tf.random.split(seed, 9))
    films, fields = _move(films, fields, seeds[0])
    films = _add_opacities(films, seeds[1])
    films = _expose(films, seeds[2])
    films, fields = _spoil(films, fields, seeds[3])
    films, fields = _collimate(films, fields, seeds[4])
    films = _cover(films, seeds[5])
    films = change_sharpness(films, _draw(films, seeds[6], -0.7, 1.0))
    loudness = _draw(films, seeds[7], 0.0, 1.0) ** 3 * _NOISE
    films += loudness * tf.random.stateless_normal(tf.shape(films), seeds[8])
    return tf.clip_by_value(films, 0.0, 1.0), fields


def _move(films: tf.Tensor, fields: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns, zooms, stretches, shifts and mirrors; what comes in from outside is of one grey."""
    rotation, zoom, stretch, shift, mirror, beyond = tf.unstack(tf.random.split(seed, 6))
    batch, size_px = tf.shape(films)[0], films.shape[1]
    zooms = tf.random.stateless_uniform([batch, 1], zoom, -_ZOOM, _ZOOM)
    stretches = tf.random.stateless_uniform([batch, 1], stretch, -_ASPECT, _ASPECT)
    mirrored = tf.random.stateless_uniform([batch], mirror) < 0.5
    maps = make_transforms(
        tf.random.stateless_uniform([batch], rotation, -_ROTATION_DEGREES, _ROTATION_DEGREES),
        tf.exp(zooms + tf.concat([stretches, -stretches], axis=-1)),
        size_px * tf.random.stateless_uniform([batch, 2], shift, -_SHIFT, _SHIFT),
        mirrored,
        size_px,
    )
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.concat([films, fields, tf.ones_like(films)], axis=-1),
        transforms=maps,
        output_shape=[size_px, size_px],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    films, fields, inside = moved[..., :1], moved[..., 1:3], moved[..., 3:]
    grey = tf.maximum(_draw(films, beyond, -0.5, 1.0), 0.0) ** 2
    fields = tf.where(mirrored[:, None, None, None], fields[..., ::-1], fields)
    return films + (1 - inside) * grey, fields


def _add_opacities(films: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    middles = (tf.range(films.shape[1], dtype=tf.float32) + 0.5) / films.shape[1]
    for spot in tf.unstack(tf.random.split(seed, _OPACITIES)):
        place, extent, density = tf.unstack(tf.random.split(spot, 3))
        centres = tf.random.stateless_uniform([tf.shape(films)[0], 2, 1], place, 0.1, 0.9)
        radii = tf.random.stateless_uniform([tf.shape(films)[0], 2, 1], extent, 0.05, 0.25)
        along = tf.exp(-0.5 * tf.square((middles - centres) / radii))
        extents = along[:, 0, :, None, None] * along[:, 1, None, :, None]
        films += tf.maximum(_draw(films, density, -0.6, 0.7), 0.0) * extents * (1 - films)
    return films


def _expose(films: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    gamma, contrast, brightness, shade = tf.unstack(tf.random.split(seed, 4))
    films = change_gamma(films, tf.exp(_draw(films, gamma, -_GAMMA, _GAMMA)))
    films = change_contrast(films, tf.exp(_draw(films, contrast, -_CONTRAST, _CONTRAST)))
    films += _draw(films, brightness, -_BRIGHTNESS, _BRIGHTNESS)
    across, down = tf.unstack(tf.random.split(shade, 2))
    slope = tf.linspace(-0.5, 0.5, films.shape[1])
    films += _draw(films, across, -_SHADE, _SHADE) * slope[None, None, :, None]
    films += _draw(films, down, -_SHADE, _SHADE) * slope[None, :, None, None]
    return tf.clip_by_value(films, 0.0, 1.0)


def _spoil(films: tf.Tensor, fields: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes of some films what is no upright chest, and leaves them without fields."""
    which, how, grain = tf.unstack(tf.random.split(seed, 3))
    spoilt = _draw(films, which, 0.0, 1.0) < _SPOILT
    noise = tf.random.stateless_uniform(tf.shape(films), grain)
    ways = (
        films[:, ::-1],
        tf.transpose(films, [0, 2, 1, 3]),
        tf.transpose(films, [0, 2, 1, 3])[:, ::-1],
        1 - films,
        noise,
        blur(blur(noise)),
    )
    choice = tf.cast(_draw(films, how, 0.0, float(len(ways))), tf.int32)
    without = films
    for index, way in enumerate(ways):
        without = tf.where(choice == index, way, without)
    return tf.where(spoilt, without, films), tf.where(spoilt, 0.0, fields)


def _collimate(films: tf.Tensor, fields: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Darkens borders, as shutters do; a field ends where they begin."""
    which, widths, grey = tf.unstack(tf.random.split(seed, 3))
    batch, size_px = tf.shape(films)[0], films.shape[1]
    draws = tf.random.stateless_uniform([batch, 4, 1], widths, -0.12, 0.12)
    draws = tf.where(_draw(films, which, 0.0, 1.0)[..., 0] < _COLLIMATED, draws, 0.0)
    borders = tf.maximum(draws, 0.0)
    middles = (tf.range(size_px, dtype=tf.float32) + 0.5) / size_px
    columns = (middles > borders[:, 0]) & (middles < 1 - borders[:, 1])
    rows = (middles > borders[:, 2]) & (middles < 1 - borders[:, 3])
    opened = rows[:, :, None, None] & columns[:, None, :, None]
    dark = tf.maximum(_draw(films, grey, -0.3, 0.2), 0.0)
    return tf.where(opened, films, dark), tf.where(opened, fields, 0.0)


def _cover(films: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    for rectangle in tf.unstack(tf.random.split(seed, _COVERS)):
        side, place, grey = tf.unstack(tf.random.split(rectangle, 3))
        batch, size_px = tf.shape(films)[0], films.shape[1]
        sides = size_px * (0.01 + 0.24 * tf.random.stateless_uniform([batch, 2], side) ** 3)
        corners = (size_px - sides) * tf.random.stateless_uniform([batch, 2], place)
        films = fill_rectangles(films, corners, sides, _draw(films, grey, 0.0, 1.0))
    return films


def _draw(films: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Draws one number a film: [batch, 1, 1, 1]."""
    return tf.random.stateless_uniform([tf.shape(films)[0], 1, 1, 1], seed, low, high)
