"""Where a network looks: class activation maps of several layers, as ops for a signature.

Two things are added to Grad-CAM. A film is held against a reference, the mean of normal films: what
a layer holds there too, such as a bright heart, raises the logit of every film and explains none.
And maps of several resolutions are averaged: the last one knows what speaks for pneumonia but not
exactly where, the finer ones where something is but not what it means. Of Grad-CAM, Grad-CAM++,
HiResCAM and LayerCAM, of single layers, means, maxima and products, this pointed best among those
that hang on what was learned; `python -m benchmarks.explanations` compares them.

Source: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017. The reference is that of A. Shrikumar et al., "Learning Important Features
Through Propagating Activation Differences", ICML 2017; several layers are joined as in P.-T. Jiang
et al., "LayerCAM", IEEE Transactions on Image Processing 30, 2021, which takes their maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from models.cut_open import side_by_side
from models.network import pneumonia_logit

# From activations, gradients of the logit of pneumonia, both [batch, rows, columns, channels], and
# activations of the reference, [1, rows, columns, channels], to what each place contributes,
# [batch, rows, columns]; below 0 it speaks against pneumonia.
Weighing = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

# Transparent where the map is 0, then yellow to red: black, orange, red and alpha.
_COLOUR_AT = (0.0, 0.5, 1.0)
_RED, _GREEN, _BLUE, _OPACITY = (1.0, 1.0, 0.85), (0.9, 0.55, 0.0), (0.2, 0.0, 0.0), (0, 0.35, 0.6)


def grad_cam(
    activations_and_logits: keras.Model, images: tf.Tensor, reference: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the logits and the map of pneumonia of any kind.

    Args:
        activations_and_logits: Model of `models.cut_open.activations_and_logits`.
        images: `[batch, height, width, 1]` float32, standardised.
        reference: `[height, width, 1]` float32, of `models.reference_film`.

    Returns:
        The map, `[batch, rows, columns]` float32 in [0, 1], on the grid of the finest layer; the
        largest value of a film is 1, or all are 0 where nothing speaks for pneumonia. The logits,
        `[batch, 1]` or `[batch, 3]` float32.
    """
    maps, logits = layer_maps(activations_and_logits, images, reference, weigh_differences)
    return mean_of(maps), logits


def layer_maps(
    activations_and_logits: keras.Model,
    images: tf.Tensor,
    reference: tf.Tensor,
    weigh: Weighing,
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Computes a map of each explained layer.

    Where the logits are the mean over a film and its mirror image, so is the evidence: the map
    of the mirror image is turned back and added before what speaks against pneumonia is cut off.
    Where they are the mean over several members, their evidence is added as well: to the weighing
    a layer is that of all members, their channels side by side.

    Args:
        activations_and_logits: Model of `models.cut_open.activations_and_logits`.
        images: `[batch, height, width, 1]` float32, standardised.
        reference: `[height, width, 1]` float32, standardised.
        weigh: What a place of a layer contributes.

    Returns:
        Maps, each `[batch, rows, columns]` float32 of at least 0, the coarsest first. The logits,
        `[batch, 1]` or `[batch, 3]` float32, before any sigmoid or softmax.
    """
    together = tf.concat([images, reference[tf.newaxis]], axis=0)
    with tf.GradientTape() as tape:
        tape.watch(together)
        activations, logits = activations_and_logits(together, training=False)
        explained = pneumonia_logit(logits)
    gradients = tape.gradient(explained, activations)
    own, *mirrored = (
        [
            weigh(layer[:-1], gradient[:-1], layer[-1:])
            for layer, gradient in zip(*map(side_by_side, of_half), strict=True)
        ]
        for of_half in zip(activations, gradients, strict=True)
    )
    turned_back = [[tf.reverse(one, [2]) for one in of_half] for of_half in mirrored]
    summed = [tf.add_n(halves) for halves in zip(own, *turned_back, strict=True)]
    return [tf.nn.relu(evidence) for evidence in summed], logits[:-1]


def weigh_differences(
    activations: tf.Tensor, gradients: tf.Tensor, reference: tf.Tensor
) -> tf.Tensor:
    """Weighs what differs from the reference by each channel's mean gradient; a `Weighing`.

    With their signs: to keep only the channels that speak for pneumonia at a place points better
    still, but shows where a film differs from the reference whatever the network has learned.
    """
    channels = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
    return tf.reduce_sum(channels * (activations - reference), axis=-1)


def mean_of(maps: Sequence[tf.Tensor]) -> tf.Tensor:
    """Averages maps on the finest of their grids, the largest value of each counting as 1.

    Args:
        maps: `[batch, rows, columns]` float32 each, of at least 0, the coarsest first.

    Returns:
        `[batch, rows, columns]` float32 in [0, 1], of the last one's grid.
    """
    return largest_is_one(tf.reduce_mean(on_finest_grid(maps), axis=0))


def on_finest_grid(maps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Brings maps, as of `mean_of`, to one grid and to a largest value of 1."""
    grid = maps[-1].shape[1:]
    return [largest_is_one(tf.image.resize(one[..., tf.newaxis], grid)[..., 0]) for one in maps]


def largest_is_one(maps: tf.Tensor) -> tf.Tensor:
    """Scales each map of `[batch, rows, columns]` float32; where all is 0, it stays so."""
    return tf.math.divide_no_nan(maps, tf.reduce_max(maps, axis=[1, 2], keepdims=True))


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
