"""Titles on films side by side, for whoever has the picture and not the words around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

TITLE_PX = 18  # of the letters: the page may show a picture at two thirds of its size
PADDING_PX = 8  # around a title

_GREY = 220  # of the letters, on black as films are

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def titled(
    films: npt.NDArray[np.uint8], rows: Sequence[str], columns: Sequence[str] = ()
) -> npt.NDArray[np.uint8]:
    """Writes titles beside the rows and above the columns of a montage.

    Args:
        films: `[height, width]` uint8, cells of one size.
        rows: Titles from top to bottom, each on one line, at least one.
        columns: Titles from left to right, each on as many lines as its column asks for; without
            any there is no room above.

    Returns:
        `[above + height, beside + width]` uint8. The lower right part is the films as they were.
    """
    font = ImageFont.load_default(TITLE_PX)
    height, width = films.shape
    column_px, row_px = width // max(len(columns), 1), height // len(rows)
    above = [_wrapped(title, font, column_px - 2 * PADDING_PX) for title in columns]
    left = max(_size_px(title, font)[0] for title in rows) + 2 * PADDING_PX
    top = max((_size_px(title, font)[1] + 2 * PADDING_PX for title in above), default=0)
    canvas = Image.new("L", (left + width, top + height))
    canvas.paste(Image.fromarray(films), (left, top))
    middles = [
        *((left + column_px * (place + 0.5), top / 2) for place in range(len(above))),
        *((left / 2, top + row_px * (place + 0.5)) for place in range(len(rows))),
    ]
    pen = ImageDraw.Draw(canvas)
    for middle, title in zip(middles, [*above, *rows], strict=True):
        pen.multiline_text(middle, title, _GREY, font, anchor="mm", align="center")
    return np.asarray(canvas)


def _wrapped(title: str, font: _Font, at_most_px: int) -> str:
    """Breaks a title between words, where a line would be too long."""
    first, *words = title.split()
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if font.getlength(longer) <= at_most_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def _size_px(title: str, font: _Font) -> tuple[int, int]:
    """Returns width and height of a title, however many lines it has."""
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = pen.multiline_textbbox((0, 0), title, font)
    return math.ceil(right - left), math.ceil(bottom - top)
