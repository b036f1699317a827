"""What an ingest does before it reads the films: layout, label conflicts, the split of each film.

RadiographExampleGen does what is planned here, and `radiographs.inspect` tells of it. Whatever
opens a film goes through `FilmFiles`, which may hand it to many workers. Names, sizes and DICOM
headers are read here, as headers name people, whom no file that goes between workers may. And what
workers found is brought together here: splits, groups and styles are sums over a few numbers a
film.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from radiographs.data_roots import read_layout
from radiographs.excluded import NO_FILMS, ExcludedFilms, set_aside, still_films
from radiographs.identical import find_identical_files
from radiographs.label_conflicts import settle_label_conflicts
from radiographs.layouts import Layout
from radiographs.measures import FilmFiles
from radiographs.near_duplicates import near_duplicates
from radiographs.options import BY_STYLE, JOIN
from radiographs.patient_ids import patient_notes
from radiographs.splits import SplitPlan, assign_splits
from radiographs.styles import Place, find_styles


def plan_ingest(files: FilmFiles, excluded: ExcludedFilms = NO_FILMS) -> tuple[Layout, SplitPlan]:
    """Reads the layout of a data root and assigns each film to a split.

    Args:
        files: Of the root, with the options of the ingest.
        excluded: Films that the user leaves out.

    Returns:
        The films found and the split of each.

    Raises:
        DataError: Saying what is wrong with the folder and what to do.
    """
    found = read_layout(files.root, files.options)
    paths = [film.path for film in found.films]
    files.measure(paths)
    identical = find_identical_files(files, paths)
    kept = set_aside(files, found, identical, excluded)
    identical = still_films(identical, kept)
    layout = settle_label_conflicts(kept, identical, files.options)
    return layout, plan_splits(files, layout, identical)


def plan_splits(files: FilmFiles, layout: Layout, identical: Sequence[Sequence[str]]) -> SplitPlan:
    """Assigns the films of a layout to splits.

    Args:
        files: Of the films, which have been measured.
        layout: Without label conflicts.
        identical: Groups of paths whose files have the same bytes.

    Returns:
        The split of each film, and all that is to be said of layout, patients and splits.

    Raises:
        DataError: If a split would lack a class, or has too few patients to be carved.
    """
    options = files.options
    paths = [film.path for film in layout.films]
    places, agreement = _styled(files, paths) if options.split == BY_STYLE else ({}, math.nan)
    plan = assign_splits(
        layout.films,
        options,
        identical=[*identical, *(_alike(files, paths) if options.near_duplicates == JOIN else ())],
        statistics_of=lambda some: _statistics(files, some),
        places=places,
        site_by_site=layout.kind == "sites",
        lasting=bool(layout.spans),
    )
    notes = [*layout.notes, *patient_notes(layout.films), *plan.notes]
    return replace(plan, notes=notes, style_agreement=agreement)


def _alike(files: FilmFiles, paths: Sequence[str]) -> list[list[str]]:
    """Returns groups of films that show the same picture."""
    known = files.measures(paths)
    prints = {path: one.fingerprint for path, one in known.items() if one.fingerprint is not None}
    digests = {path: one.sha256 for path, one in known.items()}
    return near_duplicates(prints, digests, files.show_one_film)


def _statistics(files: FilmFiles, paths: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the acquisition statistics of the usable films, by path."""
    known = files.measures(paths)
    return {path: one.statistics for path, one in known.items() if one.statistics is not None}


def _styled(files: FilmFiles, paths: Sequence[str]) -> tuple[Mapping[str, Place], float]:
    """Returns style and distance of films that training and serving can use, and the agreement."""
    described = files.descriptions(paths)
    if not described:
        return {}, math.nan
    styles = find_styles(described, files.options.seed)
    names, distances = styles.nearest(list(described.values()))
    places = zip(names, distances.tolist(), strict=True)
    return dict(zip(described, places, strict=True)), styles.agreement
