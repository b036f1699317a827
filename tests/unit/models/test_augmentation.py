"""Augmentation: every bound by algebra, one rotation against OpenCV, and a picture."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf

from models import augmentation
from models.hyperparameters import Augmentation

SHARED_DATA = pathlib.Path(__file__).parents[3] / "../shared/data"
SIZE_PX = 48
SEED = tf.constant([7, 11], tf.int64)
STILL = Augmentation(
    rotation_degrees=0, horizontal_flip=False, scale=0, brightness=0, noise_stddev=0
)


def changed(**bounds: float | bool) -> Augmentation:
    """Returns settings under which only the named changes happen."""
    return STILL.model_copy(update=bounds)


def drawing(size_px: int) -> np.ndarray:
    """Draws a thorax with an opacity on one side only: [size, size] float32 in [0, 1]."""
    picture = np.full((size_px, size_px), 0.6, np.float32)
    for x in (0.32, 0.68):
        centre = (int(x * size_px), int(0.5 * size_px))
        cv2.ellipse(picture, centre, (size_px // 7, size_px // 3), 0, 0, 360, 0.2, -1)
    opacity = (int(0.68 * size_px), int(0.6 * size_px))
    cv2.circle(picture, opacity, size_px // 12, 0.5, -1)
    return cv2.GaussianBlur(picture, (0, 0), size_px / 60)


def drawings(count: int, size_px: int = SIZE_PX) -> tf.Tensor:
    return tf.constant(np.repeat(drawing(size_px)[None, ..., None], count, axis=0))


def measure(transforms: tf.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recovers degrees, zoom and mirroring from [batch, 8] maps."""
    a0, a1, _, b0, b1 = transforms.numpy().T[:5]
    np.testing.assert_allclose(a0 * b0 + a1 * b1, 0, atol=1e-6)  # no shear
    np.testing.assert_allclose(np.hypot(a0, a1), np.hypot(b0, b1), rtol=1e-5)
    return np.degrees(np.arctan2(b0, b1)), 1 / np.hypot(b0, b1), a0 < 0


def assert_fills(values: np.ndarray, low: float, high: float) -> None:
    """Asserts that values stay within bounds and make use of nearly all the room."""
    margin = 0.02 * (high - low)
    assert low - 1e-4 <= values.min() < low + margin
    assert high - margin < values.max() <= high + 1e-4


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_rotation_zoom_and_mirroring_fill_their_bounds(strength: float) -> None:
    settings = Augmentation(strength=strength, rotation_degrees=12, scale=0.1)
    maps = augmentation.random_transforms(2000, SEED, settings, SIZE_PX)
    degrees, zooms, mirrored = measure(maps)
    assert_fills(degrees, -12 * strength, 12 * strength)
    assert_fills(zooms, 1 - 0.1 * strength, 1 + 0.1 * strength)
    assert 0.45 < mirrored.mean() < 0.55
    assert abs(np.corrcoef(degrees, zooms)[0, 1]) < 0.1


def test_the_centre_stays_in_place() -> None:
    maps = augmentation.random_transforms(50, SEED, Augmentation(), SIZE_PX).numpy()
    centre = np.array([(SIZE_PX - 1) / 2, (SIZE_PX - 1) / 2, 1])
    np.testing.assert_allclose(maps[:, :3] @ centre, centre[0], atol=1e-4)
    np.testing.assert_allclose(maps[:, 3:6] @ centre, centre[1], atol=1e-4)


def test_brightness_shifts_whole_images_within_its_bound() -> None:
    images = tf.fill([1000, 4, 4, 1], 0.5)
    result = augmentation.augment(images, SEED, changed(brightness=0.2, strength=0.5)).numpy()
    assert np.ptp(result, axis=(1, 2)).max() == 0
    assert_fills(result[:, 0, 0, 0] - 0.5, -0.1, 0.1)


def test_noise_is_gaussian_with_a_bounded_deviation() -> None:
    images = tf.fill([200, 64, 64, 1], 0.5)
    result = augmentation.augment(images, SEED, changed(noise_stddev=0.04, strength=0.5)).numpy()
    stddevs = result.std(axis=(1, 2, 3))
    assert stddevs.min() < 0.001
    assert 0.019 < stddevs.max() < 0.0205
    standardised = (result - 0.5) / stddevs[:, None, None, None]
    assert abs(standardised.mean()) < 0.01
    assert 2.9 < (standardised**4).mean() < 3.1  # the kurtosis of a Gaussian is 3


def test_results_stay_between_black_and_white() -> None:
    settings = Augmentation(brightness=0.3, noise_stddev=0.1)
    black_and_white = tf.concat([tf.zeros([8, 16, 16, 1]), tf.ones([8, 16, 16, 1])], axis=0)
    result = augmentation.augment(black_and_white, SEED, settings).numpy()
    assert result.min() == 0
    assert result.max() == 1


def test_strength_zero_returns_the_images() -> None:
    images = drawings(4)
    result = augmentation.augment(images, SEED, Augmentation(strength=0))
    np.testing.assert_array_equal(result, images)


def test_bounds_of_zero_change_nothing() -> None:
    images = drawings(4)
    np.testing.assert_allclose(augmentation.augment(images, SEED, STILL), images, atol=1e-6)


def test_mirroring_exchanges_left_and_right_of_some_images() -> None:
    images = drawings(32)
    result = augmentation.augment(images, SEED, changed(horizontal_flip=True)).numpy()
    kept = np.isclose(result, images, atol=1e-6).all(axis=(1, 2, 3))
    mirrored = np.isclose(result, images[:, :, ::-1], atol=1e-6).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 8 < mirrored.sum() < 24


def test_a_seed_repeats_its_changes_and_another_does_not() -> None:
    images, other = drawings(4), tf.constant([7, 12], tf.int64)
    first = augmentation.augment(images, SEED, Augmentation()).numpy()
    np.testing.assert_array_equal(augmentation.augment(images, SEED, Augmentation()), first)
    assert np.abs(augmentation.augment(images, other, Augmentation()) - first).max() > 0.05


def test_images_of_a_batch_change_differently() -> None:
    result = augmentation.augment(drawings(8), SEED, Augmentation()).numpy()
    for one in range(8):
        for another in range(one):
            assert np.abs(result[one] - result[another]).mean() > 0.005


@pytest.mark.parametrize(("degrees", "zoom"), [(15.0, 1.0), (-15.0, 1.0), (0.0, 0.9), (8.0, 1.1)])
def test_resampling_agrees_with_opencv(degrees: float, zoom: float) -> None:
    picture = drawing(SIZE_PX)
    centre = ((SIZE_PX - 1) / 2, (SIZE_PX - 1) / 2)
    expected = cv2.warpAffine(
        picture,
        cv2.getRotationMatrix2D(centre, degrees, zoom),
        (SIZE_PX, SIZE_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    maps = augmentation.make_transforms(
        tf.constant([degrees]), tf.constant([zoom]), tf.constant([False]), SIZE_PX
    )
    result = augmentation.resample(tf.constant(picture[None, ..., None]), maps)
    # OpenCV places pixels to 1/32 of a pixel only.
    np.testing.assert_allclose(result[0, ..., 0], expected, atol=0.01)


def test_it_runs_in_an_input_pipeline_with_a_batch_of_unknown_size() -> None:
    dataset = tf.data.Dataset.from_tensor_slices(drawings(5)).batch(3)
    batches = list(dataset.map(lambda x: augmentation.augment(x, SEED, Augmentation())))
    assert [tuple(batch.shape) for batch in batches] == [
        (3, SIZE_PX, SIZE_PX, 1),
        (2, SIZE_PX, SIZE_PX, 1),
    ]


def originals() -> np.ndarray:
    """Returns four films, real ones where there are any: [4, 224, 224, 1] float32."""
    paths = sorted((SHARED_DATA / "kermany224/train").rglob("*.jp*g"))[::1300]
    if not paths:
        return drawings(4, 224).numpy()
    films = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths[:4]]
    return np.stack(films)[..., None].astype(np.float32) / 255


def test_montage_shows_originals_and_their_changes(tmp_path: pathlib.Path) -> None:
    films = originals()
    columns = [films]
    for number in range(5):
        seed = tf.constant([number, 0], tf.int64)
        columns.append(augmentation.augment(tf.constant(films), seed, Augmentation()).numpy())
    rows = np.concatenate([np.concatenate(list(column), axis=0) for column in columns], axis=1)
    path = tmp_path / "augmentation.png"
    cv2.imwrite(str(path), np.round(rows * 255).astype(np.uint8))
    montage = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert montage.shape == (4 * 224, 6 * 224)
    for column in range(1, 6):
        change = montage[:, column * 224 : (column + 1) * 224].astype(float) - montage[:, :224]
        assert 2 < np.abs(change).mean() < 80
