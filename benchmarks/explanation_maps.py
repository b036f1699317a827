"""Maps that compete to explain a film: the served one, those it was chosen from, controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.grad_cam import (
    Weighing,
    largest_is_one,
    layer_maps,
    mean_of,
    on_finest_grid,
    weigh_differences,
)
from models.network import pneumonia_logit

Maps = npt.NDArray[np.float32]  # [films, rows, columns]

OCCLUSION, RANDOM, BLOB = "occlusion", "random", "blob in the middle"

_PLACES = ("last layer", "layer before", "two before")
_OCCLUDED = 4  # a patch is this share of the side, and moves by half of itself
_BATCH = 32


def grad_cam_alone(activations: tf.Tensor, gradients: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Weighs each channel by its mean gradient: Selvaraju et al., ICCV 2017."""
    channels = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
    return tf.reduce_sum(channels * activations, axis=-1)


def grad_cam_plus_plus(
    activations: tf.Tensor, gradients: tf.Tensor, reference: tf.Tensor
) -> tf.Tensor:
    """Weighs channels by positive gradients, evened out: Chattopadhay et al., WACV 2018, eq. 19."""
    total = tf.reduce_sum(activations, axis=[1, 2], keepdims=True)
    shares = tf.math.divide_no_nan(gradients**2, 2 * gradients**2 + total * gradients**3)
    channels = tf.reduce_sum(shares * tf.nn.relu(gradients), axis=[1, 2], keepdims=True)
    return tf.reduce_sum(channels * activations, axis=-1)


def hires_cam(activations: tf.Tensor, gradients: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Weighs each place by its own gradient: Draelos and Carin, arXiv 2011.08891."""
    return tf.reduce_sum(gradients * activations, axis=-1)


def layer_cam(activations: tf.Tensor, gradients: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Weighs each place by its own gradient where that is positive: Jiang et al., IEEE TIP 2021."""
    return tf.reduce_sum(tf.nn.relu(gradients) * activations, axis=-1)


def positive_differences(
    activations: tf.Tensor, gradients: tf.Tensor, reference: tf.Tensor
) -> tf.Tensor:
    """Keeps what speaks for pneumonia in each channel, which fails the checks of Adebayo et al."""
    channels = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
    return tf.reduce_sum(tf.nn.relu(channels * (activations - reference)), axis=-1)


def against_reference(weigh: Weighing) -> Weighing:
    """Returns a weighing of what differs from the reference, place by place."""
    return lambda activations, gradients, reference: weigh(
        activations - reference, gradients, reference
    )


WEIGHINGS: Mapping[str, Weighing] = {
    "served": weigh_differences,
    "positive differences": positive_differences,
    "Grad-CAM": grad_cam_alone,
    "Grad-CAM++": grad_cam_plus_plus,
    "HiResCAM": hires_cam,
    "LayerCAM": layer_cam,
    "HiResCAM of differences": against_reference(hires_cam),
    "LayerCAM of differences": against_reference(layer_cam),
}


def all_maps(cut_open: keras.Model, images: tf.Tensor, reference: tf.Tensor) -> dict[str, Maps]:
    """Explains films in every way but the slow one.

    Args:
        cut_open: Of `models.cut_open.activations_and_logits`.
        images: `[films, height, width, 1]` float32, standardised.
        reference: `[height, width, 1]` float32, of the model.

    Returns:
        Maps in [0, 1] by name, each kind on a grid of its own.
    """
    maps: dict[str, Maps] = {}
    for name, weigh in WEIGHINGS.items():
        layers = _layers(cut_open, images, reference, weigh)
        finest = on_finest_grid(layers)
        maps[f"{name}, mean of layers"] = mean_of(layers).numpy()
        maps[f"{name}, product of layers"] = largest_is_one(tf.reduce_prod(finest, axis=0)).numpy()
        maps[f"{name}, maximum of layers"] = tf.reduce_max(finest, axis=0).numpy()
        for place, layer in zip(_PLACES, layers, strict=False):
            maps[f"{name}, {place}"] = largest_is_one(layer).numpy()
    maps[RANDOM] = np.random.default_rng(0).random((len(images), 8, 8), dtype=np.float32)
    middles = (np.arange(64, dtype=np.float32) + 0.5) / 64 - 0.5
    along = np.exp(-((middles / 0.2) ** 2) / 2)
    maps[BLOB] = np.repeat(np.outer(along, along)[np.newaxis], len(images), axis=0)
    return maps


def occlusion(cut_open: keras.Model, images: tf.Tensor, reference: tf.Tensor) -> Maps:
    """Measures by how much the logit of pneumonia falls where a patch is hidden by the reference.

    A patch of one grey, as published, looks like a consolidation where the lung is dark.

    Source: M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV
    2014.

    Args:
        cut_open: Of `models.cut_open.activations_and_logits`.
        images: `[films, size, size, 1]` float32, standardised.
        reference: `[size, size, 1]` float32, of the model.

    Returns:
        `[films, 8, 8]` float32 in [0, 1]; a place counts the mean fall of the patches over it.
    """
    logit = _logit_of(cut_open)
    steps, size = 2 * _OCCLUDED, int(images.shape[1])
    edges = np.round(np.linspace(0, size, steps + 1)).astype(int)
    pixels = images.numpy()
    before = _batched(logit, pixels)
    fallen = np.zeros((len(pixels), steps, steps), np.float32)
    patches = np.zeros((steps, steps), np.float32)
    for row in range(steps - 1):
        for column in range(steps - 1):
            hidden = pixels.copy()
            rows, columns = (slice(edges[first], edges[first + 2]) for first in (row, column))
            hidden[:, rows, columns] = reference.numpy()[rows, columns]
            fall = np.maximum(before - _batched(logit, hidden), 0)
            fallen[:, row : row + 2, column : column + 2] += fall[:, np.newaxis, np.newaxis]
            patches[row : row + 2, column : column + 2] += 1
    return largest_is_one(tf.constant(fallen / patches)).numpy()


def _layers(
    cut_open: keras.Model, images: tf.Tensor, reference: tf.Tensor, weigh: Weighing
) -> list[tf.Tensor]:
    graph = tf.function(
        lambda batch: layer_maps(cut_open, batch, reference, weigh)[0], reduce_retracing=True
    )
    batches = [graph(images[first : first + _BATCH]) for first in range(0, len(images), _BATCH)]
    return [tf.concat(layer, axis=0) for layer in zip(*batches, strict=True)]


def _logit_of(cut_open: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(
        lambda images: pneumonia_logit(cut_open(images, training=False)[1])[:, 0],
        reduce_retracing=True,
    )


def _batched(
    function: Callable[[tf.Tensor], tf.Tensor], pixels: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    batches = range(0, len(pixels), _BATCH)
    return np.concatenate(
        [function(tf.constant(pixels[first : first + _BATCH])).numpy() for first in batches]
    )
