"""Whole films: the frame is what Transform has cut, and the lungs lie where they were drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from models.hyperparameters import Preprocessing
from models.lung_fields.whole_films import WholeFilms, look_at_whole
from models.preprocessing import prepare_pixels
from radiographs.options import IngestOptions
from tests.unit.models.lung_fields.drawn_chests import SIZE_PX, chests, encode

OUT_PX = 96
GRID = 64


def settings(**values: Any) -> Preprocessing:
    return Preprocessing.model_validate({"image_size_px": OUT_PX, **values})


def look_at(encoded: list[bytes], chosen: Preprocessing) -> WholeFilms:
    found = look_at_whole(tf.constant(encoded), chosen, GRID)
    return WholeFilms(*(part.numpy() for part in found))


def cut(film: np.ndarray, frame: np.ndarray) -> np.ndarray:
    top, left, bottom, right = np.round(frame * np.tile(film.shape, 2)).astype(int)
    return cv2.resize(film[top:bottom, left:right], (OUT_PX, OUT_PX), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    "values",
    [
        {"lungs": "crop"},
        {"lungs": "crop", "lung_ratio": "keep", "border_crop": 0.1},
        {"lungs": "mask"},
        {"lungs": "none", "border_crop": 0.1},
        {"lungs": "none"},
    ],
    ids=str,
)
def test_the_frame_is_what_the_network_is_shown(values: dict[str, Any]) -> None:
    chosen = settings(**values)
    films = [chest.pixels for chest in chests()[:3]]
    films[0] = cv2.resize(films[0], (SIZE_PX, SIZE_PX + 60))  # no square
    encoded = [encode(film) for film in films]
    seen, quality, *_ = prepare_pixels(tf.constant(encoded), chosen, IngestOptions())
    assert set(quality.numpy()) == {b"ok"}
    frames = look_at(encoded, chosen).frames
    for film, frame, pixels in zip(films, frames, seen.numpy(), strict=True):
        shown = cut(film, frame)
        if values["lungs"] == "mask":
            grey = np.bincount(pixels.ravel()).argmax()
            shown, pixels = shown[pixels != grey], pixels[pixels != grey]
        assert np.abs(shown.astype(int) - pixels).mean() < 1
    whole = np.array([0, 0, 1, 1])
    assert np.allclose(frames, whole) == (values == {"lungs": "none"} or values["lungs"] == "mask")


@pytest.mark.parametrize("values", [{"lungs": "none"}, {"lungs": "crop", "border_crop": 0.05}])
def test_lungs_lie_on_the_whole_film_where_they_were_drawn(values: dict[str, Any]) -> None:
    found = look_at([encode(chest.pixels) for chest in chests()[:3]], settings(**values))
    assert found.found.all()
    for chest, lungs in zip(chests()[:3], found.lungs, strict=True):
        drawn = cv2.resize(chest.lung_mask.astype(np.float32), (GRID, GRID), None, 0, 0, 3) >= 0.5
        both = lungs.any(axis=-1)
        assert 2 * (drawn & both).sum() / (drawn.sum() + both.sum()) > 0.9
        centres = [np.nonzero(lungs[..., side])[1].mean() for side in (0, 1)]
        assert centres[0] < GRID / 2 < centres[1]


def test_pixels_are_those_of_the_whole_film_before_contrast() -> None:
    film = chests()[0].pixels
    found = look_at([encode(film)], settings(lungs="crop", contrast="clahe", border_crop=0.1))
    expected = cv2.resize(film, (OUT_PX, OUT_PX), interpolation=cv2.INTER_AREA)
    assert np.abs(found.pixels[0].astype(int) - expected).mean() < 1


def test_what_cannot_be_decoded_has_no_lungs_and_harms_no_other() -> None:
    film = encode(chests()[1].pixels)
    alone = look_at([film], settings(lungs="crop"))
    beside = look_at([b"", film, b"no film"], settings(lungs="crop"))
    assert beside.found.tolist() == [False, True, False]
    assert not beside.pixels[0].any() and not beside.pixels[2].any()
    np.testing.assert_array_equal(beside.pixels[1], alone.pixels[0])
    np.testing.assert_allclose(beside.frames[1], alone.frames[0], atol=1 / 128)
