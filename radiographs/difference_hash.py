"""Whether two files show the same film, however they were encoded, sized or renamed.

A film is reduced to 16 by 17 cells, of which each but the last of a row is brighter than its
neighbour or not: 256 bits, the difference hash (N. Krawetz, "Kind of Like That", 2013). Of 240
paediatric films at their original size and as JPEG of 224 pixels, squashed to a square, the two
differ in 9 bits at most; of 400 films of another hospital, none is nearer than 25 bits to any of
5,232 of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

DifferenceHash = npt.NDArray[np.bool_]

SAME_FILM_BITS = 12  # two files that differ in so many or fewer show the same film

_CELLS = 16
_AT_ONCE = 256  # films compared with all others, to bound the memory


def difference_hash(film: npt.NDArray[np.uint8]) -> DifferenceHash:
    """Reduces a film to what stays the same in another file of it.

    Args:
        film: `[height, width]` uint8, upright.

    Returns:
        `[256]` bool.
    """
    cells = cv2.resize(film, (_CELLS + 1, _CELLS), interpolation=cv2.INTER_AREA)
    return (cells[:, 1:] > cells[:, :-1]).ravel()


def same_films(
    films: Iterable[DifferenceHash], others: Iterable[DifferenceHash]
) -> Iterator[int | None]:
    """Looks for each film among others.

    Args:
        films: Of `difference_hash`.
        others: The same.

    Yields:
        For each film the position of the other that is nearest, or None where none shows the
        same film.
    """
    rows, columns = (_stacked(some) for some in (films, others))
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE]
        differing = some @ (1 - columns.T) + (1 - some) @ columns.T
        for bits in differing:
            nearest = int(bits.argmin()) if len(bits) else None
            same = nearest is not None and bits[nearest] <= SAME_FILM_BITS
            yield nearest if same else None


def _stacked(films: Iterable[DifferenceHash]) -> npt.NDArray[np.float32]:
    return np.array([*films], np.float32).reshape(-1, _CELLS * _CELLS)
