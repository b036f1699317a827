"""Levels of 16 bits against arithmetic, with and without broken pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radiographs.grey_levels import is_blank, robust_bounds, to_8_bit


def film_of_12_bits(side_px: int = 224) -> np.ndarray:
    """A slope with grain, between 300 and 3900."""
    grain = np.random.default_rng(0).normal(0, 60, (side_px, side_px))
    return np.clip(np.linspace(400, 3800, side_px) + grain, 300, 3900).astype(np.uint16)


def stretched(levels: np.ndarray) -> np.ndarray:
    return np.round((levels - levels.min()) / np.ptp(levels) * 255)


def test_a_sound_film_is_stretched_between_its_extremes() -> None:
    film = film_of_12_bits()
    assert robust_bounds(film) == (film.min(), film.max())
    np.testing.assert_allclose(to_8_bit(film), stretched(film.astype(float)), atol=1)


@pytest.mark.parametrize("level", [0, 65535])
@pytest.mark.parametrize(
    "where", [np.s_[5, 7], np.s_[10:12, 20:30], np.s_[100], np.s_[:, 50]],
    ids=["pixel", "patch", "row", "column"],
)  # fmt: skip
def test_broken_pixels_leave_the_others_as_they_were(level: int, where: Any) -> None:
    film = film_of_12_bits() + np.uint16(8000)
    broken = film.copy()
    broken[where] = level
    whole = broken == film
    np.testing.assert_allclose(
        to_8_bit(broken)[whole].astype(int), to_8_bit(film)[whole].astype(int), atol=2
    )
    assert set(to_8_bit(broken)[where].ravel()) == {0 if level == 0 else 255}


def test_hot_and_dead_pixels_at_once() -> None:
    film = film_of_12_bits() + np.uint16(8000)
    broken = film.copy()
    broken[0, :50], broken[-1, :50] = 0, 65535
    expected = to_8_bit(film)[1:-1].astype(int)
    np.testing.assert_allclose(to_8_bit(broken)[1:-1].astype(int), expected, atol=2)


@pytest.mark.parametrize("level", [0, 4095])
def test_a_broken_pixel_near_the_tissue_is_one_too(level: int) -> None:
    """A saturated pixel of 12 bits is no brighter than a film of 12 bits might be."""
    film = np.clip(film_of_12_bits(), 1000, 3500)
    broken = film.copy()
    broken[5, 7] = level
    assert robust_bounds(broken) == (film.min(), film.max())


def test_rows_and_columns_at_once_and_a_printed_word() -> None:
    film = film_of_12_bits()
    broken = film.copy()
    broken[100:102], broken[:, 30], broken[:12, :20] = 0, 65535, 65535
    assert robust_bounds(broken) == pytest.approx((film.min(), film.max()), abs=20)


def test_a_marker_that_fades_into_the_film_stays_part_of_it() -> None:
    film = film_of_12_bits()
    film[10:30, 10:40] = np.linspace(3000, 5000, 600).reshape(20, 30)
    assert robust_bounds(film)[1] == 5000


@pytest.mark.parametrize("level", [0, 900, 65535])
def test_a_single_level_becomes_black(level: int) -> None:
    assert not to_8_bit(np.full((64, 64), level, np.uint16)).any()


@pytest.mark.parametrize(("spread", "blank"), [(0, True), (7, True), (8, False), (200, False)])
def test_blank_is_what_hardly_varies(spread: int, blank: bool) -> None:
    film = np.full((100, 100), 20, np.uint8)
    film[:50] += np.uint8(spread)
    assert is_blank(film) is blank


def test_a_word_on_a_blank_film_is_no_picture() -> None:
    film = np.zeros((100, 100), np.uint8)
    film[:9, :10] = 255  # less than a hundredth
    assert is_blank(film)
