"""A second site: films of another hospital, read by the project's own ingest, all scored."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tfx.dsl.io import fileio

from components.auditor.scoring import score_examples, scores_of
from components.radiograph_example_gen.executor import to_example
from components.radiograph_example_gen.listing import (
    list_files,
    read_bytes,
    read_text,
    size_and_time,
)
from metrics.estimates import Estimate, estimate
from metrics.scores import AUC, RECALL
from models import features
from radiographs.decoding import inspect_image
from radiographs.errors import DataError, UnusableImage
from radiographs.films import Film
from radiographs.layouts import read_films
from radiographs.options import IngestOptions

_LOG = logging.getLogger(__name__)

_SETTING = "evaluation.external_data_root"


@dataclass(frozen=True)
class ExternalSite:
    """What the model reached on the films of another site.

    Attributes:
        root: Where they are.
        rejected: Files that are no usable film.
        estimate: Metrics at the model's operating point.
    """

    root: str
    rejected: int
    estimate: Estimate


def audit_external_site(
    served: Any, root: str, options: IngestOptions, samples: int
) -> ExternalSite:
    """Scores every usable film below a folder; splits given there mean nothing.

    Args:
        served: A loaded SavedModel.
        root: Local or remote folder of films, in a layout that the ingest reads.
        options: Layout, patients, which films are usable.
        samples: Draws of patients behind an interval.

    Returns:
        The metrics.

    Raises:
        DataError: If there is no such folder, or it holds no usable films of both classes.
    """
    found = find_films(root, options)
    films = score_examples(served, _usable_examples(root, found, options))
    for label in features.LABELS:
        if label not in set(films[features.LABEL]):
            raise DataError(f"{_SETTING}: {root} has no usable film of {label}; add some")
    site = ExternalSite(root, len(found) - len(films), estimate(scores_of(films), samples))
    _LOG.info(
        "external site: AUC %.4f, recall %.4f on %d films, %d rejected",
        site.estimate.metrics[AUC], site.estimate.metrics[RECALL], len(films), site.rejected,
    )  # fmt: skip
    return site


def fingerprint(root: str) -> str:
    """Returns a digest of names, sizes and times below a folder.

    Raises:
        DataError: If there is no such folder.
    """
    facts = [(path, *size_and_time(root, path)) for path in _list_files(root)]
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _list_files(root: str) -> list[str]:
    if not fileio.isdir(root):
        raise DataError(f"{_SETTING}: {root} is not a folder; correct it or leave it empty")
    return list_files(root)


def find_films(root: str, options: IngestOptions) -> list[Film]:
    """Lists the films of another site without opening them.

    Args:
        root: Local or remote folder.
        options: Layout, patients.

    Returns:
        At least one of each class.

    Raises:
        DataError: If there is no such folder, its films cannot be told, or a class has none.
    """
    paths = _list_files(root)
    try:
        return read_films(paths, lambda path: read_text(root, path), options).films
    except DataError as error:
        raise DataError(f"{_SETTING}: {root}: {error}") from None


def _usable_examples(
    root: str, films: Sequence[Film], options: IngestOptions
) -> Iterator[tf.train.Example]:
    for film in films:
        try:
            data = read_bytes(root, film.path)
            facts = inspect_image(data, options)
        except UnusableImage as error:
            _LOG.warning("external film %s is left out: %s", film.path, error)
        else:
            yield to_example(film, data, facts)
