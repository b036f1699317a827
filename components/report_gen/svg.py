"""Figures as SVG that stands in a page: its colours are the page's, its bytes are always the same.

matplotlib knows no CSS, so a figure is drawn in stand-in colours that the style sheet's
variables replace. Text stays text, in the page's type.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Stand-ins, by the variable of the style sheet that replaces each.
INK, MUTED, GRID, MODEL, OTHER, THIRD, BAD = (
    "#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707",
)  # fmt: skip
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", GRID: "--line", MODEL: "--model", OTHER: "--other",
    THIRD: "--third", BAD: "--bad",
}  # fmt: skip
SPLIT_COLOURS = {"train": MODEL, "eval": THIRD, "test": OTHER}

_STYLE: dict[Any, Any] = {  # matplotlib spells out every key as a type
    "svg.fonttype": "none",
    "font.size": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "font.family": "sans-serif",
    "text.parse_math": False,  # a name from a manifest may hold a dollar sign
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
_POINTS_PER_INCH = 72


@dataclass
class Drawing:
    """A figure in the making.

    Attributes:
        axes: Where to draw.
        svg: The figure, once the context is left.
    """

    axes: Axes
    svg: Markup = field(default_factory=Markup)


@contextmanager
def drawing(
    name: str, description: str, size_px: tuple[int, int] = (400, 340)
) -> Iterator[Drawing]:
    """Draws a figure.

    Args:
        name: Unlike that of any other figure of the page; begins its identifiers.
        description: What it shows, for who cannot see it.
        size_px: Width and height; the page scales it down to fit.

    Yields:
        The drawing, whose `svg` is there afterwards.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        width, height = (side / _POINTS_PER_INCH for side in size_px)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        drawn = Drawing(figure.add_subplot())
        yield drawn
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn.svg = Markup(_for_page(buffer.getvalue(), name, description))


def _for_page(text: str, name: str, description: str) -> str:
    """Returns the SVG element alone, in the page's colours, with identifiers of its own."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r"#([\w-]+)[\")]", text))
    text = re.sub(
        r' id="([\w.-]+)"', lambda one: f' id="{name}-{one[1]}"' if one[1] in used else "", text
    )
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", text)
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    width = size[1] if size else "360"
    attributes = f'class="figure" role="img" aria-label="{escape(description)}"'
    opening = f'<svg {attributes} style="max-width: {width}px" '
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg ", opening, 1)
