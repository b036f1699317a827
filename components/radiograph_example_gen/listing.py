"""Lists and reads the files of a data root through TFX's file systems."""

from __future__ import annotations

import posixpath

import tensorflow as tf
from tfx.dsl.io import fileio, filesystem

from radiographs.errors import DataError, UnusableImage

# TFX reads through TensorFlow where it is installed, whose errors are no OSError.
_UNREADABLE = (OSError, tf.errors.OpError, filesystem.NotFoundError)


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
    try:
        for folder, _, names in fileio.walk(root):
            inside = posixpath.relpath(str(folder), root)
            paths += [posixpath.normpath(posixpath.join(inside, str(name))) for name in names]
    except _UNREADABLE as error:
        raise DataError(f"a folder below {root} cannot be read: {error}") from None
    return sorted(paths)


def size_and_time(root: str, path: str) -> tuple[int, int]:
    """Returns a file's size in bytes and its time in nanoseconds; -1 where it cannot be read."""
    try:
        status = fileio.stat(posixpath.join(root, path))
    except _UNREADABLE:
        return -1, -1
    return status.length, status.mtime_nsec


def read_bytes(root: str, path: str) -> bytes:
    """Returns the content of a file below a root.

    Raises:
        UnusableImage: If it cannot be read.
    """
    try:
        with fileio.open(posixpath.join(root, path), "rb") as file:
            return file.read()
    except _UNREADABLE as error:
        reason = getattr(error, "message", "") or getattr(error, "strerror", "") or "no such file"
        raise UnusableImage(f"cannot be read ({reason}); check its permissions") from None


def read_text(root: str, path: str) -> str:
    """Returns the text of a UTF-8 file below a root, without a byte order mark.

    Raises:
        DataError: If it cannot be read or is not UTF-8.
    """
    try:
        return read_bytes(root, path).decode("utf-8-sig")
    except UnusableImage as error:
        raise DataError(f"{path} {error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from None
