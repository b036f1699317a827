"""The gist of styles of acquisition in sentences, for the terminal and the page of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.evaluation.slices import SliceMetrics
from models.features import PNEUMONIA, STYLE

_ONE_STYLE = (
    "one style of acquisition, as the films are few, or alike, or halves of them do not agree on "
    "more; how far halves agree on one is not defined"
)


def style_lines(
    styles: Sequence[Mapping[str, Any]], agreement: float | None, slices: Sequence[SliceMetrics]
) -> Iterator[str]:
    """Yields the gist: the styles, how sure they are, and the one whose normal films fare worst.

    Args:
        styles: Counts of the ingest, a row a style.
        agreement: Adjusted Rand index of halves of the films; None where it is not known.
        slices: Of the test films.
    """
    if len(styles) < 2:
        if styles:
            yield _ONE_STYLE
        return
    shares = ", ".join(_percent(style[PNEUMONIA], style["films"]) for style in styles)
    yield f"{len(styles)} styles of acquisition, by what lies around the lungs; pneumonia: {shares}"
    if agreement is not None:
        yield (
            f"halves of the films that each find {len(styles)} styles agree at {agreement:.2f} "
            "(adjusted Rand index: 1 is the same styles, 0 is chance)"
        )
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


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}".replace("%", " %")
