"""Trains the network that finds lung fields: `python -m models.lung_fields.train`.

Writes `weights.npz`, which `preprocessing.lung_fields_weights` takes, and `training.json`, which
says what it was made from. The same films, settings and seed give the same weights, as far as
the machine rounds alike.
"""

from __future__ import annotations

import argparse
import json
import logging
import posixpath
import time
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.lung_fields.fields import standardise_films
from models.lung_fields.films import MaskedFilm, list_films, read_all
from models.lung_fields.network import build_network, folded_weights, with_weights
from models.lung_fields.variation import vary
from models.lung_fields.weights import SHIPPED, WEIGHTS_FILE, load_weights, save_weights
from models.optimisation import average_moments, longest_average
from models.remote_files import write_text

_LOG = logging.getLogger(__name__)

_BATCH_SIZE = 32
_LEARNING_RATE = 3e-3
_GOING_ON = 0.1  # share of the learning rate for weights that have been trained
_WEIGHT_AVERAGE = 0.99
_LEAST_FILMS = 600  # of a source in an epoch
_READ_AT_ONCE = 500  # films, between two messages
RECORD_FILE = "training.json"

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def train(
    sources: Sequence[Sequence[MaskedFilm]], out: str, epochs: int, seed: int, start: str = ""
) -> keras.Model:
    """Trains on the train split of every source and writes the weights.

    Args:
        sources: films of `films.list_films`, a folder each.
        out: folder for the results.
        epochs: passes over the films.
        seed: of weights, order and changes.
        start: weights to go on from, `SHIPPED` or a file, at a tenth of the learning rate;
            empty to start from nothing.

    Returns:
        The trained network.
    """
    keras.utils.set_random_seed(seed)
    films = [film for source in sources for film in _balanced(source)]
    watched = [film for source in sources for film in source if film.split == features.EVAL]
    dataset = _training_input(_read(films), seed)
    steps = len(films) // _BATCH_SIZE
    momentum = min(_WEIGHT_AVERAGE, longest_average(epochs * steps))
    network = with_weights(load_weights(start)) if start else build_network(normalised=True)
    average_moments(network, momentum)
    rate = _LEARNING_RATE * (_GOING_ON if start else 1.0)
    network.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(rate, epochs * steps, alpha=0.01),
            weight_decay=1e-4,
            use_ema=True,
            ema_momentum=momentum,
        ),
        loss=_loss,
        metrics=[keras.metrics.MeanMetricWrapper(_dice, name="dice")],
    )
    lines = _Lines(epochs)
    network.fit(
        dataset,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=_watched_input(_read(watched)) if watched else None,
        callbacks=[keras.callbacks.SwapEMAWeights(), lines],
        verbose=0,
    )
    tf.io.gfile.makedirs(out)
    save_weights(folded_weights(network), posixpath.join(out, WEIGHTS_FILE))
    record = {
        "films": {source[0].source: len(source) for source in sources},
        "trained_on": len(set(films)),
        "epochs": epochs,
        "seed": seed,
        "start": start,
        "history": lines.history,
    }
    write_text(posixpath.join(out, RECORD_FILE), json.dumps(record, indent=2))
    return network


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(prog="python -m models.lung_fields.train", description=__doc__)
    parser.add_argument(
        "--masks",
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="with masks/NAME.png and images/NAME.*; FOLDER=FILMS where the films are elsewhere",
    )
    parser.add_argument("--out", required=True, help="folder for the weights")
    parser.add_argument("--epochs", type=int, default=16, help="passes over the films")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--start", default="", help=f"{SHIPPED} or a file: weights to go on from, for few masks"
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sources = [list_films(*folder.split("=", 1)) for folder in given.masks]
    train(sources, given.out, given.epochs, given.seed, given.start)


def _balanced(source: Sequence[MaskedFilm]) -> list[MaskedFilm]:
    """Repeats the train films of a small source, so that it is not lost beside a large one."""
    films = [film for film in source if film.split == features.TRAIN]
    return films * max(1, round(_LEAST_FILMS / max(1, len(films))))


def _read(films: Sequence[MaskedFilm]) -> Arrays:
    once = list(dict.fromkeys(films))
    parts = []
    for first in range(0, len(once), _READ_AT_ONCE):
        parts.append(read_all(once[first : first + _READ_AT_ONCE]))
        _LOG.info("%d of %d films read", min(first + _READ_AT_ONCE, len(once)), len(once))
    place = {film: index for index, film in enumerate(once)}
    order = [place[film] for film in films]
    pixels, fields = (np.concatenate(part)[order] for part in zip(*parts, strict=True))
    return pixels, fields


def _training_input(arrays: Arrays, seed: int) -> tf.data.Dataset:
    films = tf.data.Dataset.from_tensor_slices(arrays).shuffle(len(arrays[0]), seed=seed).repeat()
    batches = films.batch(_BATCH_SIZE)
    seeds = tf.data.Dataset.counter().map(lambda step: tf.stack([tf.cast(seed, tf.int64), step]))

    def prepare(batch: tuple[tf.Tensor, tf.Tensor], seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, fields = (tf.cast(part, tf.float32) / 255.0 for part in batch)
        pixels, fields = vary(pixels, fields, seed)
        return standardise_films(pixels), fields

    return tf.data.Dataset.zip((batches, seeds)).map(prepare, tf.data.AUTOTUNE).prefetch(2)


def _watched_input(arrays: Arrays) -> tf.data.Dataset:
    def prepare(pixels: tf.Tensor, fields: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, fields = (tf.cast(part, tf.float32) / 255.0 for part in (pixels, fields))
        return standardise_films(pixels), fields

    return tf.data.Dataset.from_tensor_slices(arrays).batch(_BATCH_SIZE).map(prepare)


def _loss(drawn: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of pixels, and one minus the soft Dice of each film's fields."""
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(drawn, logits)
    found = tf.sigmoid(logits)
    both = tf.reduce_sum(found * drawn, axis=[1, 2])
    sizes = tf.reduce_sum(found + drawn, axis=[1, 2])
    # A hundred pixels more, so that a film without fields is no division by nothing.
    soft_dice = (2 * both + 100.0) / (sizes + 100.0)
    return tf.reduce_mean(entropy, axis=[1, 2, 3]) + 1 - tf.reduce_mean(soft_dice, axis=1)


def _dice(drawn: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Dice of both fields together, a film each."""
    found, true = (tf.reduce_any(part, axis=-1) for part in (logits > 0, drawn > 0.5))
    both, sizes = (
        tf.reduce_sum(tf.cast(part, tf.float32), axis=[1, 2])
        for part in (found & true, tf.concat([found, true], axis=1))
    )
    return (2 * both + 1e-6) / (sizes + 1e-6)


class _Lines(keras.callbacks.Callback):
    """Says after each epoch how it went and how long the rest takes."""

    def __init__(self, epochs: int):
        super().__init__()
        self.history: list[dict[str, float]] = []
        self._epochs, self._start = epochs, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = {
            name.replace("_dice", "dice"): float(value) for name, value in (logs or {}).items()
        }
        self.history.append(values)
        per_epoch = (time.monotonic() - self._start) / (epoch + 1)
        _LOG.info(
            "epoch %d of %d: %s; %d s to go",
            epoch + 1,
            self._epochs,
            ", ".join(f"{name} {value:.4f}" for name, value in values.items()),
            per_epoch * (self._epochs - epoch - 1),
        )


if __name__ == "__main__":
    main()
