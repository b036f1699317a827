"""A film is described by where its edges run and how its grey levels lie, at any size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from components.label_auditor.description import LENGTH, describe
from tests.support import draw_film


def test_size_and_exposure_do_not_count_for_much() -> None:
    film = draw_film(1, 256)
    base = describe(film).astype(float)
    other = describe(draw_film(2, 256)).astype(float)
    smaller = describe(cv2.resize(film, (96, 96), interpolation=cv2.INTER_AREA)).astype(float)
    darker = describe((film * 0.6).astype(np.uint8)).astype(float)
    assert base.shape == (LENGTH,)
    for same in (smaller, darker):
        assert np.linalg.norm(base - same) < 0.3 * np.linalg.norm(base - other)


def test_grey_levels_are_means_of_cells_standardised() -> None:
    film = np.repeat(np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16), 8, 0), 8, 1)
    expected = (np.arange(256) - 127.5) / np.sqrt((256**2 - 1) / 12)
    assert describe(film)[-256:].astype(float) == pytest.approx(expected, abs=2e-3)


def test_edges_go_by_their_direction() -> None:
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 8), 8)
    lying, standing = np.tile(stripes[:, None], 128), np.tile(stripes, (128, 1))
    shares = [
        describe(film)[:-256].astype(float).reshape(-1, 9).mean(axis=0)
        for film in (standing, lying)
    ]
    # Nine directions of 20 degrees: a gradient across is at 0, one downwards at 90.
    assert [int(np.argmax(share)) for share in shares] in ([0, 4], [8, 4])


@pytest.mark.parametrize("level", [0, 255])
def test_a_blank_film_is_described(level: int) -> None:
    assert np.all(np.isfinite(describe(np.full((64, 64), level, np.uint8))))
