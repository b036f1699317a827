"""Pairs of a class and a group, such as the normal films of a style of acquisition.

Where a style goes with a class, it is the films of its other class that a network gets wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ClassGroups:
    """The pairs that have films.

    Attributes:
        of_films: `[films]` int64, pair of each film.
        classes: `[pairs]` int64, class index of each.
        names: `[pairs]`, group of each.
    """

    of_films: np.ndarray
    classes: np.ndarray
    names: np.ndarray

    @classmethod
    def of(cls, classes: np.ndarray, groups: np.ndarray) -> ClassGroups:
        """Finds the pairs, in the order of classes and then of names.

        Args:
            classes: `[films]` int, class index of each film.
            groups: `[films]` names.
        """
        names, of_names = np.unique(groups, return_inverse=True)
        pairs, of_films = np.unique(classes * len(names) + of_names, return_inverse=True)
        return cls(of_films, pairs // len(names), names[pairs % len(names)])
