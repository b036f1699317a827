"""Masks of what a control may see against OpenCV's ellipses and counts of pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from components.auditor.alterations import ALTERATIONS, outer_frame, outside_lungs


def test_the_lungs_take_half_of_the_film() -> None:
    black = outside_lungs(224)[..., 0] == 0
    assert black.mean() == pytest.approx(2 * np.pi * 0.37 * 0.21, abs=1e-3)
    assert 0.45 < black.mean() < 0.5
    assert np.array_equal(black, black[:, ::-1])


def test_the_lungs_are_two_ellipses() -> None:
    drawn = np.zeros((224, 224), np.uint8)
    for column in (0.29, 0.71):
        centre = (round(column * 224), round(0.47 * 224))
        cv2.ellipse(drawn, centre, (round(0.21 * 224), round(0.37 * 224)), 0, 0, 360, 1, -1)
    assert np.mean((outside_lungs(224)[..., 0] == 0) != drawn.astype(bool)) < 0.01


@pytest.mark.parametrize(
    ("side_px", "width_px"), [(1024, 91), (224, 20), (112, 10), (32, 3), (4, 1)]
)
def test_the_frame_is_all_that_is_left(side_px: int, width_px: int) -> None:
    frame = outer_frame(side_px)
    assert np.all(frame[width_px:-width_px, width_px:-width_px] == 0)
    assert frame.sum() == side_px**2 - (side_px - 2 * width_px) ** 2


def test_every_mask_keeps_or_blackens() -> None:
    assert list(ALTERATIONS) == ["lungs blacked out", "outer frame"]
    for mask_of in ALTERATIONS.values():
        mask = mask_of(32)
        assert (mask.shape, mask.dtype) == ((32, 32, 1), np.uint8)
        assert set(np.unique(mask)) == {0, 1}
