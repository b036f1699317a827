"""Films and examples that the tests of the audits share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.radiograph_example_gen.executor import to_example
from radiographs.decoding import read_film
from radiographs.films import Film
from radiographs.options import IngestOptions
from tests.support import draw_film, encode


def film_of(seed: int, mean: float, size_px: int = 80) -> np.ndarray:
    """Draws a film of a given mean grey level: [size_px, size_px] uint8."""
    film = draw_film(seed, size_px) / 8
    return np.clip(film - film.mean() + mean, 0, 255).astype(np.uint8)


def example_of(
    film: np.ndarray, label: str = "NORMAL", suffix: str = ".png", **known: Any
) -> tf.train.Example:
    """Makes the raw example of a film."""
    data = encode(film, suffix)
    known = {"subtype": "none" if label == "NORMAL" else "virus", "patient_id": "p", **known}
    return to_example(Film("film", label, **known), read_film(data, IngestOptions()))


def write_split(folder: Path, examples: Iterable[tf.train.Example]) -> str:
    """Writes examples as ExampleGen and Transform do; returns the folder."""
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "films.gz"), options) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    return str(folder)
