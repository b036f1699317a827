"""Confident learning on probabilities whose answer can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from components.label_auditor.doubts import find_doubts

# 50 films of each class that are judged as labelled, 4 and 2 that are judged otherwise.
CLASSES = np.repeat([0, 1, 0, 1], [50, 50, 4, 2])
SURE = np.repeat([0.9, 0.1, 0.05, 0.95], [50, 50, 4, 2])  # of class 0
PROBABILITIES = np.stack([SURE, 1 - SURE], axis=1)


def test_a_film_is_judged_by_the_probability_of_its_label() -> None:
    doubts = find_doubts(CLASSES, PROBABILITIES)
    assert doubts.quality == pytest.approx(np.where(CLASSES == 0, SURE, 1 - SURE))
    assert doubts.suggested.tolist() == [0] * 50 + [1] * 50 + [1] * 4 + [0] * 2
    assert np.flatnonzero(doubts.doubtful).tolist() == list(range(100, 106))


def test_errors_are_counted_by_class() -> None:
    """Mean confidence is (50 * 0.9 + 4 * 0.05) / 54 = 0.84 and 0.87; every film reaches it."""
    assert find_doubts(CLASSES, PROBABILITIES).joint.tolist() == [[50, 4], [2, 50]]


def test_a_class_that_is_never_sure_is_no_error() -> None:
    """Doubtful is what others are sure of, not what is unsure: Northcutt et al., equation 2."""
    unsure = np.where(CLASSES == 0, 0.55, 0.45)
    doubts = find_doubts(CLASSES, np.stack([unsure, 1 - unsure], axis=1))
    assert not doubts.doubtful.any()
    assert doubts.joint.tolist() == [[54, 0], [0, 52]]


def test_of_three_classes_the_quality_is_that_of_the_given_one() -> None:
    """Not how far the next one is behind, which is the same of two."""
    classes = np.arange(30) % 3
    given = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.2, 0.5]])[classes]
    given[3] = [0.1, 0.8, 0.1]
    doubts = find_doubts(classes, given)
    assert doubts.quality == pytest.approx(np.where(np.arange(30) == 3, 0.1, 0.5))
    assert np.flatnonzero(doubts.doubtful).tolist() == [3]


def test_certainty_is_no_division_by_zero() -> None:
    certain = np.eye(2)[CLASSES]
    assert not find_doubts(CLASSES, certain).doubtful.any()
