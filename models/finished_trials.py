"""What a search leaves behind after each trial, so that a search begun again need not repeat it.

A search proposes the same settings for the same scores. So one that was interrupted begins
anew, in a new folder of its own, and takes the trials that it had finished from here; what
Keras Tuner writes while it searches is never read back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from models.remote_files import DamagedFile, sealed_beside, unsealed_copy

_LOG = logging.getLogger(__name__)

_REACHED = "reached.json"  # in the archive of a trial, beside the files of Keras Tuner


class FinishedTrials:
    """One archive a trial, named after what it tried."""

    def __init__(self, folder: str):
        """Makes the folder.

        Args:
            folder: Whatever `tf.io.gfile` opens; the search of other settings or films needs
                another one.
        """
        tf.io.gfile.makedirs(folder)
        self._folder = folder

    def keep(self, values: Mapping[str, Any], reached: Any, trial_folder: str) -> None:
        """Keeps a trial.

        Args:
            values: Hyperparameters by name, Hyperband's own notes among them.
            reached: What Keras Tuner is to be told of it; goes into JSON and back.
            trial_folder: On this machine, with the weights that Hyperband goes on from.
        """
        with sealed_beside(self._file(values)) as path, zipfile.ZipFile(path, "w") as archive:
            archive.writestr(_REACHED, json.dumps(reached))
            for entry in os.scandir(trial_folder):
                archive.write(entry.path, entry.name)

    def take(self, values: Mapping[str, Any], trial_folder: str) -> Any:
        """Puts the files of a finished trial back.

        Args:
            values: As of `keep`.
            trial_folder: On this machine.

        Returns:
            What the trial reached, or None where it has not been finished, or its archive is
            damaged.
        """
        file = self._file(values)
        if not tf.io.gfile.exists(file):
            return None
        try:
            with unsealed_copy(file) as path, zipfile.ZipFile(path) as archive:
                archive.extractall(trial_folder)
                return json.loads(archive.read(_REACHED))
        except (DamagedFile, tf.errors.OpError) as error:
            _LOG.warning("a finished trial is left aside and repeated: %s", error)
            return None

    def forget(self) -> None:
        """Removes all trials, for a search that has ended."""
        tf.io.gfile.rmtree(self._folder)

    def _file(self, values: Mapping[str, Any]) -> str:
        tried = json.dumps(dict(values), sort_keys=True)
        return os.path.join(self._folder, f"{hashlib.sha256(tried.encode()).hexdigest()[:16]}.zip")
