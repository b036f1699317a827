"""Titles of montages: each in its own place, whole, and no film touched."""

from __future__ import annotations

import numpy as np
import pytest

from components.montages import PADDING_PX, TITLE_PX, titled

CELL_PX = 120
ROWS = ("NORMAL", "PNEUMONIA", "NORMAL")
COLUMNS = ("own frame", "frame of the other class", "lungs alone", "own frame")


@pytest.fixture(name="films", scope="module")
def draw_films() -> np.ndarray:
    shape = (len(ROWS) * CELL_PX, len(COLUMNS) * CELL_PX)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(name="picture", scope="module")
def draw_picture(films: np.ndarray) -> np.ndarray:
    return titled(films, ROWS, COLUMNS)


def room(films: np.ndarray, picture: np.ndarray) -> tuple[int, int]:
    """Pixels above the films and beside them."""
    return picture.shape[0] - films.shape[0], picture.shape[1] - films.shape[1]


def inked(title: np.ndarray) -> tuple[int, int]:
    """Height and width of the letters in a part of the picture."""
    rows, columns = np.nonzero(title)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_films_are_as_they_were(films: np.ndarray, picture: np.ndarray) -> None:
    top, left = room(films, picture)
    np.testing.assert_array_equal(picture[top:, left:], films)
    assert not picture[:top, :left].any()  # no title in the corner


def test_each_row_has_its_title_whole_and_in_its_middle(
    films: np.ndarray, picture: np.ndarray
) -> None:
    top, left = room(films, picture)
    titles = np.vsplit(picture[top:, :left], len(ROWS))
    for title in titles:
        assert not title[:, :4].any() and not title[:, -4:].any()
        assert np.nonzero(title)[0].mean() == pytest.approx(CELL_PX / 2, abs=4)
    np.testing.assert_array_equal(titles[0], titles[2])
    assert inked(titles[1])[1] > 1.2 * inked(titles[0])[1]  # three letters more
    assert inked(titles[1])[1] == pytest.approx(left - 2 * PADDING_PX, abs=3)


def test_each_column_has_its_title_whole_and_in_its_middle(
    films: np.ndarray, picture: np.ndarray
) -> None:
    top, left = room(films, picture)
    titles = np.hsplit(picture[:top, left:], len(COLUMNS))
    for title in titles:
        assert not title[:, :4].any() and not title[:, -4:].any()
        assert not title[:4].any() and not title[-4:].any()
        columns = np.nonzero(title)[1]
        assert (columns.min() + columns.max()) / 2 == pytest.approx(CELL_PX / 2, abs=2)
    np.testing.assert_array_equal(titles[0], titles[3])
    assert not np.array_equal(titles[0], titles[2])
    # Too long for a line of its column: at least two lines, where the others have one.
    assert inked(titles[0])[0] <= 1.3 * TITLE_PX < 1.7 * TITLE_PX <= inked(titles[1])[0]


def test_without_titles_of_columns_nothing_is_above(films: np.ndarray) -> None:
    picture = titled(films, ROWS)
    assert picture.shape[0] == films.shape[0]
    np.testing.assert_array_equal(picture[:, -films.shape[1] :], films)
