"""What an ingest does before it reads the films: layout, label conflicts, the split of each film.

RadiographExampleGen does what is planned here, and `radiographs.inspect` tells of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from radiographs.acquisition import acquisition_statistics
from radiographs.data_roots import DataRoot, read_layout
from radiographs.errors import UnusableImage
from radiographs.excluded import NO_FILMS, ExcludedFilms, set_aside, still_films
from radiographs.identical import find_identical_files
from radiographs.label_conflicts import settle_label_conflicts
from radiographs.layouts import Layout
from radiographs.near_duplicates import find_near_duplicates
from radiographs.options import BY_STYLE, JOIN, IngestOptions
from radiographs.patient_ids import patient_notes
from radiographs.splits import SplitPlan, assign_splits
from radiographs.styles import Place

_LOG = logging.getLogger(__name__)

_FILMS_PER_MESSAGE = 1000

# Returns the styles of films by path, for a split by them.
PlacesOf = Callable[[Sequence[str]], Mapping[str, Place]]


def plan_ingest(
    root: DataRoot,
    options: IngestOptions,
    places_of: PlacesOf,
    excluded: ExcludedFilms = NO_FILMS,
) -> tuple[Layout, SplitPlan]:
    """Reads the layout of a data root and assigns each film to a split.

    Args:
        root: Of the films.
        options: Layout, splits, patients.
        places_of: Finds styles; called for a split by them only.
        excluded: Films that the user leaves out.

    Returns:
        The films found and the split of each.

    Raises:
        DataError: Saying what is wrong with the folder and what to do.
    """
    found = read_layout(root, options)
    identical = find_identical_files(root, [film.path for film in found.films], options)
    kept = set_aside(root, found, identical, excluded)
    identical = still_films(identical, kept)
    layout = settle_label_conflicts(kept, identical, options)
    paths = [film.path for film in layout.films]
    places = places_of(paths) if options.split == BY_STYLE else {}
    return layout, plan_splits(root, layout, identical, options, places)


def plan_splits(
    root: DataRoot,
    layout: Layout,
    identical: Sequence[Sequence[str]],
    options: IngestOptions,
    places: Mapping[str, Place],
) -> SplitPlan:
    """Assigns the films of a layout to splits.

    Args:
        root: Of the films.
        layout: Without label conflicts.
        identical: Groups of paths whose files have the same bytes.
        options: Splits.
        places: Styles of films by path, for a split by them; otherwise empty.

    Returns:
        The split of each film, and all that is to be said of layout, patients and splits.

    Raises:
        DataError: If a split would lack a class, or has too few patients to be carved.
    """
    paths = [film.path for film in layout.films]
    alike: list[list[str]] = []
    if options.near_duplicates == JOIN:
        _LOG.info("Reading %s films for those that show the same picture", f"{len(paths):,}")
        alike = find_near_duplicates(root, paths, options)
    plan = assign_splits(
        layout.films,
        options,
        identical=[*identical, *alike],
        statistics_of=lambda measured: _measure(root, measured, options),
        places=places,
        site_by_site=layout.kind == "sites",
        lasting=bool(layout.spans),
    )
    return replace(plan, notes=[*layout.notes, *patient_notes(layout.films), *plan.notes])


def _measure(root: DataRoot, paths: Sequence[str], options: IngestOptions) -> dict[str, np.ndarray]:
    """Returns the acquisition statistics of the usable films, by path."""

    def measure(path: str) -> np.ndarray | None:
        try:
            return acquisition_statistics(root.content(path), options)
        except UnusableImage:  # the ingest puts it on the quarantine list
            return None

    _LOG.info("Measuring how %s films were taken, for the stress split", f"{len(paths):,}")
    statistics = {}
    with ThreadPoolExecutor() as threads:
        for count, (path, values) in enumerate(
            zip(paths, threads.map(measure, paths), strict=True), start=1
        ):
            if values is not None:
                statistics[path] = values
            if count % _FILMS_PER_MESSAGE == 0:
                _LOG.info("%s of %s films measured", f"{count:,}", f"{len(paths):,}")
    return statistics
