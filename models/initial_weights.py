"""Weights of an earlier run, or of a pushed model, as the starting point of a network.

Layers are matched by name and shape rather than by position, so that a file of another
task, or of a network with other blocks after the first ones, still gives what it can.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

import h5py
import keras
import numpy as np
import tensorflow as tf

from models import clinical
from models.features import SAVED_MODEL
from models.members import ALONE, Member, weights_by_layer, weights_of_member
from models.remote_files import local_copy

_LOG = logging.getLogger(__name__)

WEIGHTS_ONLY = ".weights.h5"
_TOLD = "dense"  # the layer that is given age, sex and view
_HEAD = (_TOLD, "logits")  # of models.network; their shape says nothing of what comes before
_EXTENSIONS = (WEIGHTS_ONLY, ".h5", ".keras")  # the longer of two that fit comes first


def take_weights(network: keras.Model, file: str, member: Member = ALONE) -> int:
    """Copies the weights of every layer that a file knows by name and shape.

    Args:
        network: Changed in place; layers that the file lacks keep their weights.
        file: `.weights.h5` of `save_weights`, or `.keras` or `.h5` of `save`, or the folder of a
            pushed model; local, or at any address that `tf.io.gfile` opens.
        member: Which of several networks this one is. Of a file that folds as many it takes its
            counterpart; from a file of one network every member starts.

    Returns:
        How many layers were taken.

    Raises:
        ValueError: If the file is missing, broken or of another kind, no layer before the head
            fits, or the file folds another number of networks.
    """
    given = weights_of_member(_read_weights(file), member, file)
    learning = [layer for layer in network.layers if layer.weights]
    fitting = {layer.name: _fitted(layer, given.get(layer.name, [])) for layer in learning}
    anew = [name for name, weights in fitting.items() if not weights]
    if all(name in (*_HEAD, *anew) for name in fitting):
        raise ValueError(
            f"network.weights: no layer of {file} before the head has the name and shape of a "
            "layer of this network; choose the backbone, block and width that the file was "
            "trained with"
        )
    for layer in learning:
        if fitting[layer.name]:
            layer.set_weights(fitting[layer.name])
    taken = len(learning) - len(anew)
    _LOG.info("took the weights of %d of %d layers from %s", taken, len(learning), file)
    if anew:
        _LOG.warning(
            "network.weights: %s begin anew, as %s has them in another shape or not at all",
            ", ".join(anew),
            file,
        )
    return taken


def is_pushed_model(folder: str) -> bool:
    """Tells whether a folder, local or remote, is that of a pushed model."""
    return tf.io.gfile.exists(os.path.join(folder, SAVED_MODEL))


def _fitted(layer: keras.Layer, given: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the weights that a layer takes; none where they are of another shape."""
    own = [tuple(one.shape) for one in layer.weights]
    if layer.name == _TOLD and len(given) == len(own):
        given = _told_more_or_less(given, inputs=own[0][0])
    return given if own == [one.shape for one in given] else []


def _told_more_or_less(given: list[np.ndarray], inputs: int) -> list[np.ndarray]:
    """Fits the dense layer to a network with `network.clinical` where the file has none, and back.

    One that is told more answers at first as it did, whatever it is told; one that is told less, as
    it did where nothing was known.
    """
    kernel, bias = given
    if inputs - len(kernel) == clinical.LENGTH:
        return [np.pad(kernel, [(0, clinical.LENGTH), (0, 0)]), bias]
    if len(kernel) - inputs == clinical.LENGTH:
        told = np.array(clinical.NOTHING_KNOWN, np.float32) @ kernel[inputs:]
        return [kernel[:inputs], bias + told]
    return given


def _read_weights(file: str) -> dict[str, list[np.ndarray]]:
    """Returns the weights in a file by the name of their layer."""
    if is_pushed_model(file):
        return _pushed_model(file)
    extension = next((known for known in _EXTENSIONS if file.endswith(known)), None)
    if extension is None:
        raise ValueError(
            "network.weights is none, imagenet, the folder of a pushed model or a file that ends "
            f"in {', '.join(_EXTENSIONS)}, not {file}"
        )
    try:
        with local_copy(file) as path:
            return _weights_only(path) if extension == WEIGHTS_ONLY else _whole_model(path)
    except tf.errors.OpError as error:
        raise ValueError(f"network.weights: the file {file} cannot be read") from error
    except Exception as error:  # What Keras raises depends on where the file is damaged.
        raise ValueError(
            f"network.weights: {file} is damaged or was not saved by Keras; give the file of "
            "a run that ended well"
        ) from error


def _weights_only(file: str) -> dict[str, list[np.ndarray]]:
    with h5py.File(file) as content:
        layers = list(content["layers"].values())
        found = _by_name(layers)
        for folded in layers:
            if "layers" in folded:
                name = folded["vars"].attrs["name"]
                of_member = _by_name(folded["layers"].values())
                found |= {f"{name}/{layer}": weights for layer, weights in of_member.items()}
        return found


def _by_name(layers: Iterable[h5py.Group]) -> dict[str, list[np.ndarray]]:
    variables = [layer["vars"] for layer in layers if "vars" in layer]
    return {
        of_layer.attrs["name"]: [of_layer[str(index)][()] for index in range(len(of_layer))]
        for of_layer in variables
    }


def _whole_model(file: str) -> dict[str, list[np.ndarray]]:
    model = keras.saving.load_model(file, compile=False)
    return {
        name: [weight.numpy() for weight in weights]
        for name, weights in weights_by_layer(model).items()
    }


def _pushed_model(folder: str) -> dict[str, list[np.ndarray]]:
    served = tf.saved_model.load(folder)
    if not hasattr(served, "network_weights"):
        raise ValueError(
            f"network.weights: {folder} is no model pushed by this version; give the Keras file of "
            "its training, or train and push it anew"
        )
    return {
        name: [weight.numpy() for weight in weights]
        for name, weights in served.network_weights.items()
    }
