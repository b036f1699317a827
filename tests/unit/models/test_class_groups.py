"""Pairs of a class and a group."""

from __future__ import annotations

from collections import Counter

import numpy as np

from models.class_groups import ClassGroups


def test_are_those_that_have_films() -> None:
    classes = np.array([1, 0, 2, 1, 0, 1])
    names = np.array([b"b", b"a", b"b", b"b", b"c", b"a"], object)
    groups = ClassGroups.of(classes, names)
    pairs = list(zip(groups.classes, groups.names, strict=True))
    assert pairs == [(0, b"a"), (0, b"c"), (1, b"a"), (1, b"b"), (2, b"b")]
    assert [pairs[one] for one in groups.of_films] == list(zip(classes, names, strict=True))


def test_of_one_name_are_the_classes() -> None:
    classes = np.array([1, 0, 1, 1])
    groups = ClassGroups.of(classes, np.full(4, b"unknown", object))
    assert groups.of_films.tolist() == classes.tolist()
    assert Counter(groups.classes.tolist()) == {0: 1, 1: 1}
