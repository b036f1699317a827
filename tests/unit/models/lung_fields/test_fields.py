"""Lung fields by the shipped weights: found where they are drawn, checked, boxed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tensorflow as tf

from models.lung_fields.fields import (
    are_plausible,
    box_of_lungs,
    find_fields,
    lungs_of_films,
    lungs_of_pixels,
)
from models.lung_fields.network import SIDE_PX
from models.lung_fields.scores import dice
from tests.unit.models.lung_fields.drawn_chests import SIZE_PX, chests, encode, no_chests


def small(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def two_fields(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Draws a certain rectangle a field: rows from, rows to, columns from, columns to."""
    fields = np.full((1, SIDE_PX, SIDE_PX, 2), 0.01, np.float32)
    for side, (top, bottom, left, right) in enumerate(boxes):
        fields[0, top:bottom, left:right, side] = 0.99
    return fields


LUNGS = ((20, 100, 15, 50), (22, 104, 70, 110))


class TestFound:
    def test_lungs_of_phantoms_which_it_was_not_trained_on(self) -> None:
        pixels = np.stack([chest.pixels for chest in chests()])
        fields = lungs_of_pixels(tf.constant(pixels)).numpy()
        scores = [
            dice(found.max(axis=-1) > 0.5, chest.lung_mask)
            for found, chest in zip(fields, chests(), strict=True)
        ]
        assert min(scores) > 0.85
        assert np.mean(scores) > 0.9

    def test_each_lung_on_its_side(self) -> None:
        pixels = np.stack([chest.pixels for chest in chests()])
        fields = lungs_of_pixels(tf.constant(pixels)).numpy() > 0.5
        middle = SIZE_PX // 2
        for left, right in np.moveaxis(fields, -1, 1):
            assert left[:, :middle].sum() > 0.95 * left.sum()
            assert right[:, middle:].sum() > 0.95 * right.sum()

    def test_encoded_films_give_what_their_pixels_give(self) -> None:
        chest = chests()[3]
        encoded = tf.constant([encode(chest.pixels), b"no film"])
        pixels, fields, plausible = lungs_of_films(encoded, SIZE_PX)
        np.testing.assert_array_equal(pixels[0], chest.pixels)
        assert not pixels[1].numpy().any()
        expected = lungs_of_pixels(tf.constant(chest.pixels[np.newaxis]))
        np.testing.assert_allclose(fields[:1], expected, atol=1e-5)
        assert plausible.numpy().tolist() == [True, False]


class TestPlausible:
    def test_every_chest(self) -> None:
        films = np.stack([small(chest.pixels) for chest in chests()])
        assert are_plausible(find_fields(tf.constant(films))).numpy().all()

    @pytest.mark.parametrize("name", no_chests())
    def test_nothing_else(self, name: str) -> None:
        film = small(no_chests()[name])
        assert not are_plausible(find_fields(tf.constant(film[np.newaxis]))).numpy().any()

    def test_two_rectangles_in_their_places(self) -> None:
        assert are_plausible(tf.constant(two_fields(*LUNGS))).numpy().tolist() == [True]

    @pytest.mark.parametrize(
        "boxes",
        [
            LUNGS[:1],  # the right one is missing
            ((0, 0, 0, 0), LUNGS[1]),  # the left one is
            ((20, 60, 15, 20), LUNGS[1]),  # a speck
            ((0, 128, 0, 60), (0, 128, 60, 128)),  # the whole film
            ((0, 128, 0, 55), (50, 90, 70, 90)),  # sizes that do not go together
            ((2, 60, 15, 50), (62, 120, 70, 110)),  # one above the other
            (LUNGS[1], LUNGS[0]),  # exchanged
        ],
    )
    def test_rectangles_elsewhere_are_not(self, boxes: tuple[tuple[int, int, int, int]]) -> None:
        assert not are_plausible(tf.constant(two_fields(*boxes))).numpy().any()

    def test_fields_without_certainty_are_not(self) -> None:
        unsure = np.where(two_fields(*LUNGS) > 0.5, 0.6, 0.3).astype(np.float32)
        assert not are_plausible(tf.constant(unsure)).numpy().any()


class TestBox:
    def test_is_the_smallest_around_both(self) -> None:
        box = box_of_lungs(tf.constant(two_fields(*LUNGS))).numpy()
        np.testing.assert_allclose(box, [[20 / 128, 15 / 128, 104 / 128, 110 / 128]])

    def test_agrees_with_numpy_on_found_fields(self) -> None:
        film = small(chests()[5].pixels)
        fields = find_fields(tf.constant(film[np.newaxis]))
        rows, columns = (
            np.nonzero(((fields[0].numpy() > 0.5).sum(axis=axis) >= 2).any(axis=-1))[0]
            for axis in (1, 0)
        )
        expected = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]) / SIDE_PX
        np.testing.assert_allclose(box_of_lungs(fields)[0], expected, atol=1e-6)

    def test_a_stray_pixel_does_not_widen_it(self) -> None:
        fields = two_fields(*LUNGS)
        fields[0, 3, 120, 1] = 0.99
        np.testing.assert_allclose(
            box_of_lungs(tf.constant(fields)), box_of_lungs(tf.constant(two_fields(*LUNGS)))
        )
