"""Which films of a data root have the same bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from radiographs.measures import FilmFiles

_Key = TypeVar("_Key", int, str)


def find_identical_files(files: FilmFiles, paths: Sequence[str]) -> list[list[str]]:
    """Finds films with the same bytes; reads only files of equal size.

    Args:
        files: Of the films; empty ones are alike, but no films.
        paths: Of the films.

    Returns:
        Groups of two paths or more.
    """
    same_size = list(_groups(paths, files.root.size_bytes))
    digests = files.digests(path for group in same_size for path in group)
    same_bytes = [
        same
        for group in same_size
        for same in _groups([path for path in group if digests[path]], digests.__getitem__)
    ]
    usable = files.are_usable([same[0] for same in same_bytes])
    return [same for same, is_film in zip(same_bytes, usable, strict=True) if is_film]


def _groups(paths: Iterable[str], key: Callable[[str], _Key]) -> Iterator[list[str]]:
    by_key: dict[_Key, list[str]] = defaultdict(list)
    for path in paths:
        by_key[key(path)].append(path)
    return (group for group in by_key.values() if len(group) > 1)
