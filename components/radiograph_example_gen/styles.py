"""Styles of acquisition in the ingest: found among the films that are read, and told of.

`radiographs.styles` does the work; here films are described on the workers that read them,
a bounded number of descriptions is brought together for the fit, and each film gets its style.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import cv2
import numpy as np
import numpy.typing as npt

from components.montages import titled
from components.radiograph_example_gen.listing import read_bytes
from models import features
from models.remote_files import written_beside
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.films import Film
from radiographs.formats.png import encode_png
from radiographs.options import IngestOptions
from radiographs.styles import FITTED_FILMS, Description, Place, Styles, find_styles, rank

_LOG = logging.getLogger(__name__)

STYLES_PICTURE = "styles.png"  # beside the report of the ingest

CELL_PX = 128  # of a film in the montage
TYPICAL = 8  # films of each style, those nearest its centre


class FindStyles(beam.PTransform):
    """Finds styles: `(path, description)` of all films becomes one `Styles`, or None of no film."""

    def __init__(self, seed: int):
        """Sets the seed of the choice of films and of the clustering."""
        super().__init__()
        self._seed = seed

    def expand(self, described: beam.PCollection) -> beam.PCollection:
        """Brings `FITTED_FILMS` descriptions together and fits them."""
        seed = self._seed
        return (
            described
            | "Rank" >> beam.Map(lambda one: (rank(one[0], seed), *one))
            | "Some" >> beam.combiners.Top.Of(FITTED_FILMS, key=lambda one: one[0], reverse=True)
            | "Fit" >> beam.Map(lambda some: _fitted({path: one for _, path, one in some}, seed))
        )


def place_of(styles: Styles, description: Description) -> Place:
    """Returns the style of one film and its distance to the centre."""
    (name,), (distance,) = styles.nearest([description])
    return name, float(distance)


def agreement_of(styles: Styles | None) -> list[float]:
    """Returns how far halves of the films agree on the styles, once; nothing of no film."""
    return [] if styles is None else [styles.agreement]


def count_styles(films: Iterable[Film], places: Mapping[str, Place]) -> list[dict[str, Any]]:
    """Counts the films of each style.

    Args:
        films: Those with a place.
        places: By path.

    Returns:
        `style`, `films` and films by label, a row a style.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for film in films:
        counts[places[film.path][0]][film.label] += 1
    return [
        {
            "style": name,
            "films": of_style.total(),
            **{one: of_style[one] for one in features.LABELS},
        }
        for name, of_style in sorted(counts.items())
    ]


def write_montage(uri: str, root: str, places: Mapping[str, Place], options: IngestOptions) -> None:
    """Draws the films nearest to the centre of each style as `STYLES_PICTURE`.

    Each style is a row with its name beside it, the nearest film on the left.

    Args:
        uri: Folder of the report.
        root: Of the films.
        places: Style and distance by path; nothing is drawn where there are none.
        options: As the films were read.
    """
    by_style: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for path, (style, distance) in places.items():
        by_style[style].append((distance, path))
    if not by_style:
        return
    ordered = sorted(by_style.items())
    rows = [
        _row(_thumbnails(root, options, [path for _, path in heapq.nsmallest(TYPICAL, films)]))
        for _, films in ordered
    ]
    picture = titled(np.vstack(rows), [f"style {name}" for name, _ in ordered])
    with written_beside(f"{uri}/{STYLES_PICTURE}") as path, open(path, "wb") as file:
        file.write(encode_png(picture))


def _fitted(described: Mapping[str, Description], seed: int) -> Styles | None:
    return find_styles(described, seed) if described else None


def _thumbnails(
    root: str, options: IngestOptions, paths: Iterable[str]
) -> list[npt.NDArray[np.uint8]]:
    films = []
    for path in paths:
        try:
            grey = read_film(read_bytes(root, path), options).grey
        except UnusableImage as error:  # it could be read before, and is among the examples
            _LOG.warning("%s, which is left out of %s, now %s", path, STYLES_PICTURE, error)
        else:
            films.append(cv2.resize(grey, (CELL_PX, CELL_PX), interpolation=cv2.INTER_AREA))
    return films


def _row(films: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    empty = [np.zeros((CELL_PX, CELL_PX), np.uint8)] * (TYPICAL - len(films))
    return np.hstack([*films, *empty])
