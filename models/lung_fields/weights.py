"""The weights of the network as a file: arrays of 16 bits, shipped or of a user's own."""

from __future__ import annotations

import io
import posixpath

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.hyperparameters import SHIPPED_LUNG_FIELDS
from models.lung_fields.network import Weights
from models.remote_files import written_beside

SHIPPED = SHIPPED_LUNG_FIELDS
WEIGHTS_FILE = "weights.npz"
SHIPPED_FILE = posixpath.join(posixpath.dirname(__file__), WEIGHTS_FILE)


def save_weights(weights: Weights, uri: str) -> None:
    """Writes weights, whole or not at all.

    Args:
        weights: of `network.folded_weights`.
        uri: of the file, whatever `tf.io.gfile` opens.
    """
    halved = {name.replace("/", "."): part.astype(np.float16) for name, part in weights.items()}
    with written_beside(uri) as path:
        np.savez_compressed(path, **halved)


def load_weights(named: str = SHIPPED) -> dict[str, npt.NDArray[np.float32]]:
    """Reads weights.

    Args:
        named: `SHIPPED`, or the URI of a file of `save_weights`.

    Returns:
        Kernels and biases for `network.with_weights`.

    Raises:
        ValueError: the file is missing or damaged.
    """
    uri = SHIPPED_FILE if named == SHIPPED else named
    try:
        with tf.io.gfile.GFile(uri, "rb") as file, np.load(io.BytesIO(file.read())) as parts:
            return {name.replace(".", "/"): parts[name].astype(np.float32) for name in parts}
    except Exception as error:  # what NumPy raises depends on where the file is damaged
        raise ValueError(
            f"{uri} is no file that models.lung_fields.train has written; give one, or '{SHIPPED}'"
        ) from error
