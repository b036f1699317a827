"""A network cut open, for what looks inside: explanations, calibration, the distance to films.

Each function takes a network of `models.network`, of one member or several, told of age, sex and
view or not, and gives a model with the same input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from models import clinical
from models.members import members_of
from models.network import LAST_CONVOLUTION, LAST_HIDDEN, LOGITS

_FINEST_STRIDE = 4  # pixels of the film, of a map in the pyramid
_FINER_LAYERS = 2  # that an explanation weighs beside the last one


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


def feature_pyramid(network: keras.Model) -> keras.Model:
    """Returns the network cut open for what is to be found at a place.

    Args:
        network: A model of `build_network` or `fold`.

    Returns:
        Model with the same input and a list of outputs: the last feature map of each size, from a
        fourth of the film's side on, `[batch, rows, columns, channels]`, the largest first and of
        several members by turns.
    """
    largest = -(-network.inputs[0].shape[1] // _FINEST_STRIDE)
    maps = _by_turns(_of_members(network, _last_of_each_size))
    return keras.Model(network.input, [one for one in maps if one.shape[1] <= largest])


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
    stages = _last_of_each_size(member)
    return stages[1:-1] or stages


def _last_of_each_size(member: keras.Model) -> list[keras.KerasTensor]:
    """Returns the last feature map of each size, the largest first."""
    maps = [
        layer.output
        for layer in member.layers[1:]
        if len(layer.output.shape) == 4 and not isinstance(layer, keras.layers.ZeroPadding2D)
    ]
    # What squeeze and excitation weighs channels by has one pixel, and comes before its use.
    of_size = {one.shape[1]: one for one in maps if one.shape[1] > 1}
    return [of_size[side] for side in sorted(of_size, reverse=True)]


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
