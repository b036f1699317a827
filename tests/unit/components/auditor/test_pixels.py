"""Decoded films against OpenCV, the arithmetic of 16 bits and the served model's own decoder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from components.auditor.pixels import decode_film, encode_png, image_size
from models.images import decode_image
from tests.support import draw_film, encode


def test_png_is_decoded_as_it_is() -> None:
    film = draw_film(1)
    assert np.array_equal(decode_film(encode(film), 512), film)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_colour_becomes_the_grey_of_the_served_model(suffix: str) -> None:
    colour = np.stack([draw_film(seed) for seed in (1, 2, 3)], axis=-1)
    data = encode(colour, suffix)
    served = decode_image(data).numpy()[..., 0]
    assert np.abs(decode_film(data, 512) - served).max() <= 2


def test_16_bits_are_stretched() -> None:
    film = draw_film(1).astype(np.uint16) * 40 + 1000
    expected = (film - film.min()) * (255 / (film.max() - film.min()))
    assert np.array_equal(decode_film(encode(film), 512), np.round(expected.astype(np.float32)))


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 1), (".jpg", 6)])
def test_large_films_are_shrunk_by_areas(suffix: str, tolerance: int) -> None:
    film = cv2.resize(draw_film(1, 200), (400, 200))
    found = decode_film(encode(film, suffix), 100)
    expected = cv2.resize(film, (100, 50), interpolation=cv2.INTER_AREA)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= tolerance


def test_png_keeps_every_level() -> None:
    film = draw_film(4)
    decoded = cv2.imdecode(np.frombuffer(encode_png(film), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded, film)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_size_is_the_stored_one(suffix: str) -> None:
    assert image_size(encode(np.zeros((30, 50), np.uint8), suffix)) == (50, 30)
