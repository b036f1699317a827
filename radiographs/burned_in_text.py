"""Text that is burned into the pixels of a film: rows of characters, as names, dates and ids are.

Strokes of characters are thin and stand out from what is round them, so a top-hat finds them
(F. Meyer, "Iterative image transformations for an automatic screening of cervical smears", 1979).
Connected strokes of one height that follow each other on one line are a text (after B. Epshtein,
E. Ofek and Y. Wexler, "Detecting text in natural scenes with stroke width transform", 2010, section
4). A marker of the side is one letter and makes no row; nor do two or three, such as AP. Words such
as PORTABLE and exposure values do: what is written is not read. Text that stands upright is found
alone.

`benchmarks.burned_in_text` measures what is found, and what is taken for text.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

LEAST_CHARACTERS = 4

_LONGEST_SIDE_PX = 1024  # a larger film is reduced to it
_STROKE_PX = 11  # of 1024: thicker ones are no text but a marker
_LEAST_CONTRAST = 45  # grey levels between a stroke and what is round it
_MOST_STROKES = 3000  # more are the grain of a film
_LEAST_HEIGHT_PX, _HIGHEST = 5, 0.08  # of a character; share of the longest side
_WIDEST = 1.6  # of a character, in heights
_FILL = (0.2, 0.9)  # of the box round a character; one that is narrow may fill it
_NARROW = 0.5  # width of I and 1, in heights
_WIDEST_GAP, _DEEPEST_OVERLAP = 1.0, 0.25  # between two characters, in heights
_TALLER = 1.5  # a capital beside a small letter
_ON_LINE = 0.75  # share of the height of two characters that is on one line

_Boxes = npt.NDArray[np.int32]  # [boxes, 5]: left, top, width, height, area in pixels


def shows_text(grey: npt.NDArray[np.uint8]) -> bool:
    """Tells whether a film shows a row of at least `LEAST_CHARACTERS` characters.

    Args:
        grey: `[height, width]` uint8, upright.
    """
    return bool(text_boxes(grey))


def text_boxes(grey: npt.NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Finds rows of characters.

    Args:
        grey: `[height, width]` uint8, upright.

    Returns:
        Left, top, width and height of each row, in pixels of the film.
    """
    scale = min(1.0, _LONGEST_SIDE_PX / max(grey.shape))
    film = grey
    if scale < 1:
        film = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows = [row for strokes in _strokes(film) for row in _rows(_characters(strokes, film.shape))]
    return [tuple(round(value / scale) for value in _around(row)) for row in rows]


def _strokes(film: npt.NDArray[np.uint8]) -> list[_Boxes]:
    """Returns the connected strokes that are brighter than what is round them, and the darker."""
    side = max(3, round(_STROKE_PX * max(film.shape) / _LONGEST_SIDE_PX))
    square = np.ones((max(side, 5),) * 2, np.uint8)
    found = []
    for hat in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        contrast = cv2.morphologyEx(film, hat, square)
        _, strokes = cv2.threshold(contrast, _LEAST_CONTRAST, 255, cv2.THRESH_BINARY)
        count, _, boxes, _ = cv2.connectedComponentsWithStats(strokes)
        if count <= _MOST_STROKES:
            found.append(boxes[1:])  # the first is all that is no stroke
    return found


def _characters(boxes: _Boxes, shape: tuple[int, ...]) -> _Boxes:
    """Keeps what has the size of a character, from left to right."""
    _, _, width, height, area = boxes.T
    fill = area / (width * height)
    kept = (
        (height >= _LEAST_HEIGHT_PX)
        & (height <= _HIGHEST * max(shape))
        & (width <= _WIDEST * height)
        & (fill >= _FILL[0])
        & ((fill <= _FILL[1]) | (width <= _NARROW * height))
    )
    characters = boxes[kept]
    return characters[np.argsort(characters[:, 0], kind="stable")]


def _rows(characters: _Boxes) -> list[_Boxes]:
    """Follows each character to the next on its line, to the end of the row."""
    if len(characters) < LEAST_CHARACTERS:
        return []
    following = _following(characters)
    firsts = set(range(len(characters))) - set(following)
    rows = []
    for first in firsts:
        row = [first]
        while following[row[-1]] >= 0:
            row.append(following[row[-1]])
        if len(row) >= LEAST_CHARACTERS:
            rows.append(characters[row])
    return rows


def _following(characters: _Boxes) -> list[int]:
    """Returns for each character the place of the next one on its line, or -1."""
    left, top, width, height, _ = characters.T.astype(np.float32)
    taller = np.maximum(height[:, None], height)
    smaller = np.minimum(height[:, None], height)
    bottom = top + height
    shared = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    gap = left - (left + width)[:, None]
    follows = (
        (left > left[:, None])
        & (gap >= -_DEEPEST_OVERLAP * taller)
        & (gap <= _WIDEST_GAP * taller)
        & (taller <= _TALLER * smaller)
        & (shared >= _ON_LINE * smaller)
    )
    nearest = np.where(follows, gap, np.inf).argmin(axis=1)
    return np.where(follows.any(axis=1), nearest, -1).tolist()


def _around(row: _Boxes) -> tuple[int, int, int, int]:
    left, top = row[:, :2].min(axis=0).tolist()
    right, bottom = (row[:, :2] + row[:, 2:4]).max(axis=0).tolist()
    return left, top, right - left, bottom - top
