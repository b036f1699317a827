"""Which films a model has seen: a record beside it, and how to tell whether a film is new to it.

A test film of one model may have taught another that was trained with another split. The record
lets the two be compared on films that are new to both. It holds hashes, no ids, and lies in the
artifact of the model but not in what is pushed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from models import features
from models.film_keys import key_of
from models.input_pipeline import TransformedFilms
from models.remote_files import written_beside

RECORD = "training_films.int64"  # sorted keys, little-endian, 8 bytes each

_KEYS = {features.SHA256: features.SHA256_XF, features.PATIENT_ID: features.PATIENT_ID_XF}
_STORED = np.dtype("<i8")


def write_seen(splits: Iterable[TransformedFilms], saved_model: str) -> None:
    """Records the films that a model was fitted to or chosen by.

    Args:
        splits: Those that training read: train, and eval, which chose epoch, calibration and
            operating point.
        saved_model: Folder of the SavedModel, local or remote.
    """
    keys = np.unique(np.concatenate([_keys(films) for films in splits]))
    with written_beside(_record_of(saved_model)) as path:
        keys.astype(_STORED).tofile(path)


def read_seen(saved_model: str) -> np.ndarray | None:
    """Returns the keys of the films that a model has seen, `[keys]` int64.

    Args:
        saved_model: Folder of the SavedModel, local or remote.

    Returns:
        None where there is no record, as beside a model that was not trained here.
    """
    file_name = _record_of(saved_model)
    if not tf.io.gfile.exists(file_name):
        return None
    with tf.io.gfile.GFile(file_name, "rb") as file:
        return np.frombuffer(file.read(), _STORED).astype(np.int64)


def are_new(digests: np.ndarray, patients: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Tells which films a model has not seen, nor another film of their patient.

    Args:
        digests: `[films]` bytes, of `SHA256`.
        patients: `[films]` bytes, of `PATIENT_ID`.
        seen: Of `read_seen`.

    Returns:
        `[films]` bool.
    """
    given = {features.SHA256: digests, features.PATIENT_ID: patients}
    keys = [key_of(name, tf.constant(values, tf.string)).numpy() for name, values in given.items()]
    return ~np.isin(np.stack(keys), seen).any(axis=0)


def _record_of(saved_model: str) -> str:
    """Returns the file beside the SavedModel: what lies inside is pushed with it."""
    return posixpath.join(posixpath.dirname(saved_model.rstrip("/")), RECORD)


def _keys(films: TransformedFilms) -> np.ndarray:
    spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in _KEYS.values()}
    parsed = films.serialised().batch(256).map(lambda batch: tf.io.parse_example(batch, spec))
    batches = [batch[name] for batch in parsed.as_numpy_iterator() for name in spec]
    return np.concatenate(batches)
