"""The network: convolutions or a backbone, a head, and the names of its parts.

It also owns what its logits mean, for one output unit as for three, so that calibration,
explanation and serving read them in one way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from models import clinical, features
from models.backbones import SMALLEST_IMAGE_PX, apply_backbone
from models.hyperparameters import NO_FILE, Network, Task
from models.initial_weights import take_weights
from models.members import ALONE, Member, each_member, members_of

LAST_CONVOLUTION = "last_convolution"  # the feature map that the head averages
LOGITS = "logits"
LAST_HIDDEN = "dense"  # what the logits are made from
CLINICAL = "clinical"  # the input beside the film

_REDUCTION = 8  # channels per unit of a squeeze-and-excitation
_LEAST_UNITS = 4

_FINER_LAYERS = 2  # that an explanation weighs beside the last one


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


def activations_and_logits(network: keras.Model, flip_average: bool = False) -> keras.Model:
    """Returns the network cut open for explanations and calibration.

    Args:
        network: A model of `build_network` or `fold`.
        flip_average: Whether the logits are the mean over a film and its mirror image.

    Returns:
        Model with the same input and two outputs. The first is a list of the activations of the
        film and, where logits are averaged, of its mirror image; for each a list of those of
        `explained_layers`, `[batch, rows, columns, channels]`, the coarsest first. The second is
        the logits, `[batch, 1]` or `[batch, 3]`.
    """
    halves, logits = _cut_open(network, _explained, flip_average)
    return keras.Model(network.input, [halves, logits])


def stages_and_logits(network: keras.Model, flip_average: bool = False) -> keras.Model:
    """Returns the network cut open for the distance to the films that it learnt from.

    Args:
        network: A model of `build_network` or `fold`.
        flip_average: As of `activations_and_logits`.

    Returns:
        Model with the same input and two outputs: a list of activations, those of
        `middle_stages` first, and the logits as of `activations_and_logits`.
    """
    halves, logits = _cut_open(network, _stages, flip_average)
    return keras.Model(network.input, [[one for half in halves for one in half], logits])


def up_to_last_hidden(network: keras.Model) -> keras.Model:
    """Returns the network up to what it decides by, for showing which films are alike to it.

    Args:
        network: A model of `build_network` or `fold`, or one of `activations_and_logits` without
            averaging.

    Returns:
        Model with the same input and one output, `[batch, dense_units]`, of several members side
        by side.
    """
    hidden = _of_members(network, lambda member: member.get_layer(LAST_HIDDEN).output)
    joined = hidden[0] if len(hidden) == 1 else keras.layers.Concatenate()(hidden)
    return keras.Model(network.input, joined)


def of_films_alone(network: keras.Model) -> keras.Model:
    """Returns a network that answers about films of which nothing else is known.

    Args:
        network: A model of `build_network`, or one cut from it.

    Returns:
        Model from films to the same outputs; the same model where it takes nothing else.
    """
    image, *beside = network.inputs
    if not beside:
        return network
    films = keras.Input(image.shape[1:], name=image.name)
    # A column of the film's own, so that there is one for each film of a batch.
    nothing = keras.ops.zeros_like(films[:, 0, 0]) + keras.ops.array([clinical.NOTHING_KNOWN])
    return keras.Model(films, network([films, nothing]))


def mirror_image(given: Any) -> Any:
    """Mirrors films from left to right; what is known beside them stays.

    Args:
        given: What a network takes: `[batch, height, width, 1]`, alone or with more beside it.
    """
    image, *beside = given if isinstance(given, list | tuple) else [given]
    turned = keras.ops.flip(image, axis=2)
    return [turned, *beside] if beside else turned


def middle_stages(network: keras.Model) -> list[keras.KerasTensor]:
    """Returns the last feature map of each size, without the largest and the smallest.

    The first layers see grain and edges alone, the last ones little but the label.

    Args:
        network: A model of `build_network` or `fold`.

    Returns:
        Symbolic activations, each `[batch, rows, columns, channels]`, of every member; all there
        are where they are fewer than three.
    """
    return _by_turns(_of_members(network, _stages))


def side_by_side(maps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Joins feature maps of one size, which are those of the same layer of several members.

    Args:
        maps: `[batch, rows, columns, channels]` each.

    Returns:
        One of each size, in their order, with the channels of all.
    """
    of_size: dict[tuple[int, ...], list[tf.Tensor]] = {}
    for one in maps:
        of_size.setdefault(tuple(one.shape[1:3]), []).append(one)
    return [tf.concat(members, axis=-1) for members in of_size.values()]


def _cut_open(
    network: keras.Model,
    inner: Callable[[keras.Model], list[keras.KerasTensor]],
    flip_average: bool,
) -> tuple[list[list[keras.KerasTensor]], keras.KerasTensor]:
    """Returns activations of the film and, where averaged, its mirror image; and the logits."""
    parts = _of_members(network, lambda member: [inner(member), member.get_layer(LOGITS).output])
    activations, logits = zip(*parts, strict=True)
    mean = logits[0] if len(logits) == 1 else network.get_layer(LOGITS)(list(logits))
    outputs = [_by_turns(activations), mean]
    if not flip_average:
        return [outputs[0]], outputs[1]
    cut_open = keras.Model(network.input, outputs, name="cut_open")
    as_it_is, of_film = cut_open(network.input)
    mirrored, of_mirror_image = cut_open(mirror_image(network.input))
    return [as_it_is, mirrored], (of_film + of_mirror_image) / 2


def _of_members(network: keras.Model, part: Callable[[keras.Model], Any]) -> list[Any]:
    """Returns what a part of each member gives for the input of the network, symbolically."""
    members = members_of(network)
    if members == [network]:
        return [part(network)]
    return [keras.Model(one.input, part(one), name=one.name)(network.input) for one in members]


def _by_turns(of_members: Sequence[Sequence[Any]]) -> list[Any]:
    """Returns the first of each member, then the second of each."""
    return [one for of_all in zip(*of_members, strict=True) for one in of_all]


def _explained(member: keras.Model) -> list[keras.KerasTensor]:
    return [layer.output for layer in _explained_layers(member)]


def _stages(member: keras.Model) -> list[keras.KerasTensor]:
    maps = [
        layer.output
        for layer in member.layers[1:]
        if len(layer.output.shape) == 4 and not isinstance(layer, keras.layers.ZeroPadding2D)
    ]
    # What squeeze and excitation weighs channels by has one pixel, and comes before its use.
    of_size = {one.shape[1]: one for one in maps if one.shape[1] > 1}
    stages = [of_size[side] for side in sorted(of_size, reverse=True)]
    return stages[1:-1] or stages


def explained_layers(network: keras.Model) -> list[keras.Layer]:
    """Finds the layers whose feature maps an explanation weighs.

    Args:
        network: A model of `build_network` or `fold`.

    Returns:
        The last convolution; before it, of the next finer resolutions, the last activation of
        each: at most two, as a small network has no more. Of several members, each of these by
        turns.
    """
    return _by_turns([_explained_layers(member) for member in members_of(network)])


def _explained_layers(member: keras.Model) -> list[keras.Layer]:
    last = member.get_layer(LAST_CONVOLUTION)
    by_rows = {}
    for layer in member.layers[: member.layers.index(last)]:
        if isinstance(layer, keras.layers.ReLU | keras.layers.Activation):
            by_rows[layer.output.shape[1]] = layer  # the later one of a resolution stays
    finer = sorted(rows for rows in by_rows if rows > last.output.shape[1])
    return [last, *(by_rows[rows] for rows in finer[:_FINER_LAYERS])]


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
