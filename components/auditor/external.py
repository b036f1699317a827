"""A second site: films of another hospital, read by the project's own ingest, all scored."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import tensorflow as tf
from tfx.dsl.io import fileio

from components.auditor.abstention import abstention_of
from components.auditor.findings import ExternalSite
from components.auditor.overlap import (
    DIFFERENCE_HASH,
    digests_where_sizes_agree,
    hash_of,
    identities_of_films,
    refuse_alike,
    refuse_shared,
)
from components.auditor.scoring import judged, score_examples, scores_of
from components.radiograph_example_gen.executor import to_example
from components.radiograph_example_gen.listing import (
    TfxRoot,
    list_files,
    read_layout,
    size_and_time,
)
from components.radiograph_example_gen.reading import read_image
from metrics.estimates import estimate
from metrics.scores import AUC, RECALL
from models import features
from radiographs.difference_hash import DifferenceHash
from radiographs.errors import DataError, UnusableImage
from radiographs.films import Film
from radiographs.identical import find_identical_files
from radiographs.label_conflicts import settle_label_conflicts
from radiographs.layouts import Layout, ignored_notes
from radiographs.measures import FilmFiles
from radiographs.options import IngestOptions
from radiographs.patient_ids import patient_notes

_LOG = logging.getLogger(__name__)

_SETTING = "evaluation.external_data_root"


def audit_external_site(
    served: Any, root: str, options: IngestOptions, samples: int, own: pd.DataFrame | None = None
) -> ExternalSite:
    """Scores every usable film below a folder; splits given there mean nothing.

    Args:
        served: A loaded SavedModel.
        root: Local or remote folder of films, in a layout that the ingest reads.
        options: Layout, patients, which films are usable.
        samples: Draws of patients behind an interval.
        own: Films of all splits of the run, of `overlap.identities_of_examples`; None where
            they have been compared before.

    Returns:
        The metrics.

    Raises:
        DataError: If there is no such folder, it holds no usable films of both classes, or it
            shares films or patients with the run.
    """
    layout = _settled(root, options)
    usable: list[Film] = []
    hashes: list[DifferenceHash] = []

    def seen(film: Film, example: tf.train.Example) -> tf.train.Example:
        usable.append(film)
        hashes.append(hash_of(example))
        return example

    examples = _usable_examples(root, layout, options)
    films = score_examples(served, itertools.starmap(seen, examples))
    if own is not None:
        listed = identities_of_films(usable, films[features.SHA256].tolist())
        refuse_shared(root, listed, own, layout.kind == "folders")
        refuse_alike(root, listed.assign(**{DIFFERENCE_HASH: hashes}), own)
    films = judged(films)
    for label in features.LABELS:
        if label not in set(films[features.LABEL]):
            raise DataError(f"{_SETTING}: {root} has no usable film of {label}; add some")
    site = ExternalSite(
        root,
        len(layout.films) - len(films),
        estimate(scores_of(films), samples),
        abstention_of(films),
    )
    _LOG.info(
        "external site: AUC %.4f, recall %.4f on %d films, %d rejected",
        site.estimate.metrics[AUC], site.estimate.metrics[RECALL], len(films), site.rejected,
    )  # fmt: skip
    return site


def fingerprint(root: str) -> str:
    """Returns a digest of names, sizes and times below a folder, 16 hexadecimal digits.

    Raises:
        DataError: If there is no such folder.
    """
    facts = [(path, *size_and_time(root, path)) for path in _list_files(root)]
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _list_files(root: str) -> list[str]:
    _check_folder(root)
    return list_files(root)


def _check_folder(root: str) -> None:
    if not fileio.isdir(root):
        raise DataError(f"{_SETTING}: {root} is not a folder; correct it or leave it empty")


def find_films(root: str, options: IngestOptions) -> Layout:
    """Lists the films of another site without opening them.

    Args:
        root: Local or remote folder.
        options: Layout, patients.

    Returns:
        At least one of each class.

    Raises:
        DataError: If there is no such folder, its films cannot be told, or a class has none.
    """
    with _named(root):
        return read_layout(root, options.of_one_site)


def _settled(root: str, options: IngestOptions) -> Layout:
    """Returns the films whose labels agree; says what is set aside and what is doubtful."""
    found = find_films(root, options)
    with _named(root):
        paths = [film.path for film in found.films]
        identical = find_identical_files(FilmFiles(TfxRoot(root), options), paths)
        layout = settle_label_conflicts(found, identical, options)
    for note in (*ignored_notes(layout), *layout.notes, *patient_notes(layout.films)):
        _LOG.info("external site: %s", note)
    return layout


@contextmanager
def _named(root: str) -> Iterator[None]:
    """Says which root a fault is in."""
    _check_folder(root)
    try:
        yield
    except DataError as error:
        raise DataError(f"{_SETTING}: {root}: {error}", error.files) from None


def refuse_shared_files(root: str, data_root: str, options: IngestOptions) -> None:
    """Compares two folders before anything is trained; reads only files of equal size.

    Args:
        root: Folder of another site.
        data_root: Folder of the films to train on.
        options: Layout, patients.

    Raises:
        DataError: If they share a film or a patient, or the other site cannot be used.
    """
    layout = find_films(root, options)
    try:
        own = read_layout(data_root, options).films
    except DataError:  # the ingest says what is wrong with the films to train on
        return
    digests, own_digests = digests_where_sizes_agree(
        root, [film.path for film in layout.films], data_root, [film.path for film in own]
    )
    refuse_shared(
        root,
        identities_of_films(layout.films, digests),
        identities_of_films(own, own_digests),
        layout.kind == "folders",
    )


def _usable_examples(
    root: str, layout: Layout, options: IngestOptions
) -> Iterator[tuple[Film, tf.train.Example]]:
    """Yields the usable films of a layout with their examples."""
    for film in layout.films:
        try:
            image = read_image(root, film.path, options)
        except UnusableImage as error:
            _LOG.warning("external film %s is left out: %s", film.path, error)
        else:
            yield film, to_example(film, image)
