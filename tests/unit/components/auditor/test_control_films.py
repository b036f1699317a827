"""Films on scratch disk: the right pixels with the right label, all of them in every pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from components.auditor.control_films import control_films, control_pixels
from components.auditor.served_pixels import ServedPixels
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of
from tests.unit.components.auditor.transformed import SMALL, transformed

HALF = (SIDE_PX // 2, SIDE_PX // 2)


def halves(films: list[np.ndarray]) -> np.ndarray:
    return np.stack([cv2.resize(one, HALF, interpolation=cv2.INTER_AREA) for one in films])


def test_half_of_the_pixels_is_what_transform_made(mean_model: Any, tmp_path: Path) -> None:
    films = [film_of(seed, 100, SIDE_PX) for seed in range(5)]
    prepared = ServedPixels(mean_model, SMALL.preprocessing)
    served = np.concatenate(
        [
            control_pixels(batch, SIDE_PX).numpy()
            for batch in prepared.transformed(example_of(film) for film in films)
        ]
    )
    assert (served.shape, served.dtype) == ((5, *HALF, 1), np.uint8)
    assert np.abs(served[..., 0].astype(int) - halves(films)).max() <= 1
    train = transformed(tmp_path, films, [0, 1, 1, 0, 1])
    with control_films(train, SIDE_PX, at_most=100, seed=0) as kept:
        assert kept.side_px == SIDE_PX // 2
        assert kept.labels.tolist() == [0, 1, 1, 0, 1]
        assert np.array_equal(kept.read(np.arange(5)), served)
        assert np.array_equal(kept.read(np.array([3, 0])), served[[3, 0]])


def test_lungs_are_black_by_their_boxes_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    lungs = np.zeros((32, 32, 2), np.uint8)
    for field, (left, right) in enumerate([(4, 12), (19, 28)]):
        corners = np.array([[left, 6], [right, 15], [left, 24]], np.int32)
        lungs[..., field] = cv2.fillPoly(lungs[..., field].copy(), [corners], 255)
    film = film_of(1, 100, SIDE_PX)
    train = transformed(tmp_path, [film], [1], lungs)
    with control_films(train, SIDE_PX, at_most=1, seed=0) as kept:
        seen = kept.read(np.array([0]))[0, ..., 0]
    # One place of the fields is one pixel of the half; a box is a place wider on each side.
    expected = halves([film])[0]
    for left, right in [(4, 12), (19, 28)]:
        assert expected[5:26, left - 1 : right + 2].min() > 0
        expected[5:26, left - 1 : right + 2] = 0
    assert np.abs(seen.astype(int) - expected).max() <= 1
    assert np.array_equal(seen == 0, expected == 0)


@pytest.fixture(scope="module", name="many")
def write_many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A film a grey level, the classes one after the other: 20 normal and 130 of pneumonia."""
    films = [np.full((SIDE_PX, SIDE_PX), level, np.uint8) for level in range(150)]
    labels = [0] * 20 + [1] * 130
    return transformed(tmp_path_factory.mktemp("many"), films, labels)


def levels_of(batches: tf.data.Dataset) -> list[tuple[int, int]]:
    return [
        (int(film.max()), int(label[0]))
        for pixels, labels in batches
        for film, label in zip(pixels.numpy(), labels.numpy(), strict=True)
    ]


def test_a_pass_holds_every_film_once_with_its_label_in_another_order(many: Any) -> None:
    with control_films(many, SIDE_PX, at_most=1000, seed=3) as kept:
        batches = kept.shuffled(16, seed=7)
        first, second = levels_of(batches), levels_of(batches)
        sizes = [len(labels) for _, labels in batches]
        again = levels_of(kept.shuffled(16, seed=7))
    assert sizes == [16] * 9 + [6]
    expected = [(level, int(level >= 20)) for level in range(150)]
    assert sorted(first) == sorted(second) == expected
    assert first != second and first == again
    # A whole shuffle: the rarer class, which comes first in the file, is all over the pass.
    places = [place for place, (_, label) in enumerate(first) if label == 0]
    assert min(places) < 30 and max(places) > 120


@pytest.mark.parametrize(("at_most", "normal"), [(10, 5), (40, 20), (100, 20)])
def test_a_bounded_choice_is_even_and_always_the_same(many: Any, at_most: int, normal: int) -> None:
    def chosen(seed: int) -> list[tuple[int, int]]:
        with control_films(many, SIDE_PX, at_most, seed) as kept:
            return levels_of(kept.shuffled(16, seed=0))

    one = chosen(0)
    assert len(one) == at_most
    assert sum(label == 0 for _, label in one) == normal
    assert all(label == (level >= 20) for level, label in one)
    assert one == chosen(0)
    assert sorted(one) != sorted(chosen(1))
