"""The words of a name, however they are joined: `lung_masks`, `LungMasks` and `Lung masks 2`."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

from radiographs.file_names import composed

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"\d+|[^\W\d_]+")


@functools.lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """Returns the words and numbers of a name in their order, in lower case.

    Args:
        name: Of a folder, a file or a column.
    """
    return tuple(word.lower() for word in _WORD.findall(_HUMP.sub(" ", composed(name))))


def split_words(name: str, known: Collection[str]) -> tuple[str, ...]:
    """Returns the words of a name; one that is known words run together becomes these.

    Args:
        name: Of a column, or a value.
        known: Words in lower case: with `patient` and `id` among them `patientid` is these two.
    """
    return tuple(part for word in words_of(name) for part in _parts(word, frozenset(known)))


@functools.lru_cache(maxsize=1024)
def _parts(word: str, known: frozenset[str]) -> tuple[str, ...]:
    if word in known:
        return (word,)
    for end in range(len(word) - 1, 0, -1):
        if word[:end] in known:
            rest = _parts(word[end:], known)
            if set(rest) <= known:
                return (word[:end], *rest)
    return (word,)
