"""Which films of a data root have the same bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from radiographs.data_roots import DataRoot
from radiographs.decoding import read_film, sha256_of
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions


def find_identical_files(
    root: DataRoot, paths: Sequence[str], options: IngestOptions
) -> list[list[str]]:
    """Finds films with the same bytes; reads only files of equal size.

    Args:
        root: Of the films.
        paths: Of the films.
        options: Which files are usable; empty ones are alike, but no films.

    Returns:
        Groups of two paths or more.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in paths:
        by_size[root.size_bytes(path)].append(path)
    return [
        same
        for same_size in by_size.values()
        if len(same_size) > 1
        for same in _same_bytes(root, same_size)
        if _is_usable(root, same[0], options)
    ]


def _same_bytes(root: DataRoot, paths: Iterable[str]) -> Iterator[list[str]]:
    by_digest: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        with suppress(UnusableImage):  # the ingest puts it on the quarantine list
            by_digest[sha256_of(root.content(path))].append(path)
    yield from (group for group in by_digest.values() if len(group) > 1)


def _is_usable(root: DataRoot, path: str, options: IngestOptions) -> bool:
    try:
        read_film(root.content(path), options)
    except UnusableImage:
        return False
    return True
