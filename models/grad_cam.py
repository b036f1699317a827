"""Grad-CAM: which regions raised P(pneumonia), as TensorFlow ops for a signature.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization, ICCV 2017.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from models.network import pneumonia_logit

# Transparent where the map is 0, then yellow to red: black, orange, red and alpha.
_COLOUR_AT = (0.0, 0.5, 1.0)
_RED, _GREEN, _BLUE, _OPACITY = (1.0, 1.0, 0.85), (0.9, 0.55, 0.0), (0.2, 0.0, 0.0), (0, 0.35, 0.6)


def grad_cam(activations_and_logits: keras.Model, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the logits and the heatmap of pneumonia of any kind.

    Where the logits are the mean over a film and its mirror image, so is the evidence: the map
    of the mirror image is turned back and added before what speaks against pneumonia is cut off.

    Args:
        activations_and_logits: Model of `models.network.activations_and_logits`.
        images: `[batch, height, width, 1]` float32, standardised.

    Returns:
        The heatmap, `[batch, height, width]` float32 in [0, 1]; the largest value of a
        film is 1, or all are 0 where nothing speaks for pneumonia. The logits,
        `[batch, 1]` or `[batch, 3]` float32.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        activations, logits = activations_and_logits(images, training=False)
        explained = pneumonia_logit(logits)
    gradients = tape.gradient(explained, activations)
    own, *mirrored = (
        tf.reduce_sum(tf.reduce_mean(gradient, axis=[1, 2], keepdims=True) * of_half, axis=-1)
        for of_half, gradient in zip(activations, gradients, strict=True)
    )
    evidence = tf.nn.relu(tf.add_n([own, *(tf.reverse(one, [2]) for one in mirrored)]))
    resized = tf.image.resize(evidence[..., tf.newaxis], images.shape[1:3])[..., 0]
    largest = tf.reduce_max(resized, axis=[1, 2], keepdims=True)
    return tf.math.divide_no_nan(resized, largest), logits


def overlay(pixels: tf.Tensor, heatmap: tf.Tensor) -> tf.Tensor:
    """Lays heatmaps over their films.

    Args:
        pixels: `[batch, height, width, 1]` float32 in [0, 1].
        heatmap: `[batch, height, width]` float32 in [0, 1].

    Returns:
        `[batch]` string, RGB PNG files of the same height and width.
    """
    levels = np.linspace(0, 1, 256)
    table = np.stack(
        [np.interp(levels, _COLOUR_AT, channel) for channel in (_RED, _GREEN, _BLUE, _OPACITY)],
        axis=-1,
    ).astype(np.float32)
    colours = tf.gather(tf.constant(table), tf.cast(tf.round(heatmap * 255), tf.int32))
    colour, opacity = colours[..., :3], colours[..., 3:]
    blended = pixels * (1 - opacity) + colour * opacity
    rgb = tf.cast(tf.round(tf.clip_by_value(blended, 0, 1) * 255), tf.uint8)
    return tf.map_fn(tf.io.encode_png, rgb, fn_output_signature=tf.string)
