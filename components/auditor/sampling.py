"""Which films stand for all of them where there are too many: always the same ones."""

from __future__ import annotations

import numpy as np


def evenly(classes: np.ndarray, order: np.ndarray, at_most: int) -> np.ndarray:
    """Chooses films of all classes evenly; a rarer class leaves room for the others.

    Args:
        classes: `[films]` class of each.
        order: `[films]` positions of the films in the order in which a class gives them.
        at_most: How many.

    Returns:
        Positions of the films, ascending.
    """
    ordered = classes[order]
    names, class_of = np.unique(ordered, return_inverse=True)
    rank = np.zeros_like(class_of)  # of a film within its class
    for number in range(len(names)):
        of_class = class_of == number
        rank[of_class] = np.arange(np.sum(of_class))
    return np.sort(order[np.lexsort((class_of, rank))][:at_most])
