"""The network that finds the lung fields: a small U-Net, and its weights as plain arrays.

It is trained with batch normalisation and used without: `folded_weights` puts what the
normalisation has learnt into kernels and biases, which is what ships and what enters a graph as
constants. The architecture is written once for both.

Source: O. Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt

SIDE_PX = 128  # height and width of what the network sees, and of the fields it draws
FIELDS = 2  # the lung on the left of the picture, the lung on the right

Weights = Mapping[str, npt.NDArray[np.float32]]  # by layer and part: stem/kernel, stem/bias

_WIDTHS = (16, 24, 40, 64, 96)  # filters at half the side, a fourth, and so on
_PARTS = ("kernel", "bias")


def build_network(normalised: bool) -> keras.Model:
    """Builds the network.

    Half the side is the finest grid that it works on; from there each cell tells its four
    pixels apart. That is a fourth of the work of a U-Net as published.

    Args:
        normalised: with batch normalisation, to be trained; or with biases in its place, to
            hold folded weights.

    Returns:
        Model from `[batch, SIDE_PX, SIDE_PX, 1]` float32, standardised film by film, to logits
        `[batch, SIDE_PX, SIDE_PX, FIELDS]` float32.
    """
    film = keras.Input((SIDE_PX, SIDE_PX, 1), name="film")
    x, skipped = film, []
    for level, width in enumerate(_WIDTHS):
        x = _convolution(x, width, f"down_{level}", normalised, strides=2)
        x = _convolution(x, width, f"encode_{level}", normalised)
        skipped.append(x)
    x = _convolution(skipped.pop(), _WIDTHS[-1], "deepest", normalised)
    for level in reversed(range(len(_WIDTHS) - 1)):
        x = keras.layers.UpSampling2D(name=f"up_{level}")(x)
        x = keras.layers.Concatenate(name=f"join_{level}")([skipped.pop(), x])
        x = _convolution(x, _WIDTHS[level], f"decode_{level}", normalised)
    return keras.Model(film, _pixels_of_cells(x), name="lung_fields")


def folded_weights(network: keras.Model) -> dict[str, npt.NDArray[np.float32]]:
    """Puts the normalisation of a trained network into its convolutions.

    Args:
        network: of `build_network(normalised=True)`.

    Returns:
        Kernels and biases for `with_weights`.
    """
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for layer in network.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        if layer.use_bias:
            kernel, bias = layer.get_weights()
        else:
            normalisation = network.get_layer(f"{layer.name}_normalisation")
            gamma, beta, mean, variance = normalisation.get_weights()
            scale = gamma / np.sqrt(variance + normalisation.epsilon)
            kernel, bias = layer.get_weights()[0] * scale, beta - mean * scale
        weights |= {f"{layer.name}/kernel": kernel, f"{layer.name}/bias": bias}
    return weights


def with_weights(weights: Weights) -> keras.Model:
    """Builds the network without normalisation and gives it folded weights.

    Args:
        weights: of `folded_weights`.

    Returns:
        The network, ready to be used.

    Raises:
        ValueError: a layer has no weights there, or of another shape.
    """
    network = build_network(normalised=False)
    for layer in network.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        names = [f"{layer.name}/{part}" for part in _PARTS]
        given = [weights[name] for name in names if name in weights]
        if [part.shape for part in given] != [tuple(own.shape) for own in layer.weights]:
            raise ValueError(f"the layer {layer.name} has no weights of its shape in the file")
        layer.set_weights(given)
    return network


def _convolution(
    x: keras.KerasTensor, filters: int, name: str, normalised: bool, strides: int = 1
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters,
        3,
        strides,
        padding="same",
        use_bias=not normalised,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if normalised:
        x = keras.layers.BatchNormalization(name=f"{name}_normalisation")(x)
    return keras.layers.ReLU(name=f"{name}_activation")(x)


def _pixels_of_cells(x: keras.KerasTensor) -> keras.KerasTensor:
    """Draws the 2 x 2 pixels of every cell: [batch, side / 2, ...] to [batch, side, ...]."""
    cells = SIDE_PX // 2
    x = keras.layers.Conv2D(4 * FIELDS, 3, padding="same", name="pixels")(x)
    x = keras.layers.Reshape((cells, cells, 2, 2, FIELDS), name="apart")(x)
    x = keras.layers.Permute((1, 3, 2, 4, 5), name="in_rows")(x)
    return keras.layers.Reshape((SIDE_PX, SIDE_PX, FIELDS), name="logits")(x)
