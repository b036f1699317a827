"""Films side by side in one picture: chosen, prepared, changed, laid out, written."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from components.radiograph_example_gen.listing import read_bytes, read_layout
from models.augmentation import augment
from models.features import LABELS
from models.hyperparameters import Augmentation, Preprocessing
from models.preprocessing import prepare_pixels
from radiographs.decoding import read_film
from radiographs.errors import DataError, UnusableImage
from radiographs.films import Film
from radiographs.options import IngestOptions

FRAME_PX = 2  # white, around each film


def read_examples(root: str, options: IngestOptions, count: int) -> list[bytes]:
    """Reads some films of a data root.

    Args:
        root: Films, in any layout that the pipeline takes.
        options: How the layout is read and what is usable.
        count: How many, as `choose_films` chooses them.

    Returns:
        Encoded canonical films.

    Raises:
        DataError: If the folder cannot be read as films, or a chosen film is unusable.
    """
    layout = read_layout(root, options)
    encoded = []
    for film in choose_films(layout.films, count):
        try:
            encoded.append(read_film(read_bytes(root, film.path), options).encoded)
        except UnusableImage as error:
            raise DataError(f"the film {film.path} is unusable: {error.reason}") from None
    return encoded


def choose_films(films: Sequence[Film], count: int) -> list[Film]:
    """Chooses films of both classes in turn, evenly spaced within each.

    Args:
        films: At least one of each class.
        count: How many; a class of fewer films repeats them.

    Returns:
        Films, NORMAL first.
    """
    of_class = [[film for film in films if film.label == label] for label in LABELS]
    turns = -(-count // len(LABELS))
    return [of_one[turn * len(of_one) // turns] for turn in range(turns) for of_one in of_class][
        :count
    ]


def prepare(encoded: Sequence[bytes], settings: Preprocessing) -> np.ndarray:
    """Does what Transform does: [films, size, size] uint8."""
    transform = tf.function(
        functools.partial(prepare_pixels, settings=settings, bounds=IngestOptions())
    )
    return transform(tf.constant(list(encoded)))[0].numpy()


def draw_montage(films: np.ndarray, bounds: Augmentation, changes: int, seed: int) -> np.ndarray:
    """Lays films and their changes out, a row for each film.

    Args:
        films: [films, size, size] uint8.
        bounds: Of the changes.
        changes: Columns beside the first, which holds the films themselves.
        seed: The same seed draws the same picture.

    Returns:
        [films * cell, (1 + changes) * cell] uint8, a cell being a film in its frame.
    """
    pixels = tf.constant(films[..., np.newaxis] / 255, tf.float32)
    columns = [films]
    for number in range(changes):
        changed = augment(pixels, tf.constant([seed, number], tf.int64), bounds)
        columns.append(np.round(255 * changed.numpy()[..., 0]).astype(np.uint8))
    frame = (FRAME_PX, FRAME_PX)
    cells = np.pad(np.stack(columns, 1), [(0, 0), (0, 0), frame, frame], constant_values=255)
    rows, across, height, width = cells.shape
    return cells.transpose(0, 2, 1, 3).reshape(rows * height, across * width)


def write_png(file: Path, picture: np.ndarray) -> None:
    """Writes [height, width] uint8 beside, then renames, so that nobody sees half a picture.

    Raises:
        DataError: If the file cannot be written.
    """
    beside = file.with_suffix(".partial")
    try:
        Image.fromarray(picture).save(beside, "PNG")
        os.replace(beside, file)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror}; choose another") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
