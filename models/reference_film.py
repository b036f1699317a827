"""The film that others are held against in an explanation: the mean of normal films."""

from __future__ import annotations

import io
import posixpath

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models import features
from models.hyperparameters import Hyperparameters, Preprocessing
from models.input_pipeline import TransformedFilms
from models.preprocessing import standardise, unpack_images
from models.remote_files import written_beside

REFERENCE_FILE = "reference_film.npy"  # in the model_run artifact

Film = npt.NDArray[np.float32]  # [size, size, 1], standardised

_MOST_FILMS = 1000  # more do not change the mean, and take time
_LEAST_FILMS = 25  # of fewer, one could be made out, and a model must not hold a patient's film
_READ_AT_ONCE = 64
_NORMAL = 0  # class index in either task


def mean_normal_film(films: TransformedFilms, settings: Hyperparameters) -> Film:
    """Averages the first normal films of a split and their mirror images.

    Args:
        films: The train split.
        settings: Size and normalisation.

    Returns:
        The film, as the network is given films; without any structure where there are too few.
    """
    size_px = settings.preprocessing.image_size_px
    wanted = np.flatnonzero(films.classes == _NORMAL)[:_MOST_FILMS]
    if len(wanted) < _LEAST_FILMS:
        return blank_film(settings.preprocessing)
    total = tf.zeros([1, size_px, size_px, 1])
    for first in range(0, len(wanted), _READ_AT_ONCE):
        some = films.parse(tf.constant(films.records.read(wanted[first : first + _READ_AT_ONCE])))
        total += tf.reduce_sum(unpack_images(some, size_px), axis=0, keepdims=True)
    mean = total / len(wanted)
    mean = (mean + tf.reverse(mean, [2])) / 2
    moments = {name: some[name][:1] for name in (features.PIXEL_MEAN_XF, features.PIXEL_STDDEV_XF)}
    return standardise(mean, moments, settings.preprocessing.normalisation)[0].numpy()


def blank_film(settings: Preprocessing) -> Film:
    """Returns a film without structure: 0 is the mean grey, unless pixels are in [0, 1]."""
    size_px = settings.image_size_px
    grey = 0.5 if settings.normalisation == "unit" else 0.0
    return np.full((size_px, size_px, 1), grey, np.float32)


def keep_reference(film: Film, folder: str) -> None:
    """Keeps a film in the model_run artifact at a URI."""
    with written_beside(posixpath.join(folder, REFERENCE_FILE)) as path:
        np.save(path, film)


def read_reference(folder: str) -> Film:
    """Returns the film that `keep_reference` kept."""
    with tf.io.gfile.GFile(posixpath.join(folder, REFERENCE_FILE), "rb") as file:
        return np.load(io.BytesIO(file.read()))
