"""Decoding and resizing against OpenCV, PIL and arithmetic."""

from __future__ import annotations

import io
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models import images

SHARED_DATA = pathlib.Path(__file__).parents[3] / "../shared/data"
LUMINANCE = np.array([0.299, 0.587, 0.114])  # red, green, blue; ITU-R BT.601


def film(height: int, width: int, channels: int = 1) -> np.ndarray:
    """Draws smooth shades with some grain: [height, width] or [height, width, channels]."""
    rng = np.random.default_rng(height + width)
    y, x = np.mgrid[:height, :width]
    shades = [
        128 + 80 * np.sin(x / (20 + 7 * c)) * np.cos(y / (31 + 5 * c)) for c in range(channels)
    ]
    grainy = np.stack(shades, axis=-1) + rng.normal(0, 5, (height, width, channels))
    return np.clip(grainy, 0, 255).astype(np.uint8).squeeze()


def encode(pixels: np.ndarray | Image.Image, file_format: str) -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, file_format)
    return file.getvalue()


def encode_16_bit(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def decode(encoded: bytes, min_side_px: int | None = None) -> np.ndarray:
    return images.decode_image(tf.constant(encoded), min_side_px)[0].numpy()[..., 0]


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_decoded_as_opencv_does(channels: int) -> None:
    encoded = encode(film(90, 121, channels), "JPEG")
    expected = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(decode(encoded), expected)


def test_grey_png_keeps_every_level() -> None:
    pixels = film(50, 60)
    np.testing.assert_array_equal(decode(encode(pixels, "PNG")), pixels)


def test_colour_png_becomes_luminance() -> None:
    pixels = film(50, 60, channels=3)
    np.testing.assert_allclose(decode(encode(pixels, "PNG")), pixels @ LUMINANCE, atol=0.5)


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA"])
def test_other_kinds_of_png_are_read(mode: str) -> None:
    picture = Image.fromarray(film(50, 60)).convert(mode)
    expected = np.asarray(picture.convert("L"), np.float32)
    np.testing.assert_allclose(decode(encode(picture, "PNG")), expected, atol=1.0)


def test_16_bit_png_is_stretched_between_its_extremes() -> None:
    twelve_bit = film(50, 60).astype(np.uint16) * 16 + 700
    lowest, highest = twelve_bit.min(), twelve_bit.max()
    expected = (twelve_bit - lowest) / (highest - lowest) * 255
    np.testing.assert_allclose(decode(encode_16_bit(twelve_bit)), expected, atol=1e-3)


def test_16_bit_colour_png_is_read() -> None:
    blue_green_red = film(50, 60, channels=3).astype(np.uint16) * 256
    grey = blue_green_red @ LUMINANCE[::-1]
    expected = (grey - grey.min()) / np.ptp(grey) * 255
    np.testing.assert_allclose(decode(encode_16_bit(blue_green_red)), expected, atol=0.1)


def test_a_blank_16_bit_png_is_black() -> None:
    assert not decode(encode_16_bit(np.full((40, 40), 900, np.uint16))).any()


@pytest.mark.parametrize(
    ("min_side_px", "ratio"), [(None, 1), (600, 1), (500, 2), (251, 2), (250, 4), (125, 8), (9, 8)]
)
def test_a_jpeg_is_shrunk_as_far_as_its_shorter_side_allows(
    min_side_px: int | None, ratio: int
) -> None:
    encoded = encode(film(1000, 1400), "JPEG")
    assert decode(encoded, min_side_px).shape == (1000 // ratio, 1400 // ratio)


def resize_after_full_decode(encoded: bytes, size_px: int) -> np.ndarray:
    full = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(full, (size_px, size_px), interpolation=cv2.INTER_AREA)


def test_shrinking_while_decoding_stays_close_to_a_full_decode() -> None:
    encoded = encode(film(1000, 1400), "JPEG")
    expected = resize_after_full_decode(encoded, 224)
    result = images.decode_and_resize(tf.constant(encoded), 224)[0].pixels.numpy()
    assert np.abs(result.astype(float) - expected).mean() < 1.0


def test_shrinking_while_decoding_stays_close_on_radiographs() -> None:
    paths = sorted((SHARED_DATA / "kermany_original").rglob("*.jp*g"))[::20]
    if not paths:
        pytest.skip("needs the radiographs of ../shared/data/kermany_original")
    for path in paths:
        encoded = path.read_bytes()
        expected = resize_after_full_decode(encoded, 224)
        result = images.decode_and_resize(tf.constant(encoded), 224)[0].pixels.numpy()
        assert np.abs(result.astype(float) - expected).mean() < 1.0, path.name


@pytest.mark.parametrize("border_crop", [0.05, 0.1, 0.2])
@pytest.mark.parametrize(("height", "width"), [(500, 800), (224, 224), (90, 120)])
def test_the_border_is_cut_off_before_resizing(border_crop: float, height: int, width: int) -> None:
    pixels = film(height, width)
    pixels[0] = pixels[-1] = pixels[:, 0] = pixels[:, -1] = 255  # a bright edge, as of a collimator
    encoded = tf.constant(encode(pixels, "PNG"))
    across, down = int(border_crop * width), int(border_crop * height)
    inner = Image.fromarray(pixels).crop((across, down, width - across, height - down))
    expected = resize(np.asarray(inner), 112)
    result = images.decode_and_resize(encoded, 112, border_crop)[0].pixels
    # Rounding may move an edge by one pixel of the original.
    assert np.abs(result.numpy().astype(float) - expected).mean() < 2
    if border_crop * width == across and border_crop * height == down:
        np.testing.assert_array_equal(result, expected)


def test_without_a_border_nothing_is_cut_off() -> None:
    pixels = film(112, 112)
    encoded = tf.constant(encode(pixels, "PNG"))
    np.testing.assert_array_equal(images.decode_and_resize(encoded, 112, 0.0)[0].pixels, pixels)


def test_a_jpeg_is_shrunk_no_further_than_its_inner_part_allows() -> None:
    # Fine enough for halving as a whole, but not once a fifth is cut off each side.
    encoded = encode(film(900, 900), "JPEG")
    whole = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    expected = cv2.resize(whole[180:720, 180:720], (224, 224), interpolation=cv2.INTER_AREA)
    result = images.decode_and_resize(tf.constant(encoded), 224, 0.2)[0].pixels
    np.testing.assert_allclose(result.numpy().astype(int), expected, atol=1)


def resize(pixels: np.ndarray, size_px: int) -> np.ndarray:
    return images.resize_image(tf.constant(pixels[..., None], tf.float32), size_px).numpy()


@pytest.mark.parametrize(("height", "width"), [(448, 448), (256, 256), (300, 511), (112, 500)])
def test_shrinking_averages_areas_as_opencv_does(height: int, width: int) -> None:
    pixels = film(height, width)
    expected = cv2.resize(pixels, (112, 112), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(resize(pixels, 112).astype(int), expected, atol=1)


@pytest.mark.parametrize(("height", "width"), [(70, 70), (64, 100), (70, 200)])
def test_enlarging_interpolates_as_pil_does(height: int, width: int) -> None:
    pixels = film(height, width)
    expected = Image.fromarray(pixels).resize((112, 112), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(resize(pixels, 112).astype(int), np.asarray(expected), atol=1)


def test_a_film_of_the_right_size_is_not_resampled() -> None:
    pixels = film(112, 112)
    np.testing.assert_array_equal(resize(pixels, 112), pixels)


@pytest.mark.parametrize(("side_px", "share_left"), [(448, 0.01), (336, 0.4), (280, 0.5)])
def test_fine_stripes_fade_instead_of_aliasing(side_px: int, share_left: float) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (side_px, side_px // 2))
    result = resize(stripes, 112)
    assert result.std() < share_left * stripes.std()
    assert abs(result.mean() - 127.5) < 1
