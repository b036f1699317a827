"""Unpacks an archive that nobody vouches for: nothing leaves its folder, nothing fills the disk."""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from radiographs.errors import DataError
from radiographs.not_films import is_hidden

_MOST_FILES = 500_000
_CHUNK_BYTES = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError)


def unpack(file: Path, kind: str, folder: Path, most_bytes: int) -> int:
    """Unpacks the files of an archive; what systems leave behind is passed over.

    Args:
        file: The archive.
        kind: `zip`, or `tar` for one packed by gzip.
        folder: Made; it may not be there yet.
        most_bytes: What it may unpack to.

    Returns:
        Number of files.

    Raises:
        DataError: If it is damaged, too large, or has a name that leads out of the folder.
    """
    free = shutil.disk_usage(folder.parent).free
    folder.mkdir()
    left = most_bytes
    count = 0
    try:
        for name, source in _files_of(file, kind):
            target = _place(folder, name)
            if is_hidden(target.relative_to(folder).as_posix()):
                continue
            count += 1
            if count > _MOST_FILES:
                raise DataError(f"the archive holds more than {_MOST_FILES:,} files; do not use it")
            target.parent.mkdir(parents=True, exist_ok=True)
            left -= _copy(source, target, min(left, free))
            free -= target.stat().st_size
    except _DAMAGED as error:
        raise DataError(f"the archive is damaged ({error}); fetch it again") from None
    except FileExistsError as error:
        raise DataError(f"the archive names {error.filename} twice; do not use it") from None
    return count


def _files_of(file: Path, kind: str) -> Iterator[tuple[str, IO[bytes]]]:
    if kind == "zip":
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                mode = info.external_attr >> 16
                if info.is_dir():
                    continue
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise _no_file(info.filename)
                with archive.open(info) as source:
                    yield info.filename, source
        return
    with tarfile.open(file, "r|gz") as archive:
        for member in archive:
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise _no_file(member.name)
            with contextlib.closing(content):
                yield member.name, content


def _no_file(name: str) -> DataError:
    return DataError(f"the archive holds {name!a}, a link or device; do not use it")


def _place(folder: Path, name: str) -> Path:
    """Returns where a file goes.

    Raises:
        DataError: If its name leads out of the folder, on whatever system.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or ".." in parts or "\\" in name or _DRIVE.match(name)
    if outside or not parts or "\0" in name:
        raise DataError(f"the archive holds {name!a}, which leads out of its folder; do not use it")
    return folder.joinpath(*parts)


def _copy(source: IO[bytes], target: Path, most_bytes: int) -> int:
    """Writes a new file and returns its size; what the archive says of sizes is not believed."""
    size = 0
    with open(target, "xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > most_bytes:
                raise DataError(
                    "the archive unpacks to more than is allowed, or than the disk has room for; "
                    "make room, or do not use it"
                )
            file.write(chunk)
    return size
