"""Puts a public data set in its place: the whole of it, with its licence, or nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radiographs.errors import DataError
from radiographs.fetch.archives import Archive
from radiographs.fetch.download import Tell, download, forget, sha256_of_file
from radiographs.fetch.unpack import unpack

LICENCE_FILE = "LICENCE.txt"
SOURCE_FILE = "SOURCE.json"

_PARTIAL = ".partial"


@dataclass(frozen=True)
class Fetched:
    """What came.

    Attributes:
        folder: Of the data.
        files: That it holds, without licence and source.
        sha256: Of the archive.
    """

    folder: Path
    files: int
    sha256: str


def fetch(
    archive: Archive,
    folder: Path,
    tell: Tell = lambda bytes_there, bytes_in_all: None,
    get: Callable[[str, Path, Tell], None] = download,
) -> Fetched:
    """Downloads and unpacks a data set.

    What is under way lies in `<folder>.partial`, and the same call goes on with it.

    Args:
        archive: What to fetch; a digest that is given has to be that of what comes.
        folder: Where to; it may not be there, or has to be empty.
        tell: For a progress bar.
        get: Downloads an address to a file.

    Returns:
        What came.

    Raises:
        DataError: If it cannot be downloaded, is not what it should be, or the place is taken.
    """
    refuse_taken(folder)
    partial = folder.with_name(folder.name + _PARTIAL)
    partial.mkdir(parents=True, exist_ok=True)
    file = partial / "archive"
    get(archive.url, file, tell)
    digest = sha256_of_file(file)
    if archive.sha256 and digest != archive.sha256.lower():
        forget(file)
        raise DataError(
            f"{archive.url} is not what it was: its SHA-256 is {digest}, not {archive.sha256}; it "
            "was removed, fetch it again or look for the reason"
        )
    files = _unpacked(archive, file, folder, partial, digest)
    shutil.rmtree(partial)
    return Fetched(folder, files, digest)


def refuse_taken(folder: Path) -> None:
    """Refuses a place where something is already.

    Raises:
        DataError: Saying so.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DataError(f"{folder} is a file or a link; choose another --to")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; choose another --to, or remove what is in it")


def _unpacked(archive: Archive, file: Path, folder: Path, partial: Path, digest: str) -> int:
    """Unpacks beside the place, then renames."""
    whole = partial / "unpacked"
    shutil.rmtree(whole, ignore_errors=True)
    try:
        files = unpack(file, archive.kind, whole, archive.most_bytes)
    except DataError:
        shutil.rmtree(whole, ignore_errors=True)
        forget(file)
        raise
    inner = list(whole.iterdir())
    data = inner[0] if len(inner) == 1 and inner[0].is_dir() else whole
    source = {"title": archive.title, "url": archive.url, "sha256": digest}
    (data / LICENCE_FILE).write_text(archive.licence, encoding="utf-8")
    (data / SOURCE_FILE).write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
    folder.parent.mkdir(parents=True, exist_ok=True)
    data.rename(folder)
    return files
