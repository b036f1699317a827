"""Even choices: counts by hand, an order that decides within a class."""

from __future__ import annotations

import numpy as np
import pytest

from components.auditor.sampling import evenly

CLASSES = np.array([1, 1, 0, 1, 1, 0, 1])


@pytest.mark.parametrize(
    ("at_most", "chosen"),
    [
        (1, [2]),
        (2, [0, 2]),
        (3, [0, 2, 5]),
        (4, [0, 1, 2, 5]),
        (6, [0, 1, 2, 3, 4, 5]),
        (99, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_class_gives_its_first_films(at_most: int, chosen: list[int]) -> None:
    assert evenly(CLASSES, np.arange(7), at_most).tolist() == chosen


def test_first_is_what_the_order_says() -> None:
    assert evenly(CLASSES, np.arange(7)[::-1], 3).tolist() == [2, 5, 6]
    assert evenly(CLASSES, np.array([3, 5, 0, 6, 2, 1, 4]), 4).tolist() == [0, 2, 3, 5]


def test_three_classes_share() -> None:
    classes = np.array(["a"] * 5 + ["b"] * 5 + ["c"])
    assert evenly(classes, np.arange(11), 7).tolist() == [0, 1, 2, 5, 6, 7, 10]
