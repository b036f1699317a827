"""Spans: films as they came in over time, a folder each, and the window of them that is read.

Folders are named as TFX names them: `span-1`, or `span-20260101` for a day, and below a span
`version-2`, of which the latest counts. The window is static, or rolls on as spans are added, as
those of TFX's `RangeConfig` do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from radiographs.errors import DataError
from radiographs.not_films import is_hidden, is_table
from radiographs.options import ALL

_SPAN = re.compile(r"span-(\d+)", re.IGNORECASE)
_NEARLY = re.compile(r"spans?[-_ ]*\d+(?:[-_ ]\d+)*", re.IGNORECASE)
_VERSION = re.compile(r"version-(\d+)", re.IGNORECASE)
_NEARLY_A_VERSION = re.compile(r"v(?:ers?|ersions?)?[-_. ]*\d+(?:[-_. ]\d+)*", re.IGNORECASE)
_LARGEST = 2**63 - 1  # that the metadata of a run holds
_SHOWN = 4  # spans that a sentence names


@dataclass(frozen=True)
class Span:
    """One span.

    Attributes:
        number: That its name ends with.
        version: That is read of it, or None where there are none.
        folder: Of its films, relative to the data root: that of the version where there are some.
    """

    number: int
    version: int | None
    folder: str


@dataclass(frozen=True)
class Window:
    """The spans that are read.

    Attributes:
        spans: In the order of their numbers; none where the data root has no spans.
        left: Numbers of the spans that are not read.
        setting: `data.spans`.
    """

    spans: tuple[Span, ...]
    left: tuple[int, ...]
    setting: str

    def holds(self, path: str) -> bool:
        """Tells whether a file is read: it lies in no span, or in one of the window.

        Args:
            path: Of the file, relative to the data root.
        """
        if not self.spans or span_number(path) is None:
            return True
        return any(path.startswith(f"{span.folder}/") for span in self.spans)

    @property
    def note(self) -> str:
        """What the user is told of the window."""
        read = _named([span.number for span in self.spans])
        for span in self.spans:
            if span.version is not None:
                read += f", {span.number} in version {span.version}"
        left = f"; {_named(self.left)} not" if self.left else ""
        return f"Read: {read}{left} (data.spans={self.setting})."


def window_of(paths: Sequence[str], setting: str) -> Window:
    """Chooses the spans to read.

    Args:
        paths: All files below the data root; folders that hold nothing end with a slash.
        setting: `data.spans`: `all`, `last:3` or `20260101-20260331`.

    Returns:
        The window.

    Raises:
        DataError: If two folders are one span or version, a name is only nearly one's, or no
            span is in the window.
    """
    _refuse_nearly_spans(paths)
    spans = _spans(paths)
    chosen = [span for span in spans if _first(spans, setting) <= span.number <= _last(setting)]
    if setting != ALL and not chosen:
        there = f"it has {_named([span.number for span in spans])}" if spans else "it has none"
        raise DataError(
            f"the data root has no span of data.spans={setting}: {there}, where a folder named "
            "span-1 or span-20260101 is one; add the films, or correct data.spans"
        )
    left = tuple(span.number for span in spans if span not in chosen)
    return Window(tuple(chosen), left, setting)


def refuse_beside_versions(paths: Sequence[str], window: Window) -> None:
    """Finds films that no version of a span has, and that would never be read.

    Args:
        paths: As of `window_of`.
        window: Of the spans that are read.

    Raises:
        DataError: If a folder or a table lies beside the versions of one of them.
    """
    roots = [span.folder.split("/")[0] for span in window.spans if span.version is not None]
    for folder, name, below in (
        (folder, *rest.partition("/")[::2])
        for folder, slash, rest in (path.partition("/") for path in paths)
        if folder in roots
    ):
        is_films = not _VERSION.fullmatch(name) if below else is_table(name)
        if is_films and not is_hidden(name):
            raise DataError(
                f"'{folder}/{name}' lies beside the versions of its span; put it into one, or take "
                "it away"
            )


def latest_span(spans: Sequence[Span]) -> tuple[int, int | None]:
    """Returns number and version of the latest of some spans, as TFX has them where there are none.

    Args:
        spans: In order.
    """
    return (spans[-1].number, spans[-1].version) if spans else (0, None)


def _first(spans: Sequence[Span], setting: str) -> float:
    if setting == ALL:
        return 0
    first, _, count = setting.partition("last:")
    if count:
        latest = [span.number for span in spans][-int(count) :]
        return latest[0] if latest else 0
    return int(first.split("-")[0])


def _last(setting: str) -> float:
    return int(setting.split("-")[1]) if "-" in setting else float("inf")


def _refuse_nearly_spans(paths: Sequence[str]) -> None:
    """Refuses films that would be left out of every window for the sake of a hyphen."""
    for folder in sorted({path.split("/")[0] for path in paths if "/" in path}):
        if _NEARLY.fullmatch(folder) and not _SPAN.fullmatch(folder):
            number = "".join(re.findall(r"\d+", folder))
            raise DataError(
                f"'{folder}' is only nearly the name of a span; rename the folder to span-{number}"
            )


def _spans(paths: Sequence[str]) -> list[Span]:
    folders = sorted({path.split("/")[0] for path in paths if span_number(path) is not None})
    spans = [_span(folder, paths) for folder in folders]
    counts = Counter(span.number for span in spans)
    for span in spans:
        if counts[span.number] > 1:
            both = " and ".join(
                f"'{name}'" for name in folders if span_number(f"{name}/") == span.number
            )
            raise DataError(f"{both} are the same span; join them or rename all but one")
    return sorted(spans, key=lambda span: span.number)


def _span(folder: str, paths: Sequence[str]) -> Span:
    number = span_number(f"{folder}/") or 0
    if number > _LARGEST:
        raise DataError(
            f"the number of '{folder}' is too large for a span; rename the folder, such as to "
            "span-20260101"
        )
    versions = _versions(folder, paths)
    if not versions:
        return Span(number, None, folder)
    latest = max(versions)
    return Span(number, latest, f"{folder}/{versions[latest]}")


def _versions(folder: str, paths: Sequence[str]) -> dict[int, str]:
    """Returns the names of a span's versions by number; refuses a name that is only nearly one."""
    below = [path.split("/")[1:] for path in paths if path.startswith(f"{folder}/")]
    names = sorted({parts[0] for parts in below if len(parts) > 1 and not is_hidden(parts[0])})
    versions: dict[int, str] = {}
    for name in names:
        found = _VERSION.fullmatch(name)
        if not found and _NEARLY_A_VERSION.fullmatch(name):
            number = "".join(re.findall(r"\d+", name))
            raise DataError(
                f"'{folder}/{name}' is only nearly the name of a version; rename the folder to "
                f"version-{number}"
            )
        if found and int(found[1]) > _LARGEST:
            raise DataError(
                f"the number of '{folder}/{name}' is too large for a version; rename the folder"
            )
        if found and versions.setdefault(int(found[1]), name) != name:
            both = f"'{folder}/{versions[int(found[1])]}' and '{folder}/{name}'"
            raise DataError(f"{both} are the same version; join them or rename all but one")
    return versions


def span_number(path: str) -> int | None:
    """Returns the span that a file lies in by the uppermost folder of its path, or None."""
    folder, slash, _ = path.partition("/")
    found = _SPAN.fullmatch(folder) if slash else None
    return int(found[1]) if found else None


def _named(numbers: Sequence[int]) -> str:
    if len(numbers) > _SHOWN:
        return f"{len(numbers)} spans from {numbers[0]} to {numbers[-1]}"
    return f"span{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
