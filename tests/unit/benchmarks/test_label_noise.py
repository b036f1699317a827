"""The table of planted label errors: what is flipped is counted, and found where it can be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.label_noise import WAYS, Films, measure, table

COUNT = 80


@pytest.fixture(scope="module", name="films")
def draw_films() -> Films:
    """Films of a class have stripes that lie, those of the other stripes that stand."""
    random = np.random.default_rng(0)
    classes = np.arange(COUNT) % 2
    stripes = np.tile(np.repeat(np.array([60, 190], np.uint8), 8), (64, 4))
    drawn = [stripes.T if one else stripes for one in classes]
    noisy = [cv2.add(film, random.integers(0, 60, film.shape, np.uint8)) for film in drawn]
    return Films(np.stack(noisy), classes, np.arange(COUNT))


@pytest.mark.parametrize("name", list(WAYS))
def test_what_anybody_can_see_is_found(films: Films, name: str) -> None:
    precision, listed, correct, recall, seconds = measure(films, WAYS[name], 0.05, seed=0)
    assert precision == 1
    assert (correct, recall) == (1, listed / 4)
    assert seconds > 0


def test_a_way_that_knows_nothing_finds_as_many_as_chance(films: Films) -> None:
    random = np.random.default_rng(1)
    answer = random.random(COUNT)
    way = lambda films, given: np.stack([1 - answer, answer], axis=1)  # noqa: E731
    assert measure(films, way, 0.5, seed=0)[0] == pytest.approx(0.5, abs=0.15)


def test_the_label_that_is_given_is_judged_not_the_true_one(films: Films) -> None:
    """Who knows the truth finds exactly what was flipped, another choice for each seed."""
    given_to: list[np.ndarray] = []

    def truth(films: Films, given: np.ndarray) -> np.ndarray:
        given_to.append(given != films.classes)
        return np.eye(2)[films.classes] * 0.9 + 0.05

    assert measure(films, truth, 0.1, seed=0)[:4] == (1, 8, 1, 1)
    assert measure(films, truth, 0.1, seed=1)[:4] == (1, 8, 1, 1)
    assert [flipped.sum() for flipped in given_to] == [8, 8]
    assert (given_to[0] != given_to[1]).any()


def test_rows_of_the_table(films: Films) -> None:
    way = lambda films, given: np.eye(2)[films.classes] * 0.9 + 0.05  # noqa: E731
    head, _, none, some = table(films, {"truth": way}, [0.0, 0.1], seeds=2)
    assert head.count("|") == none.count("|") == some.count("|")
    assert none.startswith("| truth | 0% | - | 0 | - | - |")
    assert some.startswith("| truth | 10% | 1.000 | 8 | 1.00 | 1.00 |")
