"""What a training leaves beside the served model: the Keras file and how it came about."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf

from models import features
from models.calibration import Calibration, OperatingPoint
from models.hyperparameters import Hyperparameters
from models.members import each_member
from models.remote_files import local_copy, write_text, written_beside

TRAINING_RECORD = "training.json"  # in the model_run artifact


def keep_network(network: keras.Model, settings: Hyperparameters, folder: str) -> None:
    """Keeps a network as a Keras file.

    Args:
        network: Of `models.network`.
        settings: `train.keras_format` says which kind of file.
        folder: URI of the model_run artifact.
    """
    # Without the compiled metrics, which Keras could not load where this project is not installed.
    bare = keras.Model(network.input, network.output, name=network.name)
    with written_beside(_keras_file(settings, folder)) as path:
        bare.save(path)


def read_network(settings: Hyperparameters, folder: str) -> keras.Model:
    """Returns the network that `keep_network` kept.

    Args:
        settings: Of the training.
        folder: URI of the model_run artifact.
    """
    with local_copy(_keras_file(settings, folder)) as path:
        return keras.saving.load_model(path, compile=False)


def keep_record(
    network: keras.Model,
    settings: Hyperparameters,
    calibration: Calibration,
    operating_point: OperatingPoint,
    history: Sequence[Mapping[str, float]],
    reached: Mapping[str, float],
    folder: str,
) -> None:
    """Keeps what the model was trained with, for the summary and the components after it.

    Args:
        network: Of `models.network`.
        settings: Of the training.
        calibration: From logit to probability.
        operating_point: Chosen on eval.
        history: What `fit` reached, a row an epoch; `member` says of which network, from 1.
        reached: What the network that is served reaches on the films of its calibration, of
            `evaluate`.
        folder: URI of the model_run artifact.
    """
    train = settings.train
    record = {
        "hyperparameters": settings.model_dump(),
        "calibration": asdict(calibration),
        "operating_point": asdict(operating_point),
        "labels": list(features.classes_of(settings.task)),
        "parameters": network.count_params(),
        "seeds": [member.seed(train.seed) for member in each_member(train.members)],
        "history": [dict(row) for row in history],
        "reached": dict(reached),
    }
    write_text(os.path.join(folder, TRAINING_RECORD), json.dumps(record, indent=2))


def read_record(folder: str) -> dict[str, Any]:
    """Returns what `keep_record` kept in the model_run artifact at a URI."""
    with tf.io.gfile.GFile(os.path.join(folder, TRAINING_RECORD)) as file:
        return json.loads(file.read())


def _keras_file(settings: Hyperparameters, folder: str) -> str:
    return os.path.join(folder, f"model.{settings.train.keras_format}")
