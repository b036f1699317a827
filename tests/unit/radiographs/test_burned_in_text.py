"""Text burned into films is seen, and a marker, a chest or a grid is not taken for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.burned_in_text import FONTS, INKS, TEXTS, burn, draw_text
from radiographs.burned_in_text import (
    LEAST_CHARACTERS,
    count_text,
    shows_text,
    text_boxes,
    text_notes,
)
from radiographs.phantoms import draw_phantom

SIDE_PX = 512


def phantom(seed: int = 3, side_px: int = SIDE_PX) -> np.ndarray:
    return draw_phantom(seed, side_px).pixels


def with_text(film: np.ndarray, text: str, top: int, left: int, height_px: int = 14) -> np.ndarray:
    mask = draw_text(text, FONTS[0], height_px)
    marked = film.copy()
    part = marked[top : top + mask.shape[0], left : left + mask.shape[1]]
    np.maximum(part, mask, out=part)
    return marked


@pytest.fixture(scope="module", name="film")
def draw_film() -> np.ndarray:
    return phantom()


@pytest.mark.parametrize("seed", range(12))
def test_films_as_they_are_show_none(seed: int) -> None:
    assert not shows_text(phantom(seed, 256))


@pytest.mark.parametrize("text", ["R", "L", "AP", "PA", "R 1"])
def test_a_marker_is_no_text(film: np.ndarray, text: str) -> None:
    for height_px in (10, 14, 24, 40):
        assert not shows_text(with_text(film, text, 20, 20, height_px))


@pytest.mark.parametrize("text", TEXTS)
def test_a_name_a_date_an_id_and_a_place_are_seen(film: np.ndarray, text: str) -> None:
    assert shows_text(with_text(film, text, 20, 20))


@pytest.mark.parametrize("ink", list(INKS))
@pytest.mark.parametrize("font", FONTS)
def test_of_every_font_and_ink(
    film: np.ndarray, ink: str, font: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.burned_in_text.FONTS", (font,))
    found = [
        shows_text(burn(film, ink, 32, np.random.default_rng((seed, len(font)))))
        for seed in range(8)
    ]
    assert np.mean(found) >= (1 if "box" in ink else 0.75 if "white" in ink else 0.25)


def test_the_box_is_round_the_text(film: np.ndarray) -> None:
    marked = with_text(film, "SMITH JOHN", 300, 40, 16)
    (left, top, width, height), *_ = text_boxes(marked)
    assert 40 <= left <= 60 and 300 <= top <= 312
    assert 14 <= height <= 20 and width > 5 * height
    # What lies between bright letters may be seen as dark ones, at the same place.
    assert all(abs(box[1] - top) < 10 and box[0] >= left for box in text_boxes(marked))


def test_a_large_film_is_reduced_and_its_boxes_are_its_own(film: np.ndarray) -> None:
    marked = with_text(film, "1961-03-07", 300, 40, 16)
    large = cv2.resize(marked, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    (left, top, _, height), *_ = text_boxes(large)
    assert 200 <= left <= 300 and 1500 <= top <= 1560
    assert 70 <= height <= 100


def test_letters_of_a_small_film_are_seen_though_they_touch() -> None:
    small = np.minimum(phantom(3, 256), 150)
    found = [
        shows_text(burn(small, "white on a black box", 26, np.random.default_rng(seed)))
        for seed in range(12)
    ]
    assert np.mean(found) >= 0.5


def test_it_takes_as_many_characters_as_it_says(film: np.ndarray) -> None:
    assert LEAST_CHARACTERS == 4
    assert not shows_text(with_text(film, "ABC", 20, 20))
    assert shows_text(with_text(film, "ABCD", 20, 20))


def test_characters_in_a_column_or_far_apart_are_no_text(film: np.ndarray) -> None:
    column, apart, stairs = film, film, film
    for place, letter in enumerate("SMITH"):
        column = with_text(column, letter, 20 + 40 * place, 20)
        apart = with_text(apart, letter, 20, 20 + 60 * place)
        stairs = with_text(stairs, letter, 20 + 18 * place, 20 + 16 * place)
    assert not shows_text(column)
    assert not shows_text(apart)
    assert not shows_text(stairs)


def test_lines_beads_and_grain_are_no_text() -> None:
    film = np.full((400, 400), 90, np.uint8)
    film[200:203] = 255  # a wire
    film[:, 100:102] = 0
    for place in range(20, 380, 80):  # electrodes
        cv2.circle(film, (place, 300), 20, 255, 3)
    assert not shows_text(film)
    grain = np.random.default_rng(0).integers(0, 255, (400, 400)).astype(np.uint8)
    assert not shows_text(grain)
    assert not shows_text(np.zeros((64, 80), np.uint8))


def test_what_is_said() -> None:
    assert text_notes([]) == []
    (one,) = text_notes(["a.png"])
    assert one.startswith("1 film shows text burned into the pixels, such as 'a.png'")
    (many,) = text_notes([f"{number}.png" for number in range(1200)])
    assert many.startswith("1,200 films show text") and "data.exclude_films" in many
    counted = count_text([str(number) for number in range(1200)])
    assert counted["films"] == 1200
    assert counted["listed"] == [str(number) for number in range(100)]
