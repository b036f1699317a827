"""The network: convolutions or a backbone, a head, and the names of its parts.

It also owns what its logits mean, for one output unit as for three, so that calibration,
explanation and serving read them in one way.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from models import clinical, features
from models.backbones import SMALLEST_IMAGE_PX, apply_backbone
from models.hyperparameters import NO_FILE, Network, Task
from models.initial_weights import take_weights
from models.members import ALONE, Member, each_member

LAST_CONVOLUTION = "last_convolution"  # the feature map that the head averages
LOGITS = "logits"
LAST_HIDDEN = "dense"  # what the logits are made from
CLINICAL = "clinical"  # the input beside the film

_REDUCTION = 8  # channels per unit of a squeeze-and-excitation
_LEAST_UNITS = 4


def build_network(
    image_size_px: int, settings: Network, task: Task = "binary", member: Member = ALONE
) -> keras.Model:
    """Builds an uncompiled network for one-channel radiographs.

    Convolutions of this project or a backbone of `models.backbones` give a feature map;
    global average pooling, a dense layer, dropout and a sigmoid or softmax follow.

    Args:
        image_size_px: Height and width of the input.
        settings: Architecture, and the weights to start from.
        task: `binary` for one unit, `subtype` for one a class of `features.SUBTYPES`.
        member: Which of several it is, where the weights to start from are those of several.

    Returns:
        Model from `[batch, height, width, 1]` float32 to float32 probabilities before
        calibration: `[batch, 1]` P(pneumonia) or `[batch, 3]`, which sum to 1. With
        `settings.clinical` it is given a pair, films and vectors of `models.clinical`.

    Raises:
        ValueError: If the image is too small, or the weights cannot be had.
    """
    _check(image_size_px, settings)
    image = keras.Input((image_size_px, image_size_px, 1), name="image")
    if settings.backbone == "cnn":
        feature_map = _convolutions(image, settings)
    else:
        x = apply_backbone(settings.backbone, image, imagenet=settings.weights == "imagenet")
        feature_map = keras.layers.Identity(name=LAST_CONVOLUTION)(x)
    beside = [keras.Input((clinical.LENGTH,), name=CLINICAL)] if settings.clinical else []
    probability = _head([feature_map, *beside], settings, task)
    given = [image, *beside] if beside else image
    network = keras.Model(given, probability, name=f"chest_xray_{settings.backbone}")
    if settings.weights not in NO_FILE:
        take_weights(network, settings.weights, member)
    return network


def fold(networks: Sequence[keras.Model]) -> keras.Model:
    """Folds networks into one, whose logits are the mean of theirs.

    All that is said of a network of `build_network` in this module is true of it too.

    Args:
        networks: Of `build_network`, of the same settings, at least one. Their layers are shared.

    Returns:
        Model with the input and output of each; a single one stays as it is.
    """
    if len(networks) == 1:
        return networks[0]
    inputs = [keras.Input(one.shape[1:], name=one.name) for one in networks[0].inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    logits = [
        keras.Model(one.input, one.get_layer(LOGITS).output, name=member.name)(given)
        for one, member in zip(networks, each_member(len(networks)), strict=True)
    ]
    mean = keras.layers.Average(dtype="float32", name=LOGITS)(logits)
    return keras.Model(given, _probability(mean), name=networks[0].name)


def set_backbone_trainable(network: keras.Model, trainable: bool) -> None:
    """Freezes or frees every layer up to the last convolution.

    A frozen batch normalisation also stops following the films. Keras heeds the change
    when the network is compiled again.

    Args:
        network: A model of `build_network`.
        trainable: Whether these layers learn.
    """
    for layer in network.layers:
        layer.trainable = trainable
        if layer.name == LAST_CONVOLUTION:
            return


def set_last_layer_alone_trainable(network: keras.Model) -> None:
    """Freezes every layer but the one that gives the logits; heeded as `set_backbone_trainable`.

    Args:
        network: A model of `build_network`.
    """
    for layer in network.layers:
        layer.trainable = layer.name == LOGITS


def pneumonia_logit(logits: tf.Tensor) -> tf.Tensor:
    """Returns the logit of pneumonia of any kind.

    Args:
        logits: `[batch, 1]`, or `[batch, 3]` in the order of `features.SUBTYPES`.

    Returns:
        `[batch, 1]`; its sigmoid is P(pneumonia), which for subtypes is
        P(bacterial) + P(viral) of their softmax.
    """
    if logits.shape[-1] == 1:
        return logits
    return tf.reduce_logsumexp(logits[:, 1:], axis=-1, keepdims=True) - logits[:, :1]


def class_probabilities(probability: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Spreads a calibrated P(pneumonia) over the classes.

    Calibration moves P(pneumonia) alone; the subtypes share it as the network has them.

    Args:
        probability: `[batch]` float32 P(pneumonia).
        logits: `[batch, 1]`, or `[batch, 3]` in the order of `features.SUBTYPES`.

    Returns:
        `[batch, classes]` float32 that sum to 1, in the order of `features.LABELS` or
        `features.SUBTYPES`.
    """
    pneumonia = probability[:, tf.newaxis]
    if logits.shape[-1] > 1:
        return tf.concat([1 - pneumonia, pneumonia * tf.nn.softmax(logits[:, 1:])], axis=-1)
    return tf.concat([1 - pneumonia, pneumonia], axis=-1)


def _check(image_size_px: int, settings: Network) -> None:
    plain = settings.backbone == "cnn"
    if plain and settings.weights == "imagenet":
        raise ValueError(
            "network.weights imagenet needs one of the backbones of network.backbone; the cnn "
            "starts from none or from a file of an earlier run"
        )
    needed = 2 ** (settings.depth + 1) if plain else SMALLEST_IMAGE_PX
    if image_size_px < needed:
        reason = f"depth {settings.depth}" if plain else f"backbone {settings.backbone}"
        raise ValueError(
            f"network.{reason} needs preprocessing.image_size_px of at least {needed}, "
            f"not {image_size_px}"
        )


def _head(parts: list[keras.KerasTensor], settings: Network, task: Task) -> keras.KerasTensor:
    """Decides by a feature map and, where it is given, by what is known beside the film."""
    feature_map, *beside = parts
    x = keras.layers.GlobalAveragePooling2D(name="average")(feature_map)
    if beside:
        x = keras.layers.Concatenate(name="fused")([x, *beside])
    x = keras.layers.Dense(settings.dense_units, activation="relu", name=LAST_HIDDEN)(x)
    x = keras.layers.Dropout(settings.dropout, name="dropout")(x)
    units = 1 if task == "binary" else len(features.SUBTYPES)
    return _probability(keras.layers.Dense(units, name=LOGITS)(x))


def _probability(logits: keras.KerasTensor) -> keras.KerasTensor:
    activation = "sigmoid" if logits.shape[-1] == 1 else "softmax"
    # float32 whatever the policy: probabilities near 0 and 1 must not be rounded away.
    return keras.layers.Activation(activation, dtype="float32", name="probability")(logits)


def _convolutions(image: keras.KerasTensor, settings: Network) -> keras.KerasTensor:
    """Stacks the blocks; the width doubles and the side halves from one to the next.

    The first convolution strides, so that the full resolution is seen but not carried.
    """
    build_block = _plain_block if settings.block == "plain" else _residual_block
    x = _convolution(image, settings.width, "0", kernel_size=5, strides=2)
    x = keras.layers.ReLU(name="activation_0")(x)
    for block in range(1, settings.depth):
        last = block == settings.depth - 1
        x = keras.layers.MaxPooling2D(name=f"pooling_{block - 1}")(x)
        output = LAST_CONVOLUTION if last else f"activation_{block}"
        x = build_block(x, block, settings, output)
    return x


def _plain_block(
    x: keras.KerasTensor, block: int, settings: Network, output: str
) -> keras.KerasTensor:
    x = _convolution(x, settings.width * 2**block, f"{block}")
    if not settings.squeeze_excite:
        return keras.layers.ReLU(name=output)(x)
    x = keras.layers.ReLU(name=f"rectified_{block}")(x)
    return _squeeze_excite(x, block, output)


def _residual_block(
    x: keras.KerasTensor, block: int, settings: Network, output: str
) -> keras.KerasTensor:
    """Adds two convolutions to a projection of their input.

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016, figure 2 with
    the projection of equation 2: every block here changes the width.
    """
    channels = settings.width * 2**block
    shortcut = _convolution(x, channels, f"{block}_shortcut", kernel_size=1)
    x = _convolution(x, channels, f"{block}_first")
    x = keras.layers.ReLU(name=f"rectified_{block}")(x)
    x = _convolution(x, channels, f"{block}_second")
    if settings.squeeze_excite:
        x = _squeeze_excite(x, block, f"excited_{block}")
    x = keras.layers.Add(name=f"sum_{block}")([shortcut, x])
    return keras.layers.ReLU(name=output)(x)


def _squeeze_excite(x: keras.KerasTensor, block: int, output: str) -> keras.KerasTensor:
    """Weighs the channels by what the whole feature map holds.

    Hu et al., Squeeze-and-Excitation Networks, CVPR 2018, section 3: after the
    activation of a plain block, before the sum of a residual one.
    """
    channels = x.shape[-1]
    units = max(channels // _REDUCTION, _LEAST_UNITS)
    weight = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"squeeze_{block}")(x)
    weight = keras.layers.Dense(units, activation="relu", name=f"reduce_{block}")(weight)
    weight = keras.layers.Dense(channels, activation="sigmoid", name=f"excite_{block}")(weight)
    return keras.layers.Multiply(name=output)([x, weight])


def _convolution(
    x: keras.KerasTensor, channels: int, name: str, kernel_size: int = 3, strides: int = 1
) -> keras.KerasTensor:
    """Convolves and normalises; a bias would be lost in the normalisation."""
    x = keras.layers.Conv2D(
        channels,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"convolution_{name}",
    )(x)
    return keras.layers.BatchNormalization(name=f"normalisation_{name}")(x)
