"""What a plan asks of the files, each read once for all of it.

Splits, groups and styles are made of these numbers in the process that plans: about a kilobyte a
film, where its file has hundreds. Files are opened wherever `radiographs.spread.Spread` says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from radiographs.acquisition import acquisition_statistics
from radiographs.data_roots import DataRoot
from radiographs.decoding import CanonicalFilm, read_film, sha256_of
from radiographs.errors import UnusableImage
from radiographs.near_duplicates import Fingerprint, Pair, fingerprint, pairs_of_one_film
from radiographs.options import BY_STYLE, JOIN, NO_STRESS, IngestOptions
from radiographs.spread import Spread, chunks, here
from radiographs.styles import Description

_LOG = logging.getLogger(__name__)

_DESCRIBED_AT_ONCE = 8  # films, which are all in memory

# Describes films, of which the paths come first; None of one that training and serving cannot use.
Describe = Callable[[Sequence[str], Sequence[CanonicalFilm]], Iterable[Description | None]]


@dataclass(frozen=True, slots=True)
class Measures:
    """What a plan knows of a file.

    Attributes:
        sha256: Digest of the bytes, in hexadecimal; empty where they cannot be read.
        is_usable: Whether it is a film.
        fingerprint: Of `radiographs.near_duplicates`, where films are joined by it.
        statistics: Of `radiographs.acquisition`, where a stress split is made of them.
        description: Of `radiographs.styles`, where the split is by them.
    """

    sha256: str
    is_usable: bool = False
    fingerprint: Fingerprint | None = None
    statistics: np.ndarray | None = None
    description: Description | None = None


class FilmFiles:
    """The files of a data root, as a plan sees them."""

    def __init__(
        self,
        root: DataRoot,
        options: IngestOptions,
        spread: Spread = here,
        describe: Describe | None = None,
    ):
        """Remembers where the files are, and who looks into them.

        Args:
            root: Of the films.
            options: Which files are usable, and what is asked of them.
            spread: Who looks.
            describe: For a split by style.
        """
        self.root = root
        self.options = options
        self._spread = spread
        self._describe = describe
        self._measured: dict[str, Measures] = {}
        self._digests: dict[str, str] = {}

    def measure(self, paths: Sequence[str]) -> None:
        """Reads films for all that the options ask of each of them; mostly they ask nothing."""
        purposes = [
            purpose
            for asked, purpose in (
                (self.options.near_duplicates == JOIN, "those that show the same picture"),
                (self.options.stress_split != NO_STRESS, "the stress split"),
                (self.options.split == BY_STYLE, "the split by style"),
            )
            if asked
        ]
        if not purposes:
            return
        _LOG.info("Measuring %s films, for %s", f"{len(paths):,}", " and ".join(purposes))
        describe = self._describe if self.options.split == BY_STYLE else None
        work = partial(measure_films, self.root, self.options, describe)
        self._measured |= zip(paths, self._spread(work, paths, "films measured"), strict=True)
        self._digests |= {path: one.sha256 for path, one in self._measured.items()}

    def measures(self, paths: Iterable[str]) -> dict[str, Measures]:
        """Returns what is known by path of the usable ones of the films that were measured."""
        known = {path: self._measured[path] for path in paths}
        return {path: one for path, one in known.items() if one.is_usable}

    def descriptions(self, paths: Iterable[str]) -> dict[str, Description]:
        """Returns the descriptions of those that training and serving can use, by path."""
        known = self.measures(paths)
        return {path: one.description for path, one in known.items() if one.description is not None}

    def digests(self, paths: Iterable[str]) -> dict[str, str]:
        """Returns the digests of files by path; each is read once."""
        paths = list(paths)
        unknown = [path for path in paths if path not in self._digests]
        digests = self._spread(
            partial(digests_of, self.root), unknown, "files read for their digests"
        )
        self._digests |= zip(unknown, digests, strict=True)
        return {path: self._digests[path] for path in paths}

    def are_usable(self, paths: Sequence[str]) -> list[bool]:
        """Tells of each file whether it is a film."""
        unknown = [path for path in paths if path not in self._measured]
        usable = self._spread(
            partial(are_usable, self.root, self.options), unknown, "films of the same bytes read"
        )
        known = dict(zip(unknown, usable, strict=True))
        return [known[path] if path in known else self._measured[path].is_usable for path in paths]

    def show_one_film(self, pairs: Sequence[Pair]) -> list[bool]:
        """Tells of each pair of paths of usable films whether both show the same picture."""
        in_order = sorted(set(pairs))  # neighbours share films
        work = partial(pairs_of_one_film, self.root, self.options)
        same = dict(
            zip(in_order, self._spread(work, in_order, "pairs of films compared"), strict=True)
        )
        return [same[pair] for pair in pairs]


def measure_films(
    root: DataRoot, options: IngestOptions, describe: Describe | None, paths: Sequence[str]
) -> list[Measures]:
    """Reads films, several at once, for all that the options ask of them.

    Args:
        root: Of the films.
        options: Which films are usable, and what is asked of them.
        describe: For a split by style.
        paths: Of the films.

    Returns:
        For each path what its file holds.
    """
    if describe is None:
        with ThreadPoolExecutor() as threads:
            return list(threads.map(lambda path: _measured(root, options, path)[0], paths))
    some_at_once = chunks(paths, _DESCRIBED_AT_ONCE)
    return [one for some in some_at_once for one in _described(root, options, describe, some)]


def digests_of(root: DataRoot, paths: Sequence[str]) -> list[str]:
    """Returns the digest of each file; empty where it cannot be read."""

    def digest(path: str) -> str:
        try:
            return sha256_of(root.content(path))
        except UnusableImage:  # the ingest puts it on the quarantine list
            return ""

    with ThreadPoolExecutor() as threads:
        return list(threads.map(digest, paths))


def are_usable(root: DataRoot, options: IngestOptions, paths: Sequence[str]) -> list[bool]:
    """Tells of each file whether it is a film."""

    def is_usable(path: str) -> bool:
        try:
            read_film(root.content(path), options)
        except UnusableImage:
            return False
        return True

    with ThreadPoolExecutor() as threads:
        return list(threads.map(is_usable, paths))


def _measured(
    root: DataRoot, options: IngestOptions, path: str
) -> tuple[Measures, CanonicalFilm | None]:
    try:
        data = root.content(path)
    except UnusableImage:  # the ingest puts it on the quarantine list, and so below
        return Measures(""), None
    try:
        film = read_film(data, options)
    except UnusableImage:
        return Measures(sha256_of(data)), None
    joined, stressed = options.near_duplicates == JOIN, options.stress_split != NO_STRESS
    return Measures(
        film.facts.sha256,
        is_usable=True,
        fingerprint=fingerprint(film.grey) if joined else None,
        statistics=acquisition_statistics(film, len(data)) if stressed else None,
    ), film


def _described(
    root: DataRoot, options: IngestOptions, describe: Describe, paths: Sequence[str]
) -> Iterator[Measures]:
    with ThreadPoolExecutor() as threads:
        read = list(threads.map(lambda path: _measured(root, options, path), paths))
    films = {path: film for path, (_, film) in zip(paths, read, strict=True) if film is not None}
    described = dict(zip(films, describe(list(films), list(films.values())), strict=True))
    for path, (measures, _) in zip(paths, read, strict=True):
        yield replace(measures, description=described.get(path))
