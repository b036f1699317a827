"""The montage of feature maps against maps that are laid out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.feature_maps import GAP_PX, feature_map_montage


def read(encoded: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.dtype == np.uint8 and picture.ndim == 2
    return picture


def test_maps_are_stretched_enlarged_and_ordered_by_activity() -> None:
    quiet = np.array([[0.0, 1.0], [2.0, 4.0]])
    loud = np.array([[-30.0, -10.0], [-20.0, -20.0]])
    flat = np.full((2, 2), 0.5)
    picture = read(feature_map_montage(np.stack([quiet, flat, loud], axis=-1), map_px=5))
    side = 6  # three times two cells is the first whole factor that reaches 5
    expected = np.full((2 * (side + GAP_PX) + GAP_PX,) * 2, 128, np.uint8)
    cells = [[[0, 255], [128, 128]], [[0, 64], [128, 255]], [[0, 0], [0, 0]]]
    for (top, left), cell in zip([(0, 0), (0, 1), (1, 0)], cells, strict=True):
        top, left = (GAP_PX + step * (side + GAP_PX) for step in (top, left))
        expected[top : top + side, left : left + side] = np.kron(cell, np.ones((3, 3)))
    np.testing.assert_array_equal(picture, expected)


def test_no_more_maps_than_asked_for_are_drawn() -> None:
    activations = np.random.default_rng(0).random((4, 4, 50))
    activations[..., 7] += 100
    picture = read(feature_map_montage(activations, most_maps=1, map_px=4))
    own = activations[..., 7]
    expected = np.round(255 * (own - own.min()) / np.ptp(own))
    inner = picture[GAP_PX:-GAP_PX, GAP_PX:-GAP_PX]
    assert np.abs(inner - expected).max() <= 1


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (0, 4, 3), (1, 4, 4, 3)])
def test_what_is_no_feature_map_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="feature maps; give"):
        feature_map_montage(np.zeros(shape))
