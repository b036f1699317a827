"""Lists and reads the files of a data root through TFX's file systems."""

from __future__ import annotations

import posixpath

from tfx.dsl.io import fileio

from radiographs.errors import DataError


def list_files(root: str) -> list[str]:
    """Returns all files below a folder, relative to it, in order.

    Args:
        root: Local or remote folder.

    Returns:
        Paths with forward slashes.

    Raises:
        DataError: If there is no such folder or it cannot be read.
    """
    if not fileio.isdir(root):
        raise DataError(f"the data root {root} is not a folder; check --data-root")
    paths = []
    for folder, _, names in fileio.walk(root):
        inside = posixpath.relpath(str(folder), root)
        paths += [posixpath.normpath(posixpath.join(inside, str(name))) for name in names]
    return sorted(paths)


def read_bytes(root: str, path: str) -> bytes:
    """Returns the content of a file below a root."""
    with fileio.open(posixpath.join(root, path), "rb") as file:
        return file.read()


def read_text(root: str, path: str) -> str:
    """Returns the text of a UTF-8 file below a root, without a byte order mark.

    Raises:
        DataError: If it is not UTF-8.
    """
    try:
        return read_bytes(root, path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from None
