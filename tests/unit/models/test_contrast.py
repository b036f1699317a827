"""Contrast against OpenCV, which the ops have to reproduce."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf

from models import contrast

SHARED_DATA = pathlib.Path(__file__).parents[3] / "../shared/data"

# Height, width, clip limit, tiles: fitting tiles, one side or both left over, one tile,
# tiles of a few pixels, a limit that clips nothing and one that flattens everything.
CLAHE_CASES = [
    (224, 224, 2.0, 8),
    (64, 64, 40.0, 8),
    (97, 64, 2.0, 8),
    (64, 97, 2.0, 8),
    (101, 75, 3.3, 5),
    (50, 50, 2.0, 1),
    (40, 40, 1.0, 32),
    (96, 96, 0.01, 4),
]


def drawings(height: int, width: int) -> np.ndarray:
    """Draws a gradient with noise, a dark film with few levels, and black and white."""
    rng = np.random.default_rng(height * width)
    gradient = np.linspace(20, 230, width) + rng.normal(0, 12, (height, width))
    few_levels = rng.choice([3, 4, 40], p=[0.6, 0.3, 0.1], size=(height, width))
    halves = np.where(np.arange(width) < width / 3, 0, 255) * np.ones((height, 1))
    return np.clip(np.stack([gradient, few_levels, halves]), 0, 255).astype(np.uint8)


def real_films(folder: str, count: int) -> np.ndarray:
    paths = sorted((SHARED_DATA / folder).rglob("*.jp*g"))
    if not paths:
        pytest.skip(f"needs the radiographs of ../shared/data/{folder}")
    chosen = paths[:: len(paths) // count][:count]
    return np.stack([cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in chosen])


def traced_clahe(films: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """Runs CLAHE as a graph does: compiled, with a batch of unknown size."""
    signature = [tf.TensorSpec([None, *films.shape[1:]], tf.uint8)]
    run = tf.function(lambda x: contrast.clahe(x, clip_limit, tiles), input_signature=signature)
    return run(films).numpy()


def assert_agrees_with_opencv(films: np.ndarray, clip_limit: float, tiles: int) -> None:
    opencv = cv2.createCLAHE(clip_limit, (tiles, tiles))
    expected = np.stack([opencv.apply(film) for film in films])
    difference = np.abs(traced_clahe(films, clip_limit, tiles).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.999


@pytest.mark.parametrize(("height", "width", "clip_limit", "tiles"), CLAHE_CASES)
def test_clahe_agrees_with_opencv_on_drawings(
    height: int, width: int, clip_limit: float, tiles: int
) -> None:
    assert_agrees_with_opencv(drawings(height, width), clip_limit, tiles)


@pytest.mark.parametrize("folder", ["kermany224", "nih_adult"])
@pytest.mark.parametrize(("clip_limit", "tiles"), [(2.0, 8), (3.0, 5)])
def test_clahe_agrees_with_opencv_on_radiographs(
    folder: str, clip_limit: float, tiles: int
) -> None:
    assert_agrees_with_opencv(real_films(folder, count=24), clip_limit, tiles)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (61, 97)])
def test_equalize_is_opencvs_on_drawings(height: int, width: int) -> None:
    films = drawings(height, width)
    expected = np.stack([cv2.equalizeHist(film) for film in films])
    np.testing.assert_array_equal(contrast.equalize(tf.constant(films)), expected)


@pytest.mark.parametrize("folder", ["kermany224", "nih_adult"])
def test_equalize_is_opencvs_on_radiographs(folder: str) -> None:
    films = real_films(folder, count=24)
    expected = np.stack([cv2.equalizeHist(film) for film in films])
    np.testing.assert_array_equal(contrast.equalize(tf.constant(films)), expected)


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_blank_film_is_treated_as_opencv_does(level: int) -> None:
    film = np.full((48, 48), level, np.uint8)
    np.testing.assert_array_equal(contrast.equalize(tf.constant(film[None]))[0], film)
    expected = cv2.createCLAHE(2.0, (8, 8)).apply(film)
    np.testing.assert_array_equal(traced_clahe(film[None], 2.0, 8)[0], expected)
