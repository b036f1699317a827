"""Words, table and pictures of styles of acquisition, for the terminal and the page of a run."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.features import NORMAL, PNEUMONIA, STYLE
from pipeline.slices import SliceMetrics


def style_lines(
    styles: Sequence[Mapping[str, Any]], slices: Sequence[SliceMetrics]
) -> Iterator[str]:
    """Yields the gist: how many styles there are, and the one whose normal films fare worst.

    Args:
        styles: Counts of the ingest, a row a style.
        slices: Of the test films.
    """
    if len(styles) < 2:
        return
    shares = ", ".join(_percent(style[PNEUMONIA], style["films"]) for style in styles)
    yield f"{len(styles)} styles of acquisition, by what lies around the lungs; pneumonia: {shares}"
    tested = [one for one in slices if one.feature == STYLE and one.negatives]
    if tested:
        worst = min(tested, key=lambda one: one.metrics["specificity"])
        yield f"of the test films, where normal ones fare worst: {style_sentence(worst)}"


def style_sentence(one: SliceMetrics) -> str:
    """Says in words what a model does in a style.

    Args:
        one: Test films of a style.

    Returns:
        Such as `style 3: 212 films, 97 % pneumonia; of its 6 normals 4 are called pneumonia`.
    """
    missed, alarms = (int(one.metrics[name]) for name in ("false_negatives", "false_positives"))
    parts = [
        f"style {one.value}: {one.films:,} films, {_percent(one.positives, one.films)} pneumonia"
    ]
    if one.negatives:
        parts.append(f"of its {one.negatives:,} normals {alarms:,} are called pneumonia")
    if one.positives:
        parts.append(f"of its {one.positives:,} pneumonias {missed:,} are called normal")
    return "; ".join(parts)


def styles_html(
    styles: Sequence[Mapping[str, Any]], slices: Sequence[SliceMetrics], picture: bytes
) -> str:
    """Returns the section of the page; empty where there are no styles.

    Args:
        styles: Counts of the ingest, a row a style.
        slices: Of the test films, with intervals.
        picture: PNG of the typical films, a row a style.
    """
    if not styles:
        return ""
    tested = {one.value: one for one in slices if one.feature == STYLE}
    rows = "".join(_row_html(style, tested.get(style["style"])) for style in styles)
    titles = ("style", "films", NORMAL, PNEUMONIA, "share", "recall", "specificity", "test films")
    head = "".join(f"<th>{title}</th>" for title in titles)
    shown = base64.b64encode(picture).decode()
    image = (
        f'<p><img alt="Typical films, a row each style" src="data:image/png;base64,{shown}"></p>'
    )
    return (
        "<h2>Styles</h2><p>Films that look alike around the lungs, found without their labels. "
        "Where a style goes with a class, a model can learn it in place of the disease. Below are "
        f"the films nearest to the centre of each.</p><table><tr>{head}</tr>{rows}</table>"
        f"{image if picture else ''}"
    )


def _row_html(style: Mapping[str, Any], tested: SliceMetrics | None) -> str:
    cells = [
        style["style"],
        f"{style['films']:,}",
        f"{style[NORMAL]:,}",
        f"{style[PNEUMONIA]:,}",
        _percent(style[PNEUMONIA], style["films"]),
        _with_interval(tested, "recall"),
        _with_interval(tested, "specificity"),
        html.escape(style_sentence(tested)) if tested else "none",
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _with_interval(one: SliceMetrics | None, metric: str) -> str:
    of_class = {"recall": "positives", "specificity": "negatives"}[metric]
    if one is None or not getattr(one, of_class):
        return "-"
    low_high = one.intervals.get(metric)
    small = f"<small>{low_high[0]:.3f}-{low_high[1]:.3f}</small>" if low_high else ""
    return f"{one.metrics[metric]:.3f}{small}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}".replace("%", " %")
