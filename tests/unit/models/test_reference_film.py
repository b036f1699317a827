"""The mean of normal films, by another way, and none where one could be made out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.hyperparameters import Hyperparameters, Preprocessing
from models.input_pipeline import TransformedFilms
from models.reference_film import keep_reference, mean_normal_film, read_reference

SIDE = 32
SPEC = {
    features.IMAGE_XF: tf.io.FixedLenFeature([1], tf.string),
    features.LABEL_XF: tf.io.FixedLenFeature([1], tf.int64),
    features.PIXEL_MEAN_XF: tf.io.FixedLenFeature([1], tf.float32),
    features.PIXEL_STDDEV_XF: tf.io.FixedLenFeature([1], tf.float32),
}


def split(
    folder: Path,
    pixels: np.ndarray,
    classes: np.ndarray,
    moments: tuple[float, float] = (0.0, 1.0),
) -> TransformedFilms:
    file = str(folder / "films.gz")
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for film, index in zip(pixels, classes, strict=True):
            values = {
                features.IMAGE_XF: tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[film.tobytes()])
                ),
                features.LABEL_XF: tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[int(index)])
                ),
                features.PIXEL_MEAN_XF: tf.train.Feature(
                    float_list=tf.train.FloatList(value=moments[:1])
                ),
                features.PIXEL_STDDEV_XF: tf.train.Feature(
                    float_list=tf.train.FloatList(value=moments[1:])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=values))
            writer.write(example.SerializeToString())
    return TransformedFilms((file,), SPEC, classes)


def settings(normalisation: str) -> Hyperparameters:
    chosen = {"image_size_px": SIDE, "normalisation": normalisation}
    return Hyperparameters(preprocessing=Preprocessing.model_validate(chosen))


@pytest.mark.parametrize("normalisation", ["unit", "zscore", "per_image"])
def test_it_is_the_mean_of_normal_films_and_their_mirror_images(
    tmp_path: Path, normalisation: str
) -> None:
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat([0, 1], [70, 30]))
    pixels = rng.integers(0, 200, (100, SIDE, SIDE), dtype=np.uint8)
    pixels[:, 4:10, 3:12] += 50
    pixels[classes == 1] = 255
    mean = pixels[classes == 0].mean(axis=0) / 255
    mean = (mean + mean[:, ::-1]) / 2
    expected = {
        "unit": mean,
        "zscore": (mean - 0.25) / 0.5,
        "per_image": (mean - mean.mean()) / mean.std(),
    }[normalisation]
    moments = (0.25, 0.5) if normalisation == "zscore" else (0.0, 1.0)  # as Transform has them
    films = split(tmp_path, pixels, classes, moments)
    film = mean_normal_film(films, settings(normalisation))
    assert film.shape == (SIDE, SIDE, 1) and film.dtype == np.float32
    np.testing.assert_allclose(film[..., 0], expected, atol=1e-4)
    keep_reference(film, str(tmp_path))
    np.testing.assert_array_equal(read_reference(str(tmp_path)), film)


@pytest.mark.parametrize("normal", [1, 24])
def test_of_few_films_nothing_is_kept(tmp_path: Path, normal: int) -> None:
    """A mean of one film is that film, which a served model must not hold."""
    classes = np.repeat([0, 1], [normal, 40])
    pixels = np.random.default_rng(1).integers(0, 255, (normal + 40, SIDE, SIDE), dtype=np.uint8)
    film = mean_normal_film(split(tmp_path, pixels, classes), settings("per_image"))
    assert np.ptp(film) == 0
