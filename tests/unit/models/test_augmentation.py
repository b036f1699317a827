"""Augmentation: every bound by algebra, every change against OpenCV or NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from models import augmentation
from models.hyperparameters import Augmentation

SIZE_PX = 48
SEED = tf.constant([7, 11], tf.int64)
STILL = Augmentation(
    rotation_degrees=0, horizontal_flip=False, scale=0, brightness=0, noise_stddev=0,
    aspect=0, shift=0, sharpness=0, erase=0,
)  # fmt: skip
EVERYTHING = Augmentation(
    aspect=0.15, shift=0.08, contrast=0.4, gamma=0.5, sharpness=0.8, erase=0.2
)


@pytest.fixture(autouse=True)
def autograph_reads_all_of_it(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whichever test traces first: what AutoGraph cannot read, it reports in users' terminals."""
    yield
    messages = [record.getMessage() for record in caplog.get_records("call")]
    assert not [message for message in messages if message.startswith("AutoGraph could not")]


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


def measure(transforms: tf.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Recovers degrees, zoom, stretch and mirroring from [batch, 8] maps."""
    a0, a1, _, b0, b1 = transforms.numpy().T[:5]
    np.testing.assert_allclose(a0 * b0 + a1 * b1, 0, atol=1e-6)  # no shear
    across, down = 1 / np.hypot(a0, a1), 1 / np.hypot(b0, b1)
    zooms, stretches = np.sqrt(across * down), np.sqrt(across / down)
    return np.degrees(np.arctan2(b0, b1)), zooms, stretches, a0 < 0


def assert_fills(values: np.ndarray, low: float, high: float) -> None:
    """Asserts that values stay within bounds and make use of nearly all the room."""
    margin = 0.02 * (high - low)
    assert low - 1e-4 <= values.min() < low + margin
    assert high - margin < values.max() <= high + 1e-4


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_the_shape_of_a_patient_fills_its_bounds(strength: float) -> None:
    settings = Augmentation(strength=strength, rotation_degrees=12, scale=0.1, aspect=0.2)
    bounds = augmentation.at_full_strength(settings)
    maps = augmentation.random_transforms(2000, SEED, bounds, SIZE_PX)
    degrees, zooms, stretches, mirrored = measure(maps)
    assert_fills(degrees, -12 * strength, 12 * strength)
    assert_fills(zooms, 1 - 0.1 * strength, 1 + 0.1 * strength)
    assert_fills(np.log(stretches), -0.2 * strength, 0.2 * strength)
    assert 0.45 < mirrored.mean() < 0.55
    drawn = np.corrcoef([degrees, zooms, np.log(stretches)])
    assert np.abs(drawn - np.eye(3)).max() < 0.1


def displaced(maps: tf.Tensor) -> np.ndarray:
    """Returns where the middle of the image goes in x and y: [batch, 2] pixels."""
    middle = np.full(2, (SIZE_PX - 1) / 2)
    rows = maps.numpy()[:, :6].reshape(-1, 2, 3)
    return np.stack([np.linalg.solve(m[:, :2], middle - m[:, 2]) - middle for m in rows])


def test_without_a_shift_the_centre_stays_in_place() -> None:
    bounds = Augmentation(aspect=0.2, shift=0)
    maps = augmentation.random_transforms(50, SEED, bounds, SIZE_PX)
    np.testing.assert_allclose(displaced(maps), 0, atol=1e-3)


def test_the_shift_fills_its_bounds_however_the_image_is_turned() -> None:
    bounds = Augmentation(aspect=0.2, shift=0.1)
    shifts = displaced(augmentation.random_transforms(1000, SEED, bounds, SIZE_PX))
    for along in shifts.T:
        assert_fills(along / SIZE_PX, -0.1, 0.1)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.1


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
    settings = EVERYTHING.model_copy(update={"brightness": 0.3, "noise_stddev": 0.1})
    black_and_white = tf.concat([tf.zeros([8, 16, 16, 1]), tf.ones([8, 16, 16, 1])], axis=0)
    result = augmentation.augment(black_and_white, SEED, settings).numpy()
    assert result.min() == 0
    assert result.max() == 1


def test_strength_zero_returns_the_images() -> None:
    images = drawings(4)
    result = augmentation.augment(images, SEED, EVERYTHING.model_copy(update={"strength": 0}))
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


@pytest.mark.parametrize("settings", [Augmentation(), EVERYTHING])
def test_a_seed_repeats_its_changes_and_another_does_not(settings: Augmentation) -> None:
    images, other = drawings(4), tf.constant([7, 12], tf.int64)
    first = augmentation.augment(images, SEED, settings).numpy()
    np.testing.assert_array_equal(augmentation.augment(images, SEED, settings), first)
    assert np.abs(augmentation.augment(images, other, settings) - first).max() > 0.05


def test_images_of_a_batch_change_differently() -> None:
    result = augmentation.augment(drawings(8), SEED, Augmentation()).numpy()
    for one in range(8):
        for another in range(one):
            assert np.abs(result[one] - result[another]).mean() > 0.005


@pytest.mark.parametrize(
    ("degrees", "zooms", "shifts_px", "mirrored"),
    [
        (15.0, (1.0, 1.0), (0.0, 0.0), False),
        (-15.0, (1.0, 1.0), (0.0, 0.0), True),
        (0.0, (0.9, 0.9), (0.0, 0.0), False),
        (0.0, (1.2, 0.8), (0.0, 0.0), False),
        (0.0, (1.0, 1.0), (4.5, -2.0), False),
        (8.0, (1.1, 0.9), (-3.0, 2.0), True),
    ],
)
def test_resampling_agrees_with_opencv(
    degrees: float, zooms: tuple[float, float], shifts_px: tuple[float, float], mirrored: bool
) -> None:
    picture = drawing(SIZE_PX)
    centre = (SIZE_PX - 1) / 2
    turn = np.vstack([cv2.getRotationMatrix2D((centre, centre), degrees, 1.0), [0, 0, 1]])
    stretch = np.diag([*zooms, 1.0])
    stretch[:2, 2] = centre - np.array(zooms) * centre
    move = np.eye(3)
    move[:2, 2] = shifts_px
    expected = cv2.warpAffine(
        picture[:, ::-1] if mirrored else picture,
        (move @ turn @ stretch)[:2],
        (SIZE_PX, SIZE_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    maps = augmentation.make_transforms(
        tf.constant([degrees]),
        tf.constant([zooms]),
        tf.constant([shifts_px]),
        tf.constant([mirrored]),
        SIZE_PX,
    )
    result = augmentation.resample(tf.constant(picture[None, ..., None]), maps)
    # OpenCV places pixels to 1/32 of a pixel only.
    np.testing.assert_allclose(result[0, ..., 0], expected, atol=0.01)


def noisy(count: int = 3) -> np.ndarray:
    """Draws pixels without any order: [count, 32, 40, 1] float32 in [0, 1], 0 and 1 included."""
    pixels = np.random.default_rng(5).uniform(0, 1, (count, 32, 40, 1)).astype(np.float32)
    pixels[:, 0, :2, 0] = 0, 1
    return pixels


def one_each(*values: float) -> tf.Tensor:
    return tf.reshape(tf.constant(values, tf.float32), [-1, 1, 1, 1])


def test_blurring_averages_twice_over_what_lies_inside() -> None:
    images = noisy()
    for image, result in zip(images[..., 0], augmentation.blur(images).numpy(), strict=True):
        expected, ones = image, np.ones_like(image)
        for _ in range(2):
            total = cv2.boxFilter(expected, -1, (3, 3), normalize=False, borderType=0)
            expected = total / cv2.boxFilter(ones, -1, (3, 3), normalize=False, borderType=0)
        np.testing.assert_allclose(result[..., 0], expected, atol=1e-5)


def test_blurring_is_close_to_a_gaussian() -> None:
    image = drawing(SIZE_PX)
    expected = cv2.GaussianBlur(image, (0, 0), 1.15)
    result = augmentation.blur(image[None, ..., None])[0, ..., 0]
    assert np.abs(result - image).max() > 0.03
    np.testing.assert_allclose(result[4:-4, 4:-4], expected[4:-4, 4:-4], atol=0.01)


def test_sharpness_leads_to_the_blurred_image_and_away_from_it() -> None:
    images = np.repeat(noisy(1), 4, axis=0)
    blurred = augmentation.blur(images).numpy()[0]
    result = augmentation.change_sharpness(images, one_each(0, 1, 0.25, -0.5)).numpy()
    np.testing.assert_allclose(result[0], images[0], atol=1e-6)
    np.testing.assert_allclose(result[1], blurred, atol=1e-6)
    np.testing.assert_allclose(result[2], 0.75 * images[0] + 0.25 * blurred, atol=1e-6)
    np.testing.assert_allclose(result[3], 1.5 * images[0] - 0.5 * blurred, atol=1e-6)


def test_contrast_scales_the_deviation_and_keeps_the_mean() -> None:
    images, factors = noisy(), np.array([0.7, 1.0, 1.5])
    result = augmentation.change_contrast(images, one_each(*factors)).numpy()
    axes = (1, 2, 3)
    np.testing.assert_allclose(result.mean(axes), images.mean(axes), rtol=1e-4)
    np.testing.assert_allclose(result.std(axes), factors * images.std(axes), rtol=1e-4)
    np.testing.assert_allclose(result[1], images[1], atol=1e-6)


def test_gamma_is_numpys_power_of_clipped_pixels() -> None:
    images = 1.4 * noisy() - 0.2
    exponents = np.array([0.5, 1.0, 2.0])
    result = augmentation.change_gamma(images, one_each(*exponents)).numpy()
    expected = np.clip(images, 0, 1) ** exponents.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert result.min() == 0
    assert result.max() == 1


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_exposure_fills_its_bounds(strength: float) -> None:
    halves = tf.concat([tf.fill([500, 8, 4, 1], 0.4), tf.fill([500, 8, 4, 1], 0.6)], axis=2)
    settings = changed(contrast=0.5, strength=strength)
    contrasts = np.ptp(augmentation.augment(halves, SEED, settings).numpy(), axis=(1, 2, 3)) / 0.2
    assert_fills(np.log(contrasts), -0.5 * strength, 0.5 * strength)
    settings = changed(gamma=0.7, strength=strength)
    darker = augmentation.augment(halves, SEED, settings).numpy()[:, 0, 0, 0]
    exponents = np.log(darker) / np.log(0.4)
    assert_fills(np.log(exponents), -0.7 * strength, 0.7 * strength)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_sharpness_fills_its_bounds(strength: float) -> None:
    images = drawings(500)
    difference = augmentation.blur(images).numpy() - images
    settings = changed(sharpness=0.8, strength=strength)
    change = augmentation.augment(images, SEED, settings).numpy() - images
    amounts = np.sum(change * difference, (1, 2, 3)) / np.sum(difference**2, (1, 2, 3))
    assert_fills(amounts, -0.8 * strength, 0.8 * strength)


def test_a_filled_rectangle_is_numpys_slice() -> None:
    images = drawings(2)
    expected = images.numpy()
    expected[0, 5:12, 3:33] = 0.9
    expected[1, 0:9, 37:48] = 0.1
    corners, sides = tf.constant([[3.0, 5.0], [37.5, 0.0]]), tf.constant([[30.0, 7.0], [10.5, 9.5]])
    result = augmentation.fill_rectangles(images, corners, sides, one_each(0.9, 0.1))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("erase", "strength"), [(0.3, 1.0), (0.2, 0.5), (0.02, 1.0)])
def test_two_rectangles_are_erased_within_their_bounds(erase: float, strength: float) -> None:
    count, size_px = 300, 100
    images = tf.fill([count, size_px, size_px, 1], -1.0)  # clipped to 0, which no grey is
    settings = changed(erase=erase, strength=strength)
    result = augmentation.augment(images, SEED, settings).numpy()[..., 0]
    longest = erase * strength * size_px
    shortest = min(4.0, longest)
    for image in result:
        greys = np.unique(image[image > 0])
        assert 1 <= len(greys) <= 2  # one may hide the other
        for grey in greys:
            rows, columns = np.nonzero(image == grey)
            assert np.ptp(rows) < longest
            assert np.ptp(columns) < longest
    areas = (result > 0).sum(axis=(1, 2))
    assert areas.max() <= 2 * np.ceil(longest) ** 2
    assert areas.min() >= np.floor(shortest) ** 2
    assert result.max() > 0.97


def test_no_place_is_safe_from_erasing() -> None:
    result = augmentation.augment(tf.fill([4000, 50, 50, 1], -1.0), SEED, changed(erase=0.3))
    erased = (result.numpy()[..., 0] > 0).mean(axis=0)
    assert erased[5:-5, 5:-5].min() > 0.01
    left, right = erased[:, 0].mean(), erased[:, -1].mean()
    assert 0 < left < erased[5:-5, 5:-5].mean()  # rectangles lie inside, so few touch the edge
    assert 0.5 < left / right < 2


def test_changes_that_are_off_are_not_in_the_graph() -> None:
    def operations(settings: Augmentation) -> set[str]:
        traced = tf.function(lambda x: augmentation.augment(x, SEED, settings))
        graph = traced.get_concrete_function(tf.TensorSpec([None, 48, 48, 1])).graph
        return {operation.type for operation in graph.get_operations()}

    costly = {"AvgPool", "Log", "LogicalAnd", "StatelessRandomNormalV2"}
    assert costly <= operations(EVERYTHING)
    assert not costly & operations(STILL)


@pytest.mark.parametrize(
    ("bound", "too_much"),
    [
        ("rotation_degrees", 16),
        ("scale", 0.11),
        ("aspect", 0.21),
        ("shift", 0.11),
        ("brightness", 0.31),
        ("contrast", 0.51),
        ("gamma", 0.71),
        ("sharpness", 1.01),
        ("noise_stddev", 0.11),
        ("erase", 0.31),
    ],
)
def test_more_than_a_clinic_would_see_is_refused(bound: str, too_much: float) -> None:
    with pytest.raises(ValidationError, match=bound):
        Augmentation.model_validate({bound: too_much})
    with pytest.raises(ValidationError, match=bound):
        Augmentation.model_validate({bound: -0.01})


def test_it_runs_in_an_input_pipeline_with_a_batch_of_unknown_size() -> None:
    dataset = tf.data.Dataset.from_tensor_slices(drawings(5)).batch(3)
    changed_batches = dataset.map(lambda x: augmentation.augment(x, SEED, EVERYTHING))
    assert changed_batches.element_spec.shape[1:] == (SIZE_PX, SIZE_PX, 1)
    assert [tuple(batch.shape) for batch in changed_batches] == [
        (3, SIZE_PX, SIZE_PX, 1),
        (2, SIZE_PX, SIZE_PX, 1),
    ]
