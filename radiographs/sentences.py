"""Sentences for the user, in which names stand between apostrophes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_MARK = "'"
_QUOTED = re.compile(r"'(.*?)'(?=[\s,.;:)]|$)")  # a name may hold apostrophes itself


def with_quoted(sentence: str, words: Mapping[str, str]) -> str:
    """Puts other words in the place of quoted ones.

    Args:
        sentence: In which names are quoted, whatever apostrophes these hold themselves.
        words: What stands there in the end, by what is quoted; other names stay.
    """
    marks = [place for place, letter in enumerate(sentence) if letter == _MARK]
    told, end = "", 0
    for first in marks:
        if first < end:
            continue
        quoted = (sentence[first + 1 : last] for last in reversed(marks) if last > first)
        word = next((one for one in quoted if one in words), None)
        if word is not None:
            told += f"{sentence[end:first]}{_MARK}{words[word]}{_MARK}"
            end = first + len(word) + 2
    return told + sentence[end:]


def quoted_paths(sentence: str) -> list[str]:
    """Returns the quoted words of a sentence that are written as paths or names of files."""

    def is_path(word: str) -> bool:
        return "/" in word or "\\" in word or len(posixpath.splitext(word)[1]) > 1

    return list(filter(is_path, _QUOTED.findall(sentence)))
