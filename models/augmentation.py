"""Random changes to training images: rotation, zoom, mirroring, brightness, noise.

The network should not depend on how a patient stood or a film was exposed, and a few
thousand films would not teach it that. Plain TensorFlow functions in the training input
rather than Keras layers: the exported model holds nothing random, evaluation cannot
augment by accident, and a seed repeats every change.

Works on pixels in [0, 1], before they are standardised, so that brightness and noise
mean the same under every normalisation.
"""

from __future__ import annotations

import math

import tensorflow as tf

from models.hyperparameters import Augmentation


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
    geometry, shift, loudness, noise = tf.unstack(tf.random.split(seed, 4))
    batch = tf.shape(images)[0]
    moved = resample(images, random_transforms(batch, geometry, settings, images.shape[1]))
    brightness = settings.strength * settings.brightness
    shifts = tf.random.stateless_uniform([batch, 1, 1, 1], shift, -brightness, brightness)
    stddevs = tf.random.stateless_uniform(
        [batch, 1, 1, 1], loudness, 0.0, settings.strength * settings.noise_stddev
    )
    grain = tf.random.stateless_normal(tf.shape(moved), noise)
    return tf.clip_by_value(moved + shifts + stddevs * grain, 0.0, 1.0)


def random_transforms(
    batch: int | tf.Tensor, seed: tf.Tensor, settings: Augmentation, size_px: int
) -> tf.Tensor:
    """Draws a rotation, a zoom and whether to mirror for each image of a batch.

    Args:
        batch: number of images.
        seed: [2] int64.
        settings: bounds; strength scales rotation and zoom.
        size_px: height and width of the images.

    Returns:
        [batch, 8] float32, as `make_transforms` gives.
    """
    rotation, zoom, mirror = tf.unstack(tf.random.split(seed, 3))
    degrees = settings.strength * settings.rotation_degrees
    scale = settings.strength * settings.scale
    share_mirrored = 0.5 if settings.horizontal_flip and settings.strength > 0 else 0.0
    return make_transforms(
        tf.random.stateless_uniform([batch], rotation, -degrees, degrees),
        tf.random.stateless_uniform([batch], zoom, 1 - scale, 1 + scale),
        tf.random.stateless_uniform([batch], mirror) < share_mirrored,
        size_px,
    )


def make_transforms(
    degrees: tf.Tensor, zooms: tf.Tensor, mirrored: tf.Tensor, size_px: int
) -> tf.Tensor:
    """Builds affine maps about the centre of the image.

    Args:
        degrees: [batch] float32, rotation, anticlockwise as one looks at the image.
        zooms: [batch] float32, above 1 enlarges.
        mirrored: [batch] bool, exchanges left and right before rotating.
        size_px: height and width of the images.

    Returns:
        [batch, 8] float32: (a0, a1, a2, b0, b1, b2, 0, 0), where the pixel at (x, y) of the
        result comes from (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image.
    """
    radians = degrees * (math.pi / 180)
    cosine, sine = tf.cos(radians) / zooms, tf.sin(radians) / zooms
    side = tf.where(mirrored, -1.0, 1.0)
    a0, a1 = side * cosine, side * -sine
    b0, b1 = sine, cosine
    centre = (size_px - 1) / 2
    a2, b2 = centre * (1 - a0 - a1), centre * (1 - b0 - b1)
    nought = tf.zeros_like(a0)
    return tf.stack([a0, a1, a2, b0, b1, b2, nought, nought], axis=-1)


def resample(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Applies one affine map to each image, bilinearly.

    What a map brings in from outside is mirrored at the border. Black corners would be
    marks that no evaluated film has, and repeated border pixels draw streaks; mirrored
    tissue looks like the tissue beside it, at the price of a side marker shown twice.

    Args:
        images: [batch, height, width, 1] float32.
        transforms: [batch, 8] float32, as `make_transforms` gives.

    Returns:
        Same shape as images, float32.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
