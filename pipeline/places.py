"""The folders that a run writes to, and which of them an error is about. Imports no TFX."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SCARCE_BYTES = 64_000_000  # what a failed component left is cleared away before anybody looks
_PROBE_BYTES = 65_536
_PATH = re.compile(r"(?<![\w/.:])/[^;:,'\"()\s][^;:,'\"()\n]*")  # an absolute path in a message
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Place:
    """A folder that a run writes to.

    Attributes:
        path: The folder.
        role: What is kept there, if the path does not say it.
        elsewhere: What a user does to have it elsewhere.
    """

    path: Path
    role: str
    elsewhere: str

    def __str__(self) -> str:
        """Returns the path, and what it is for if need be."""
        return f"{self.path} ({self.role})" if self.role else str(self.path)


def places_of(work: Path) -> list[Place]:
    """Returns where a run writes, the work directory first.

    Args:
        work: The work directory.
    """
    places = [Place(work, "", "choose another --workdir")]
    try:
        temporary = Path(tempfile.gettempdir()).resolve()
    except OSError:  # there is none, and what failed will say so
        return places
    return [*places, Place(temporary, "temporary files", "set TMPDIR to another folder")]


def place_of(path: Path, places: Sequence[Place]) -> Place:
    """Returns the place that a file lies in, or its folder where it lies in none.

    Args:
        path: Of a file or folder.
        places: Of `places_of`.
    """
    around = [place for place in places if path.is_relative_to(place.path)]
    if around:
        return max(around, key=lambda place: len(place.path.parts))
    return Place(path.parent, "", "")


def path_of(error: BaseException, phrase: str) -> Path | None:
    """Returns the absolute path that an error is about.

    Args:
        error: An OSError with a file name, or one that names a path in its text.
        phrase: What the line of the text with the path holds.

    Returns:
        The path; of a copy the one written to. None if no path is named, or several are.
    """
    named = (error.filename2, error.filename) if isinstance(error, OSError) else ()
    for name in named:
        if isinstance(name, (str, bytes)) and name:
            return Path(os.path.abspath(os.fsdecode(name)))
    lines = [line for line in str(error).splitlines() if phrase in line]
    paths = {found.strip() for line in lines for found in _PATH.findall(line)}
    return Path(paths.pop()) if len(paths) == 1 else None


def full_places(places: Sequence[Place]) -> list[Place]:
    """Returns the places that take no more, or next to nothing; of one disk the first.

    Args:
        places: Of `places_of`.
    """
    disks: dict[int, Place] = {}
    for place in places:
        if place.path.is_dir():
            disks.setdefault(place.path.stat().st_dev, place)
    if len(disks) == 1:
        return list(disks.values())
    refusing = [place for place in disks.values() if not _takes_a_file(place.path)]
    return refusing or [place for place in disks.values() if free_bytes(place) < _SCARCE_BYTES]


def free_bytes(place: Place) -> int:
    """Returns how much an ordinary user may still write to a place."""
    status = os.statvfs(place.path)
    return status.f_bavail * status.f_frsize


def has_no_inodes(path: Path) -> bool:
    """Whether a disk has room for bytes but not for another file."""
    try:
        status = os.statvfs(path)
    except OSError:
        return False
    return status.f_files > 0 and status.f_favail == 0 and status.f_bavail > 0


def _takes_a_file(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
    except OSError as error:
        return error.errno not in _FULL
    return True
