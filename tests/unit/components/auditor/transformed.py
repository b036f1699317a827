"""Films as Transform writes them, and settings small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models.hyperparameters import Hyperparameters, Network, Preprocessing, Train
from models.input_pipeline import TransformedFilms
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import write_split

SMALL = Hyperparameters(
    preprocessing=Preprocessing(image_size_px=SIDE_PX),
    network=Network(width=4, depth=5, dense_units=8, dropout=0),
    train=Train(batch_size=8, learning_rate=5e-3),
)
NO_LUNGS = np.zeros((32, 32, 2), np.uint8)


def transformed(
    folder: Path, films: list[np.ndarray], labels: Any, lungs: np.ndarray = NO_LUNGS
) -> TransformedFilms:
    """Writes films as Transform would, each with the same lung fields."""
    examples = []
    for film, label in zip(films, labels, strict=True):
        example = tf.train.Example()
        example.features.feature["lungs_xf"].bytes_list.value.append(lungs.tobytes())
        example.features.feature["image_xf"].bytes_list.value.append(film.tobytes())
        for name in ("label_xf", "subtype_xf"):
            example.features.feature[name].int64_list.value.append(int(label))
        examples.append(example)
    uri = write_split(folder / "transformed", examples)
    spec = {
        "lungs_xf": tf.io.FixedLenFeature([1], tf.string),
        "image_xf": tf.io.FixedLenFeature([1], tf.string),
        "label_xf": tf.io.FixedLenFeature([1], tf.int64),
    }
    return TransformedFilms((f"{uri}/films.gz",), spec, np.asarray(labels))
