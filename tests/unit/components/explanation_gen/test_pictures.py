"""Pictures against films that are drawn so that one can say what comes out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from components.explanation_gen.pictures import (
    CYAN,
    MOST_BYTES_A_PIXEL,
    draw_feature_maps,
    draw_film,
    draw_heat,
    encode_small,
    outlined,
)
from models.feature_maps import GAP_PX
from tests.support import draw_film as any_film
from tests.support import encode


def opened(encoded: bytes) -> np.ndarray:
    assert encoded[:3] == b"\xff\xd8\xff"  # JPEG
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ((400, 300), (256, 192)),
        ((300, 600), (128, 256)),
        ((64, 64), (256, 256)),
        ((2000, 3), (256, 1)),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_longer_side_is_as_told_and_the_ratio_is_kept(
    sides: tuple[int, int], expected: tuple[int, int], suffix: str
) -> None:
    picture = draw_film(encode(np.full(sides, 90, np.uint8), suffix), 256)
    assert picture is not None
    assert picture.shape == expected
    assert picture.dtype == np.uint8
    assert np.ptp(picture) <= 2 and abs(int(picture.mean()) - 90) <= 1


def test_what_is_on_the_left_of_a_film_stays_there() -> None:
    film = np.zeros((80, 100), np.uint8)
    film[:40, :50] = 200
    picture = draw_film(encode(film), 200)
    assert picture is not None
    quarters = [part.mean() for half in np.split(picture, 2) for part in np.split(half, 2, axis=1)]
    assert quarters == pytest.approx([200, 0, 0, 0], abs=3)


@pytest.mark.parametrize("encoded", [b"", b"no picture", encode(any_film(1))[:40]])
def test_what_cannot_be_decoded_is_not_drawn(encoded: bytes) -> None:
    assert draw_film(encoded, 256) is None
    assert draw_heat(encoded, np.zeros((5, 5), np.uint8)) is None


def test_heat_gets_the_sides_of_its_film() -> None:
    overlay = np.zeros((64, 64, 3), np.uint8)
    overlay[:, 32:] = (0, 0, 220)  # red, as OpenCV has it
    heat = draw_heat(encode(overlay), np.zeros((100, 60), np.uint8))
    assert heat is not None
    assert heat.shape == (100, 60, 3)
    again = opened(encode_small(heat))
    assert again[:, :25].mean() < 5
    assert again[:, 35:].reshape(-1, 3).mean(axis=0) == pytest.approx([0, 0, 220], abs=6)


def test_layers_of_feature_maps_stand_beside_one_another() -> None:
    fine = np.zeros((24, 24, 4), np.float32)
    fine[:12, :, 0] = 1.0
    coarse = np.zeros((3, 3, 40), np.float32)
    coarse[0, 0] = np.arange(1, 41)
    picture = draw_feature_maps([fine, coarse])
    side = 48 + GAP_PX
    assert picture.shape == (4 * side + GAP_PX, 2 * side + GAP_PX + 4 * side + GAP_PX)
    assert picture[GAP_PX : GAP_PX + 24, GAP_PX : GAP_PX + 48].min() == 255  # the upper half
    right = picture[:, 2 * side + GAP_PX :]
    for row in range(4):  # 16 of 40 maps, each with its upper left cell of 16 pixels
        for column in range(4):
            top, left = GAP_PX + row * side, GAP_PX + column * side
            tile = right[top : top + 48, left : left + 48]
            assert (tile == 255).sum() == 16 * 16
            assert tile[:16, :16].min() == 255


@pytest.mark.parametrize("shape", [(256, 256), (256, 256, 3), (256, 180), (202, 606)])
def test_no_picture_is_larger_than_its_share(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    encoded = encode_small(noise)
    assert opened(encoded).shape == shape
    assert len(encoded) <= MOST_BYTES_A_PIXEL * shape[0] * shape[1]
    assert 400 * MOST_BYTES_A_PIXEL * 256 * 256 < 6e6


def test_a_smooth_film_keeps_its_grey_levels() -> None:
    film = cv2.resize(any_film(3, 40), (256, 256), interpolation=cv2.INTER_CUBIC)
    difference = opened(encode_small(film)).astype(int) - film
    assert np.abs(difference).mean() < 1.5


def test_a_line_is_drawn_round_what_is_inside() -> None:
    """A mask of a fourth of the side, on a picture that is higher than wide."""
    picture = np.zeros((120, 80, 3), np.uint8)
    inside = np.zeros((20, 20), bool)
    inside[5:15, 10:20] = True
    line = outlined(picture, inside, CYAN)
    assert not picture.any()
    rows, columns = np.nonzero((line == CYAN).all(axis=-1))
    assert (rows.min(), rows.max()) == (30, 89)
    assert (columns.min(), columns.max()) == (40, 79)
    assert not line[40:80, 50:70].any()
    np.testing.assert_array_equal(outlined(picture, inside & False, CYAN), picture)
