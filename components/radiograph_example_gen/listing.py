"""Lists and reads the files of a data root through TFX's file systems."""

from __future__ import annotations

import posixpath

import tensorflow as tf
from tfx.dsl.io import fileio, filesystem

from radiographs import data_roots
from radiographs.data_roots import (
    Listing,
    content_of,
    no_folder,
    unreadable_file,
    unreadable_folder,
)
from radiographs.layouts import Layout
from radiographs.local_roots import list_local
from radiographs.options import IngestOptions
from radiographs.pseudonyms import real_path

# TFX reads through TensorFlow where it is installed, whose errors are no OSError.
_UNREADABLE = (OSError, tf.errors.OpError, filesystem.NotFoundError)


class TfxRoot:
    """A `radiographs.data_roots.DataRoot` on any file system of TFX."""

    def __init__(self, root: str):
        """Remembers the folder, local or remote; it may be a link itself."""
        self._root = root

    def listing(self) -> Listing:
        """Returns what `list_root` does."""
        return list_root(self._root)

    @property
    def is_remote(self) -> bool:
        """Whether the folder is on another machine."""
        return "://" in self._root

    def content(self, path: str, most: int = -1) -> bytes:
        """Returns what `read_bytes` does."""
        return read_bytes(self._root, path, most)

    def size_bytes(self, path: str) -> int:
        """Returns the size that `size_and_time` does."""
        return size_and_time(self._root, path)[0]


def read_layout(root: str, options: IngestOptions) -> Layout:
    """Returns `radiographs.data_roots.read_layout` of a local or remote folder."""
    return data_roots.read_layout(TfxRoot(root), options)


def read_text(root: str, path: str) -> str:
    """Returns `radiographs.data_roots.text_of` of a file below a local or remote folder."""
    return data_roots.text_of(TfxRoot(root), path)


def list_files(root: str) -> list[str]:
    """Returns the paths of `list_root`."""
    return list_root(root).paths


def list_root(root: str) -> Listing:
    """Lists all files below a folder.

    Args:
        root: Local or remote folder; it may be a link itself.

    Returns:
        Each file under all of its names. A link that leads nowhere is one of them.

    Raises:
        DataError: If there is no such folder, it cannot be read, or a link leads out of it.
    """
    if not fileio.isdir(root):
        raise no_folder(root)
    try:
        return _list_remote(root) if "://" in root else list_local(root)
    except _UNREADABLE as error:
        raise unreadable_folder(root, error) from None


def _list_remote(root: str) -> Listing:
    paths = []
    for folder, _, names in fileio.walk(root):
        inside = posixpath.relpath(str(folder), root)
        paths += [posixpath.normpath(posixpath.join(inside, str(name))) for name in names]
    return Listing(sorted(paths))


def size_and_time(root: str, path: str) -> tuple[int, int]:
    """Returns a file's size in bytes and its time in nanoseconds; -1 where it cannot be read."""
    try:
        status = fileio.stat(posixpath.join(root, real_path(path)))
    except _UNREADABLE:
        return -1, -1
    return status.length, status.mtime_nsec


def read_bytes(root: str, path: str, most: int = -1) -> bytes:
    """Returns the content of a file below a root.

    Args:
        root: Local or remote folder.
        path: Of the file, hidden or not.
        most: Bytes from its start; all of them where negative.

    Raises:
        UnusableImage: If it cannot be read.
    """
    try:
        with fileio.open(posixpath.join(root, real_path(path)), "rb") as file:
            return content_of(file, most)
    except _UNREADABLE as error:
        raise unreadable_file(error, path) from None
