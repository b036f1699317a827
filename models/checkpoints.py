"""What a training leaves behind after each epoch, from which another process goes on.

All of it is one sealed file, so that weights, optimiser and history are always of the same
epoch. The one before it stays, so that a file damaged on the disk costs an epoch and not the
training.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from models.remote_files import DamagedFile, sealed_beside, unsealed_copy

_LOG = logging.getLogger(__name__)

Weights = list[np.ndarray]  # of keras.Model.get_weights, in its order

_KEPT = 2  # files
_BEGIN = "after_epoch_"  # of each file's name
_FILE_NAME = re.compile(rf"^{_BEGIN}(\d+)\.npz$")
_PARTS = ("weights", "optimiser", "best_weights")  # the arrays of a state
_HISTORY = "history"


@dataclass(frozen=True)
class TrainingState:
    """A training between two epochs.

    Attributes:
        weights: That it goes on from.
        optimiser: Variables of the optimiser, the averages of the weights among them, and the
            weights of groups where the worst is to count; empty before the first epoch.
        best_weights: Of the epoch that did best so far.
        history: What each epoch reached, by name; `epoch` is its number, from 0.
    """

    weights: Weights
    optimiser: Weights = field(default_factory=list)
    best_weights: Weights = field(default_factory=list)
    history: tuple[dict[str, float], ...] = ()

    @property
    def next_epoch(self) -> int:
        """Number of the epoch that comes next, from 0."""
        return int(self.history[-1]["epoch"]) + 1 if self.history else 0


class Checkpoints:
    """The states of one training, in a folder that survives it."""

    def __init__(self, folder: str):
        """Makes the folder.

        Args:
            folder: Whatever `tf.io.gfile` opens.
        """
        tf.io.gfile.makedirs(folder)
        self._folder = folder

    def save(self, state: TrainingState) -> None:
        """Keeps a state, and of those before it the latest."""
        arrays = {
            f"{part}_{index:05}": array
            for part in _PARTS
            for index, array in enumerate(getattr(state, part))
        }
        with sealed_beside(self._file(f"{_BEGIN}{state.next_epoch}.npz")) as path:
            np.savez(path, **{_HISTORY: np.array(json.dumps(state.history))}, **arrays)
        behind = [name for epoch, name in self._newest_first() if epoch <= state.next_epoch]
        for name in tf.io.gfile.listdir(self._folder):
            if name.startswith(_BEGIN) and name not in behind[:_KEPT]:
                tf.io.gfile.remove(self._file(name))

    def latest(self) -> TrainingState | None:
        """Returns the newest state that can be read, or None where there is none."""
        for _, name in self._newest_first():
            try:
                with unsealed_copy(self._file(name)) as path:
                    return _read(path)
            except (DamagedFile, tf.errors.OpError) as error:
                _LOG.warning(
                    "the checkpoint %s is left aside, the training goes on from an earlier epoch "
                    "or begins anew: %s",
                    name,
                    error,
                )
        return None

    def _file(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _newest_first(self) -> list[tuple[int, str]]:
        found = (_FILE_NAME.match(name) for name in tf.io.gfile.listdir(self._folder))
        return sorted(((int(match[1]), match[0]) for match in found if match), reverse=True)


def _read(path: str) -> TrainingState:
    with np.load(path) as arrays:
        parts = {part: _numbered(arrays, part) for part in _PARTS}
        return TrainingState(history=tuple(json.loads(str(arrays[_HISTORY]))), **parts)


def _numbered(arrays: Mapping[str, np.ndarray], part: str) -> Weights:
    names = sorted(name for name in arrays if name.startswith(f"{part}_"))
    return [arrays[name] for name in names]
