"""Lungs in other frames: the audit's own pasting, done for a batch, as often as asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tensorflow as tf

from components.auditor.chests import Chest, with_lungs_of
from models.features import LUNGS_SIDE_PX
from models.frame_swap import paste_lungs, swap_frames
from models.lung_fields.fields import lungs_of_pixels
from tests.unit.models.lung_fields.drawn_chests import chests

SIDE_PX = 128


def drawn(films: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phantoms: pixels in [0, 1], their fields as training gets them, and at full size."""
    pixels = np.stack([chest.pixels for chest in chests()[:films]])
    fields = lungs_of_pixels(tf.constant(pixels)).numpy()
    small = np.stack([cv2.resize(film, (SIDE_PX, SIDE_PX), interpolation=3) for film in pixels])
    full = np.stack([cv2.resize(field, (SIDE_PX, SIDE_PX)) for field in fields])
    side = (LUNGS_SIDE_PX, LUNGS_SIDE_PX)
    coarse = np.stack([cv2.resize(field, side, interpolation=3) for field in fields])
    return small[..., np.newaxis].astype(np.float32) / 255, coarse, full


def flat(level: float, columns: tuple[int, int], films: int = 1) -> tuple[tf.Tensor, tf.Tensor]:
    """Films of one grey with two lungs of full height, eight places wide, at the given columns."""
    images = tf.fill([films, SIDE_PX, SIDE_PX, 1], level)
    fields = np.zeros((films, LUNGS_SIDE_PX, LUNGS_SIDE_PX, 2), np.float32)
    for side, first in enumerate(columns):
        fields[:, 8:24, first : first + 8, side] = 1
    return images, tf.constant(fields)


class TestPasteLungs:
    def test_a_film_in_its_own_frame_is_what_it_was(self) -> None:
        images, fields, _ = drawn(4)
        pasted = paste_lungs(images, fields, images, fields)
        np.testing.assert_allclose(pasted, images, atol=1e-6)

    def test_is_what_the_audit_pastes(self) -> None:
        images, fields, full = drawn(4)
        frames = [1, 2, 3, 0]
        pasted = paste_lungs(images[frames], fields[frames], images, fields).numpy()
        grey = np.rint(255 * images[..., 0]).astype(np.uint8)
        for place, frame in enumerate(frames):
            expected = with_lungs_of(
                Chest(grey[frame], full[frame]), Chest(grey[place], full[place])
            )
            change = np.abs(expected.astype(int) - grey[frame])
            apart = np.abs(255 * pasted[place, ..., 0] - expected)
            assert apart.mean() < 0.4 * change.mean()  # edges differ, by the size of the fields
            assert np.median(apart[change > 0]) < 4

    def test_each_lung_goes_to_its_own_place_and_the_rest_is_the_frame(self) -> None:
        frames, places = flat(0.9, (4, 20))
        images, lungs = flat(0.1, (2, 18))
        left = (np.arange(SIDE_PX) < SIDE_PX // 2)[np.newaxis, np.newaxis, :, np.newaxis]
        halves = tf.where(left, images, images + 0.3)  # the lungs differ
        pasted = paste_lungs(frames, places, halves, lungs).numpy()[0, ..., 0]
        wide = SIDE_PX // LUNGS_SIDE_PX
        middle = slice(9 * wide, 23 * wide)
        np.testing.assert_allclose(pasted[middle, 5 * wide : 11 * wide], 0.1, atol=1e-6)
        np.testing.assert_allclose(pasted[middle, 21 * wide : 27 * wide], 0.4, atol=1e-6)
        # A place more is seen around each of the frame's lungs, 4 to 11 and 20 to 27.
        rims = [round((place + 0.5) * wide) + side for place, side in ((3, 0), (12, -1))]
        np.testing.assert_allclose(pasted[middle, rims], 0.1, atol=1e-6)
        for beyond in (pasted[: 6 * wide], pasted[26 * wide :], pasted[:, 14 * wide : 18 * wide]):
            np.testing.assert_allclose(beyond, 0.9, atol=1e-6)

    def test_lungs_that_reach_the_edge_of_their_film_end_there(self) -> None:
        frames, places = flat(0.9, (4, 20))
        images, _ = flat(0.1, (4, 20))
        whole_sides = np.zeros((1, LUNGS_SIDE_PX, LUNGS_SIDE_PX, 2), np.float32)
        whole_sides[:, :, :14, 0] = whole_sides[:, :, 18:, 1] = 1
        pasted = paste_lungs(frames, places, images, tf.constant(whole_sides)).numpy()[0, ..., 0]
        wide = SIDE_PX // LUNGS_SIDE_PX
        np.testing.assert_allclose(pasted[9 * wide : 23 * wide, 5 * wide : 11 * wide], 0.1, 1e-6)
        for beyond in (pasted[: 6 * wide], pasted[26 * wide :], pasted[:, 14 * wide : 18 * wide]):
            np.testing.assert_allclose(beyond, 0.9, atol=1e-6)


class TestSwapFrames:
    FILMS = 400

    def share_swapped(self, share: float, seed: int = 0) -> np.ndarray:
        """Which of many films, each of a grey of its own, are in another frame."""
        _, lungs = flat(0.0, (4, 20), self.FILMS)
        greys = np.linspace(0, 1, self.FILMS, dtype=np.float32)
        images = tf.tile(greys[:, None, None, None], [1, SIDE_PX, SIDE_PX, 1])
        swapped = swap_frames(images, lungs, share, tf.constant([seed, 1], tf.int64)).numpy()
        wide = SIDE_PX // LUNGS_SIDE_PX
        lung = swapped[:, 16 * wide, 8 * wide, 0]
        np.testing.assert_allclose(lung, greys, atol=1e-6)
        return ~np.isclose(swapped[:, 0, 0, 0], greys, atol=1e-6)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_as_many_as_asked(self, share: float) -> None:
        deviation = np.sqrt(share * (1 - share) / self.FILMS)
        assert abs(self.share_swapped(share).mean() - share) <= 4 * deviation

    def test_the_seed_decides(self) -> None:
        again, other = (self.share_swapped(0.5, seed) for seed in (0, 1))
        np.testing.assert_array_equal(self.share_swapped(0.5), again)
        assert (again != other).any()

    def test_a_film_without_lungs_keeps_its_frame_and_lends_none(self) -> None:
        images, fields, _ = drawn(3)
        fields[1, ..., 0] = 0
        swapped = swap_frames(images, fields, 1.0, tf.constant([0, 1], tf.int64)).numpy()
        changed = np.abs(swapped - images).max(axis=(1, 2, 3)) > 0.01
        assert not changed[1]
        assert changed.sum() == 1  # of the other two, one would have got its frame

    def test_a_single_film_stays_what_it_is(self) -> None:
        images, fields, _ = drawn(1)
        swapped = swap_frames(images, fields, 1.0, tf.constant([0, 1], tf.int64))
        np.testing.assert_allclose(swapped, images, atol=1e-6)
