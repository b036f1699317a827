"""An inspection as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from radiographs.ignored import ignored_sentence
from radiographs.inspect.sentences import (
    group_lines,
    known_lines,
    layout_lines,
    printable,
    quarantine_line,
    size_lines,
    verdict,
)
from radiographs.inspect.thumbnails import Thumbnail

LISTED = 200  # rows of a list; the JSON file has all


def page(
    values: Mapping[str, Any],
    films: Mapping[tuple[str, str], Sequence[Thumbnail]],
    rejected: Mapping[str, Sequence[Thumbnail]],
    alike: Sequence[Sequence[Thumbnail]],
) -> str:
    """Returns the page.

    Args:
        values: Of `radiographs.inspect.findings`.
        films: Of `film_thumbnails`.
        rejected: Of `rejected_thumbnails`.
        alike: Of `group_thumbnails`, of the near duplicates.
    """
    environment = Environment(
        loader=PackageLoader("radiographs.inspect"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    told = "films" in values
    return environment.get_template("inspection.html.j2").render(
        values=values,
        films=films,
        rejected=rejected,
        alike=alike,
        listed=LISTED,
        told=told,
        verdict=verdict(values),
        layout=layout_lines(values) if told else [],
        known=known_lines(values) if told else [],
        sizes=size_lines(values) if told else [],
        groups=group_lines(values) if told else [],
        quarantine=quarantine_line(values) if told else "",
        ignored=ignored_sentence(
            values.get("ignored_reasons", {}), values.get("ignored_folders", {})
        ),
    )
