"""EfficientNet-Lite, and how the weights that PyTorch saved of it are laid out.

A variant of EfficientNet (Tan and Le, ICML 2019) for small devices: no squeeze-and-excitation,
ReLU6 in place of swish, stem and head of one width whatever the scaling, first and last stage of
one depth. Architecture and scalings are those of TensorFlow's TPU models, folder
`efficientnet/lite`; so are padding and the epsilon of the normalisations, which weights trained
there depend on. The drop of whole blocks, by which ImageNet was learned, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy.typing as npt

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280

_EPSILON = 1e-3  # of a normalisation
_CHANNEL_MULTIPLE = 8


class _Block(NamedTuple):
    kernel_size: int
    strides: int
    expansion: int
    channels: int


# Table 1 of the paper: how many blocks, and the first of them.
_STAGES = (
    (1, _Block(3, 1, 1, 16)),
    (2, _Block(3, 2, 6, 24)),
    (2, _Block(5, 2, 6, 40)),
    (3, _Block(3, 2, 6, 80)),
    (3, _Block(5, 1, 6, 112)),
    (4, _Block(5, 2, 6, 192)),
    (1, _Block(3, 1, 6, 320)),
)

# Of width and depth.
SCALINGS: Mapping[str, tuple[float, float]] = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}

# Convolutions of a block, and the names of each and of its normalisation in PyTorch.
_TORCH_NAMES = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def apply_efficientnet_lite(name: str, x: keras.KerasTensor) -> keras.KerasTensor:
    """Lays the network, without its classifier, over three channels.

    Args:
        name: A key of `SCALINGS`.
        x: `[batch, height, width, 3]` float32, (pixel - 127) / 128 of pixels in [0, 255].

    Returns:
        The last feature map, `[batch, height / 32, width / 32, HEAD_CHANNELS]` float32 in [0, 6].
    """
    x = _convolution(x, "stem", STEM_CHANNELS, kernel_size=3, strides=2)
    x = keras.layers.ReLU(6.0, name="stem_relu6")(x)
    for index, block in enumerate(_blocks(name)):
        x = _inverted_residual(x, f"block_{index}", block)
    x = _convolution(x, "head", HEAD_CHANNELS)
    return keras.layers.ReLU(6.0, name="head_relu6")(x)


def take_torch_weights(
    name: str, network: keras.Model, tensors: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Gives the layers of `apply_efficientnet_lite` the weights of the network in PyTorch.

    Args:
        name: A key of `SCALINGS`.
        network: Changed in place; other layers keep their weights.
        tensors: By the names of PyTorch; those of the classifier are left aside.

    Raises:
        KeyError: If a tensor is missing.
        ValueError: If a tensor has another shape than the layer.
    """
    for layer, convolution, normalisation in _torch_names(name):
        network.get_layer(layer).set_weights([_kernel(tensors[f"{convolution}.weight"])])
        network.get_layer(f"{layer}_normalisation").set_weights(
            [
                tensors[f"{normalisation}.{part}"]
                for part in ("weight", "bias", "running_mean", "running_var")
            ]
        )


def _blocks(name: str) -> Iterator[_Block]:
    width, depth = SCALINGS[name]
    for stage, (blocks, block) in enumerate(_STAGES):
        scaled = block._replace(channels=_channels(width * block.channels))
        ends = stage in (0, len(_STAGES) - 1)
        repeated = blocks if ends else math.ceil(depth * blocks)
        yield scaled
        yield from [scaled._replace(strides=1)] * (repeated - 1)


def _channels(scaled: float) -> int:
    """Rounds to a multiple of eight, but never down by more than a tenth."""
    nearest = int(scaled + _CHANNEL_MULTIPLE / 2) // _CHANNEL_MULTIPLE * _CHANNEL_MULTIPLE
    return nearest if nearest >= 0.9 * scaled else nearest + _CHANNEL_MULTIPLE


def _inverted_residual(x: keras.KerasTensor, name: str, block: _Block) -> keras.KerasTensor:
    """Widens, convolves each channel by itself, narrows; adds the input where it fits.

    Sandler et al., MobileNetV2, CVPR 2018, figure 4d.
    """
    shortcut = x
    if block.expansion > 1:
        x = _convolution(x, f"{name}_expand", block.expansion * x.shape[-1])
        x = keras.layers.ReLU(6.0, name=f"{name}_expand_relu6")(x)
    x = keras.layers.DepthwiseConv2D(
        block.kernel_size,
        block.strides,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise",
    )(x)
    x = _normalised(x, f"{name}_depthwise")
    x = keras.layers.ReLU(6.0, name=f"{name}_depthwise_relu6")(x)
    x = _convolution(x, f"{name}_project", block.channels)
    if block.strides == 1 and shortcut.shape[-1] == block.channels:
        x = keras.layers.Add(name=f"{name}_sum")([shortcut, x])
    return x


def _convolution(
    x: keras.KerasTensor, name: str, channels: int, kernel_size: int = 1, strides: int = 1
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        channels,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return _normalised(x, name)


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_normalisation")(x)


def _torch_names(name: str) -> Iterator[tuple[str, str, str]]:
    """Yields the name of each convolution, and its own and its normalisation's in PyTorch."""
    yield "stem", "_conv_stem", "_bn0"
    for index, block in enumerate(_blocks(name)):
        for part, names in _TORCH_NAMES.items():
            if part != "expand" or block.expansion > 1:
                convolution, normalisation = (f"_blocks.{index}.{end}" for end in names)
                yield f"block_{index}_{part}", convolution, normalisation
    yield "head", "_conv_head", "_bn1"


def _kernel(weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Puts height and width first; of a depthwise kernel the channels, all outputs, come third."""
    outputs, inputs, *_ = weight.shape
    depthwise = inputs == 1 < outputs
    return weight.transpose(2, 3, 0, 1) if depthwise else weight.transpose(2, 3, 1, 0)
