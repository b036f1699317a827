"""Files that were to be films and are none: how many, why, and how many are too many."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from radiographs.errors import DataError
from radiographs.options import IngestOptions

QUARANTINE_FILE = "quarantine.csv"

_PARTICULARS = re.compile(r"\s*\([^()]*\)")
_NUMBER = re.compile(r"\d[\d,.]*(?: x \d[\d,.]*)*")
_QUOTED = re.compile(r"'[^']*'")


def kind_of(reason: str) -> str:
    """Returns what reasons have in common that differ in numbers, particulars and remedy.

    Args:
        reason: Of an `UnusableImage`: what is wrong, then what to do after a semicolon.
    """
    what = reason.partition(";")[0]
    while _PARTICULARS.search(what):  # one may be inside another
        what = _PARTICULARS.sub("", what)
    return _NUMBER.sub("N", _QUOTED.sub("'...'", what)).strip()


def count_kinds(unusable: Iterable[Sequence[str]]) -> dict[str, int]:
    """Returns the number of unusable files by `kind_of` their reason, most first.

    Args:
        unusable: Path and reason.
    """
    return dict(Counter(kind_of(reason) for _, reason in unusable).most_common())


def refuse_too_many(unusable: Sequence[Sequence[str]], films: int, options: IngestOptions) -> None:
    """Stops where a folder is damaged rather than a file.

    Args:
        unusable: Path and reason.
        films: Of the layout.
        options: The share that may be unusable.

    Raises:
        DataError: If more than `max_quarantine_fraction` of the films are unusable.
    """
    share = len(unusable) / films
    if share > options.max_quarantine_fraction:
        path, reason = unusable[0]
        raise DataError(
            f"{len(unusable)} of {films} files are unusable ({share:.1%}, allowed is "
            f"{options.max_quarantine_fraction:.1%}), the first is {path}: {reason}; mend them "
            "or raise data.max_quarantine_fraction",
            {QUARANTINE_FILE: reasons_csv(unusable)},
        )


def reasons_csv(rows: Iterable[Sequence[str]]) -> str:
    """Returns paths and reasons as CSV with a header."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *rows])
    return text.getvalue()
