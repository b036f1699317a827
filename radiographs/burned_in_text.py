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

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

LEAST_CHARACTERS = 4

_LISTED = 100
# A larger film is reduced, and a smaller one enlarged: letters of five pixels touch each other.
_LONGEST_SIDE_PX, _SHORTEST_SIDE_PX = 1024, 512
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

_Boxes = npt.NDArray[np.int32]  # [boxes, 4]: left, top, width, height in pixels


def count_text(paths: Sequence[str]) -> dict[str, Any]:
    """Counts the films that show text, and names the first of them.

    Args:
        paths: Of these films, in order.

    Returns:
        `films` and `listed`, which JSON can hold.
    """
    return {"films": len(paths), "listed": [str(path) for path in paths[:_LISTED]]}


def text_notes(paths: Sequence[str]) -> list[str]:
    """Says which films show text.

    Args:
        paths: Of these films, in order.

    Returns:
        At most one sentence.
    """
    if not paths:
        return []
    show = "1 film shows" if len(paths) == 1 else f"{len(paths):,} films show"
    return [
        f"{show} text burned into the pixels, such as '{paths[0]}', which may name somebody: look "
        "at them, and leave out by data.exclude_films those that do."
    ]


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
    longest = max(grey.shape)
    scale = min(max(longest, _SHORTEST_SIDE_PX), _LONGEST_SIDE_PX) / longest
    film = grey
    if scale != 1:
        by = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        film = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=by), np.uint8)
    rows = [row for strokes in _strokes(film) for row in _rows(_characters(strokes))]
    return [_around(row, scale) for row in rows]


def _strokes(film: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    """Yields where strokes are that are brighter than what is round them, then the darker ones."""
    half = round(_STROKE_PX * max(film.shape) / _LONGEST_SIDE_PX) // 2
    square = np.ones((2 * half + 1,) * 2, np.uint8)
    for hat in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        contrast = cv2.morphologyEx(film, hat, square)
        _, strokes = cv2.threshold(contrast, _LEAST_CONTRAST, 255, cv2.THRESH_BINARY)
        yield np.asarray(strokes, np.uint8)


def _characters(strokes: npt.NDArray[np.uint8]) -> _Boxes:
    """Returns the boxes of strokes that have the size of a character, from left to right."""
    outlines, _ = cv2.findContours(strokes, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not LEAST_CHARACTERS <= len(outlines) <= _MOST_STROKES:
        return np.empty((0, 4), np.int32)
    highest = _HIGHEST * max(strokes.shape)
    kept = []
    for left, top, width, height in sorted(map(cv2.boundingRect, outlines)):
        if _LEAST_HEIGHT_PX <= height <= highest and width <= _WIDEST * height:
            inside = strokes[top : top + height, left : left + width]
            fill = cv2.countNonZero(inside) / (width * height)
            if _FILL[0] <= fill <= _FILL[1] or (fill > _FILL[1] and width <= _NARROW * height):
                kept.append((left, top, width, height))
    return np.array(kept, np.int32).reshape(-1, 4)


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
    left, top, width, height = characters.T.astype(np.float32)
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


def _around(row: _Boxes, scale: float) -> tuple[int, int, int, int]:
    """Returns the box round a row, in pixels of the film before it was scaled."""
    left, top = row[:, :2].min(axis=0) / scale
    right, bottom = (row[:, :2] + row[:, 2:]).max(axis=0) / scale
    return round(left), round(top), round(right - left), round(bottom - top)
