"""Random changes to training images: pose, focus, exposure, noise, hidden parts.

The network should not depend on how a patient stood or a film was exposed, and a few
thousand films would not teach it that. Plain TensorFlow functions in the training input
rather than Keras layers: the exported model holds nothing random, evaluation cannot
augment by accident, and a seed repeats every change.

Changes come in the order in which a film comes about: geometry, detail, exposure, noise;
erasing is last. Geometry is one resampling, whatever is asked of it; any other change
whose bound is 0 is left out of the graph. All work on pixels in [0, 1], before they are
standardised, so that bounds mean the same under every normalisation.
"""

from __future__ import annotations

import math

import tensorflow as tf

from models.hyperparameters import Augmentation

_ERASED_RECTANGLES = 2
_SHORTEST_ERASED = 0.04  # shortest side of an erased rectangle, of the image


def augment(images: tf.Tensor, seed: tf.Tensor, settings: Augmentation) -> tf.Tensor:
    """Changes every image of a batch in its own way, within the bounds.

    Args:
        images: [batch, size, size, 1] float32 in [0, 1].
        seed: [2] int64; the same seed makes the same changes.
        settings: bounds, each multiplied by `settings.strength`; at strength 0 the images
            come back as they are.

    Returns:
        Same shape, float32 in [0, 1].
    """
    if settings.strength == 0:
        return images
    bounds = at_full_strength(settings)
    geometry, *others = tf.unstack(tf.random.split(seed, 5))
    maps = random_transforms(tf.shape(images)[0], geometry, bounds, images.shape[1])
    return _change_pixels(resample(images, maps), others, bounds)


def augment_with_masks(
    images: tf.Tensor, masks: tf.Tensor, seed: tf.Tensor, settings: Augmentation
) -> tuple[tf.Tensor, tf.Tensor]:
    """Changes images as `augment`, and moves what is drawn on each with it.

    Nothing is erased: a mask would go on to show what is seen no more.

    Args:
        images: [batch, size, size, 1] float32 in [0, 1].
        masks: the same shape and range.
        seed: [2] int64.
        settings: bounds.

    Returns:
        Both, of the same shape and range.
    """
    if settings.strength == 0:
        return images, masks
    bounds = _without_erasing(at_full_strength(settings))
    geometry, *others = tf.unstack(tf.random.split(seed, 5))
    maps = random_transforms(tf.shape(images)[0], geometry, bounds, images.shape[1])
    return _change_pixels(resample(images, maps), others, bounds), resample(masks, maps)


def _change_pixels(images: tf.Tensor, seeds: list[tf.Tensor], bounds: Augmentation) -> tf.Tensor:
    """Changes all but the geometry."""
    detail, exposure, noise, erasing = seeds
    images = _vary_detail(images, detail, bounds)
    images = _add_noise(_vary_exposure(images, exposure, bounds), noise, bounds)
    return _erase(tf.clip_by_value(images, 0.0, 1.0), erasing, bounds)


@tf.autograph.experimental.do_not_convert  # it cannot read pydantic, and would say so
def at_full_strength(settings: Augmentation) -> Augmentation:
    """Multiplies the bounds out.

    Args:
        settings: bounds of any strength.

    Returns:
        The same bounds at strength 1; mirroring has none.
    """
    bounds = settings.model_dump(exclude={"strength", "horizontal_flip"})
    scaled = {name: settings.strength * bound for name, bound in bounds.items()}
    return settings.model_copy(update={**scaled, "strength": 1.0})


@tf.autograph.experimental.do_not_convert
def _without_erasing(bounds: Augmentation) -> Augmentation:
    return bounds.model_copy(update={"erase": 0.0})


# Geometry.


def random_transforms(
    batch: int | tf.Tensor, seed: tf.Tensor, bounds: Augmentation, size_px: int
) -> tf.Tensor:
    """Draws rotation, zoom, stretch, shift and whether to mirror for each image of a batch.

    Args:
        batch: number of images.
        seed: [2] int64.
        bounds: of strength 1.
        size_px: height and width of the images.

    Returns:
        [batch, 8] float32, as `make_transforms` gives.
    """
    rotation, zoom, stretch, shift, mirror = tf.unstack(tf.random.split(seed, 5))
    zooms = 1 + _draw([batch, 1], zoom, bounds.scale)
    stretches = _draw([batch, 1], stretch, bounds.aspect)
    share_mirrored = 0.5 if bounds.horizontal_flip else 0.0
    return make_transforms(
        _draw([batch], rotation, bounds.rotation_degrees),
        zooms * tf.exp(tf.concat([stretches, -stretches], axis=-1)),
        size_px * _draw([batch, 2], shift, bounds.shift),
        tf.random.stateless_uniform([batch], mirror) < share_mirrored,
        size_px,
    )


def make_transforms(
    degrees: tf.Tensor,
    zooms: tf.Tensor,
    shifts_px: tf.Tensor,
    mirrored: tf.Tensor,
    size_px: int,
) -> tf.Tensor:
    """Builds affine maps that mirror, zoom, rotate about the centre and then shift.

    Args:
        degrees: [batch] float32, rotation, anticlockwise as one looks at the image.
        zooms: [batch, 2] float32 along x and y, above 1 enlarges.
        shifts_px: [batch, 2] float32 along x and y, to the right and down.
        mirrored: [batch] bool, exchanges left and right.
        size_px: height and width of the images.

    Returns:
        [batch, 8] float32: (a0, a1, a2, b0, b1, b2, 0, 0), where the pixel at (x, y) of the
        result comes from (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image.
    """
    radians = degrees * (math.pi / 180)
    cosine, sine = tf.cos(radians), tf.sin(radians)
    across, down = tf.unstack(1 / zooms, axis=-1)
    across = tf.where(mirrored, -across, across)
    a0, a1 = across * cosine, across * -sine
    b0, b1 = down * sine, down * cosine
    centre = (size_px - 1) / 2
    x, y = tf.unstack(centre + shifts_px, axis=-1)  # where the centre of the image goes
    a2, b2 = centre - a0 * x - a1 * y, centre - b0 * x - b1 * y
    nought = tf.zeros_like(a0)
    return tf.stack([a0, a1, a2, b0, b1, b2, nought, nought], axis=-1)


def resample(images: tf.Tensor, transforms: tf.Tensor, outside: str = "REFLECT") -> tf.Tensor:
    """Applies one affine map to each image, bilinearly.

    What a map brings in from outside is mirrored at the border, if not asked otherwise. Black
    corners would be marks that no evaluated film has, and repeated border pixels draw streaks;
    mirrored tissue looks like the tissue beside it, at the price of a side marker shown twice.

    Args:
        images: [batch, height, width, 1] float32.
        transforms: [batch, 8] float32, as `make_transforms` gives.
        outside: `REFLECT`, or `CONSTANT` for 0.

    Returns:
        Same shape as images, float32.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=outside,
    )


# Detail.


def _vary_detail(images: tf.Tensor, seed: tf.Tensor, bounds: Augmentation) -> tf.Tensor:
    if not bounds.sharpness:
        return images
    return change_sharpness(images, _draw_per_image(images, seed, bounds.sharpness))


def change_sharpness(images: tf.Tensor, amounts: tf.Tensor) -> tf.Tensor:
    """Blurs images, or sharpens them by an unsharp mask.

    Args:
        images: [batch, height, width, 1] float32.
        amounts: broadcastable to images, float32: share of the way to the blurred image;
            below 0 leads away from it, which sharpens.

    Returns:
        Same shape, float32; sharpened edges may leave [0, 1].
    """
    return images + amounts * (blur(images) - images)


def blur(images: tf.Tensor) -> tf.Tensor:
    """Averages over 3x3 pixels twice, close to a Gaussian of 1.15 pixels.

    At the border only pixels inside count, so it does not darken.

    Args:
        images: [batch, height, width, 1] float32.

    Returns:
        Same shape, float32.
    """
    lines = images[..., 0]
    for _ in ("down", "across"):
        # Columns in the place of channels: with a single channel, pooling takes ten times as long.
        columns = lines[:, :, tf.newaxis]
        for _ in range(2):
            columns = tf.nn.avg_pool2d(columns, [3, 1], strides=1, padding="SAME")
        lines = tf.transpose(columns[:, :, 0], [0, 2, 1])
    return lines[..., tf.newaxis]


# Exposure.


def _vary_exposure(images: tf.Tensor, seed: tf.Tensor, bounds: Augmentation) -> tf.Tensor:
    contrast, brightness, gamma = tf.unstack(tf.random.split(seed, 3))
    if bounds.contrast:
        factors = tf.exp(_draw_per_image(images, contrast, bounds.contrast))
        images = change_contrast(images, factors)
    if bounds.brightness:
        images += _draw_per_image(images, brightness, bounds.brightness)
    if bounds.gamma:
        images = change_gamma(images, tf.exp(_draw_per_image(images, gamma, bounds.gamma)))
    return images


def change_contrast(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Stretches grey levels about the mean of each image.

    Args:
        images: [batch, height, width, 1] float32.
        factors: [batch, 1, 1, 1] float32, above 1 for more contrast.

    Returns:
        Same shape, float32; may leave [0, 1].
    """
    means = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return means + factors * (images - means)


def change_gamma(images: tf.Tensor, exponents: tf.Tensor) -> tf.Tensor:
    """Raises grey levels to a power; black and white stay where they are.

    Args:
        images: [batch, height, width, 1] float32, clipped to [0, 1] first.
        exponents: [batch, 1, 1, 1] float32 above 0; above 1 darkens.

    Returns:
        Same shape, float32 in [0, 1].
    """
    # An eighth of the time of tf.pow; black is exp(-infinity), which is 0.
    return tf.exp(exponents * tf.math.log(tf.clip_by_value(images, 0.0, 1.0)))


def _add_noise(images: tf.Tensor, seed: tf.Tensor, bounds: Augmentation) -> tf.Tensor:
    if not bounds.noise_stddev:
        return images
    loudness, grain = tf.unstack(tf.random.split(seed, 2))
    stddevs = tf.random.stateless_uniform(
        [tf.shape(images)[0], 1, 1, 1], loudness, 0.0, bounds.noise_stddev
    )
    return images + stddevs * tf.random.stateless_normal(tf.shape(images), grain)


# Erasing.


def _erase(images: tf.Tensor, seed: tf.Tensor, bounds: Augmentation) -> tf.Tensor:
    """Greys out rectangles at random places.

    Source: Z. Zhong et al., "Random Erasing Data Augmentation", AAAI 2020; here every image
    loses two rectangles, and the random value is one grey for each.
    """
    if not bounds.erase:
        return images
    for rectangle in tf.unstack(tf.random.split(seed, _ERASED_RECTANGLES)):
        side, place, grey = tf.unstack(tf.random.split(rectangle, 3))
        batch, size_px = tf.shape(images)[0], images.shape[1]
        shortest = min(_SHORTEST_ERASED, bounds.erase)
        sides = size_px * tf.random.stateless_uniform([batch, 2], side, shortest, bounds.erase)
        corners = (size_px - sides) * tf.random.stateless_uniform([batch, 2], place)
        images = fill_rectangles(
            images, corners, sides, tf.random.stateless_uniform([batch, 1, 1, 1], grey)
        )
    return images


def fill_rectangles(
    images: tf.Tensor, corners_px: tf.Tensor, sides_px: tf.Tensor, greys: tf.Tensor
) -> tf.Tensor:
    """Fills one rectangle of each image.

    Args:
        images: [batch, size, size, 1] float32.
        corners_px: [batch, 2] float32, x and y of the upper left corner; 0 is the image's edge.
        sides_px: [batch, 2] float32, width and height.
        greys: [batch, 1, 1, 1] float32.

    Returns:
        Same shape, float32; changed where the middle of a pixel lies inside.
    """
    middles = tf.range(images.shape[1], dtype=tf.float32) + 0.5
    first, end = corners_px[..., tf.newaxis], (corners_px + sides_px)[..., tf.newaxis]
    columns, rows = tf.unstack((first <= middles) & (middles < end), axis=1)
    inside = rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis]
    return tf.where(inside, greys, images)


def _draw_per_image(images: tf.Tensor, seed: tf.Tensor, bound: float) -> tf.Tensor:
    return _draw([tf.shape(images)[0], 1, 1, 1], seed, bound)


def _draw(shape: list[int | tf.Tensor], seed: tf.Tensor, bound: float) -> tf.Tensor:
    """Draws evenly from -bound to bound."""
    return tf.random.stateless_uniform(shape, seed, -bound, bound)
