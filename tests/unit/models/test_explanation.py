"""Explanations laid out on whole films: by algebra on films whose lungs are known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.explanation import explain
from models.heat_boxes import GRID
from models.lung_fields.whole_films import WholeFilms

SIZE_PX = 128


def films(found: bool, frame: tuple[float, ...] = (0.0, 0.0, 1.0, 1.0)) -> WholeFilms:
    """One film whose lungs are the left and the right quarter of the picture."""
    lungs = np.zeros((1, GRID, GRID, 2), bool)
    lungs[0, :, : GRID // 4, 0] = lungs[0, :, -GRID // 4 :, 1] = True
    return WholeFilms(
        tf.zeros([1, SIZE_PX, SIZE_PX], tf.uint8),
        tf.constant([frame]),
        tf.constant(lungs),
        tf.constant([found]),
    )


def answers(
    evidence: np.ndarray, whole: WholeFilms, probability: float = 0.8
) -> dict[str, np.ndarray]:
    explained = explain(tf.constant(evidence[np.newaxis]), tf.constant([probability]), whole)
    return {name: answer.numpy()[0] for name, answer in explained.items()}


def test_boxes_are_cut_at_the_lungs_and_heat_is_not() -> None:
    evidence = np.zeros((8, 8), np.float32)
    evidence[2:4, :4] = 2.0  # from the left edge to the middle
    answer = answers(evidence, films(found=True))
    assert answer[features.HEATMAP].max() == 1
    assert answer[features.HEATMAP][40, 56] > 0.9  # between the lungs
    (top, left, bottom, right), *others = answer[features.BOXES]
    assert (left, right) == (0, 0.25)
    np.testing.assert_allclose([top, bottom], [0.25, 0.5], atol=0.05)
    assert np.isnan(others).all()
    np.testing.assert_allclose(answer[features.BOX_SCORES][0], 0.8, atol=1e-6)
    left_lung, right_lung = answer[features.LUNG_OPACITY]
    np.testing.assert_allclose(left_lung, 0.8 * (bottom - top), atol=1e-6)
    assert right_lung == 0


def test_a_film_that_is_hottest_between_the_lungs_has_boxes_inside_them() -> None:
    evidence = np.zeros((8, 8), np.float32)
    evidence[2:4, 3:5], evidence[5:, :2] = 2.0, 1.2
    answer = answers(evidence, films(found=True))
    (top, left, bottom, right), *others = answer[features.BOXES]
    assert (left, bottom, right) == (0, 1, 0.25) and 0.5 < top < 0.75
    assert np.isnan(others).all()
    np.testing.assert_allclose(answer[features.BOX_SCORES][0], 0.8 * 1.2 / 2.0, rtol=1e-5)


@pytest.mark.parametrize("probability", [0.01, 0.5, 1.0])
def test_what_is_hot_counts_as_much_as_the_film_is_likely_to_be_ill(probability: float) -> None:
    evidence = np.zeros((8, 8), np.float32)
    evidence[:, :2] = 1e-6  # the scale of evidence tells nothing
    answer = answers(evidence, films(found=True), probability)
    opacity, scores = answer[features.LUNG_OPACITY], answer[features.BOX_SCORES]
    np.testing.assert_allclose(opacity, [probability, 0], rtol=1e-5)
    np.testing.assert_allclose(scores[0], probability, rtol=1e-5)


def test_without_lungs_boxes_are_anywhere_and_the_extent_is_unknown() -> None:
    evidence = np.zeros((8, 8), np.float32)
    evidence[2:4, :4] = 2.0
    answer = answers(evidence, films(found=False))
    np.testing.assert_allclose(answer[features.BOXES][0, 3], 0.5, atol=0.05)
    assert np.isnan(answer[features.LUNG_OPACITY]).all()


def test_what_the_network_was_not_shown_is_cold() -> None:
    evidence = np.ones((4, 4), np.float32)
    heat = answers(evidence, films(True, (0.25, 0.5, 0.75, 1.0)))[features.HEATMAP]
    expected = np.zeros((SIZE_PX, SIZE_PX))
    expected[32:96, 64:] = 1
    np.testing.assert_allclose(heat, expected, atol=1e-6)
