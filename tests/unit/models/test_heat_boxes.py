"""Components, boxes and extent against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from models.features import MAX_BOXES
from models.heat_boxes import HOT, PEAK, find_boxes, hot_share, label_components

CORNERS_TOO = np.ones((3, 3))
SIDE = 24


def spiral() -> np.ndarray:
    """One long winding component, on which a number travels farthest."""
    hot = np.zeros((SIDE, SIDE), bool)
    row, column, step = 0, -1, (0, 1)
    lengths = [SIDE, *(length for half in range(SIDE - 1, 0, -2) for length in (half, half))]
    for length in lengths:
        for _ in range(length):
            row, column = row + step[0], column + step[1]
            hot[row, column] = True
        step = (step[1], -step[0])
    return hot


def masks() -> np.ndarray:
    random = np.random.default_rng(0).random((5, SIDE, SIDE)) < np.array(
        [0.05, 0.2, 0.35, 0.5, 0.9]
    ).reshape(5, 1, 1)
    corners = np.eye(SIDE, dtype=bool)
    return np.stack([*random, spiral(), corners, np.zeros_like(corners), ~np.zeros_like(corners)])


def test_components_are_scipys() -> None:
    films = masks()
    for labels, hot in zip(label_components(tf.constant(films)).numpy(), films, strict=True):
        expected, count = ndimage.label(hot, CORNERS_TOO)
        # The same partition, whatever the numbers are.
        pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
        assert len(pairs) == len(set(labels.ravel().tolist())) == len(np.unique(expected))
        assert (labels > 0).tolist() == hot.tolist()
        assert count == len(np.unique(labels[labels > 0]))


def expected_boxes(heat: np.ndarray) -> list[tuple[float, list[float]]]:
    labels, _ = ndimage.label(heat >= HOT, CORNERS_TOO)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        edges = [rows.start, columns.start, rows.stop, columns.stop]
        peak = float(heat[labels == number].max())
        if peak >= PEAK:
            found.append((peak, [edge / SIDE for edge in edges]))
    return sorted(found, reverse=True)


def test_boxes_are_those_of_scipys_components_the_hottest_first() -> None:
    rng = np.random.default_rng(3)
    heat = np.stack([ndimage.gaussian_filter(rng.random((SIDE, SIDE)), 0.9) for _ in range(6)])
    heat -= heat.min(axis=(1, 2), keepdims=True)
    heat = (heat / heat.max(axis=(1, 2), keepdims=True)).astype(np.float32)
    heat *= rng.random((6, SIDE, SIDE)) < 0.4
    boxes, peaks = (part.numpy() for part in find_boxes(tf.constant(heat)))
    assert boxes.shape == (6, MAX_BOXES, 4) and peaks.shape == (6, MAX_BOXES)
    counts = []
    for of_film, hottest, drawn in zip(boxes, peaks, heat, strict=True):
        expected = expected_boxes(drawn)
        counts.append(len(expected))
        used = min(len(expected), MAX_BOXES)
        np.testing.assert_allclose(hottest[:used], [peak for peak, _ in expected[:used]], rtol=1e-6)
        np.testing.assert_allclose(of_film[:used], [box for _, box in expected[:used]], atol=1e-6)
        assert np.isnan(hottest[used:]).all() and np.isnan(of_film[used:]).all()
    assert max(counts) > MAX_BOXES


def test_warm_specks_have_no_box() -> None:
    heat = np.zeros((1, SIDE, SIDE), np.float32)
    heat[0, 2:6, 3:9] = (HOT + PEAK) / 2
    heat[0, 12:15, 10:20] = HOT
    heat[0, 13, 11] = 1.0
    boxes, peaks = find_boxes(tf.constant(heat))
    np.testing.assert_allclose(boxes[0, 0], np.array([12, 10, 15, 20]) / SIDE, atol=1e-6)
    assert peaks[0, 0] == 1.0
    assert np.isnan(peaks[0, 1:]).all()


def test_nothing_hot_has_no_box_and_no_films_have_none() -> None:
    for batch in (0, 2):
        heat = tf.zeros([batch, SIDE, SIDE])
        boxes, peaks = find_boxes(heat)
        assert boxes.shape == (batch, MAX_BOXES, 4)
        assert np.isnan(boxes).all() and np.isnan(peaks).all()


@pytest.mark.parametrize(("hot_rows", "expected"), [(0, [0, 0]), (4, [0.5, 0]), (8, [1, 0.5])])
def test_extent_is_the_hot_share_of_each_lung(hot_rows: int, expected: list[float]) -> None:
    heat = np.zeros((1, 16, 16), np.float32)
    heat[0, :hot_rows] = HOT
    lungs = np.zeros((1, 16, 16, 2), bool)
    lungs[0, :8, 2:6, 0] = True
    lungs[0, 4:12, 9:15, 1] = True
    np.testing.assert_allclose(hot_share(tf.constant(heat), tf.constant(lungs))[0], expected)


def test_a_lung_of_no_cell_has_no_extent() -> None:
    share = hot_share(tf.ones([1, 8, 8]), tf.zeros([1, 8, 8, 2], tf.bool))
    assert np.isnan(share).all()
