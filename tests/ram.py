"""A root that is no local file system: TensorFlow's `ram://`, made known to Apache Beam.

TFX reads any scheme that TensorFlow knows, and Beam finds the subclasses of its FileSystem by
their scheme. What is written lasts as long as the process; what opens a URI as a path does not
find it.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import tensorflow as tf
from apache_beam.io.filesystem import (
    BeamIOError,
    CompressedFile,
    CompressionTypes,
    FileMetadata,
    FileSystem,
)
from tensorflow.python.lib.io import file_io

_rename, _listdir, _rmtree = tf.io.gfile.rename, tf.io.gfile.listdir, tf.io.gfile.rmtree


@contextmanager
def object_store() -> Iterator[None]:
    """Lets `ram://` do what TensorFlow does in an object store.

    TensorFlow's own `ram://` forgets the files of a folder that is renamed, as TensorFlow Transform
    publishes its graph; and it takes the folder `assets.extra` for a file `.extra` in `assets`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.io.gfile, "rename", _rename_tree)
        patch.setattr(tf.io.gfile, "rmtree", _remove_tree)
        patch.setattr(tf.io.gfile, "listdir", _children)
        patch.setattr(file_io, "list_directory_v2", _children)  # what `walk` calls
        yield


def _children(path: str) -> list[str]:
    names = _listdir(path)
    if not path.startswith("ram://"):
        return names
    return [name for name in names if tf.io.gfile.exists(posixpath.join(path, name))]


def _rename_tree(source: str, destination: str, overwrite: bool = False) -> None:
    if not (source.startswith("ram://") and tf.io.gfile.isdir(source)):
        _rename(source, destination, overwrite)
        return
    for file in files_below(source):
        target = posixpath.join(destination, file)
        tf.io.gfile.makedirs(posixpath.dirname(target))
        _rename(posixpath.join(source, file), target, overwrite)
    _remove_tree(source)


def _remove_tree(path: str) -> None:
    if path.startswith("ram://"):
        below = [folder for folder, _, _ in tf.io.gfile.walk(path) if folder != path]
        for folder in sorted(below, reverse=True):  # each after those that begin with its name
            _rmtree(folder)
    _rmtree(path)


def files_below(uri: str) -> list[str]:
    """Returns all files below a folder, relative to it, in order."""
    return sorted(
        posixpath.relpath(posixpath.join(folder, name), uri)
        for folder, _, names in tf.io.gfile.walk(uri)
        for name in names
    )


def upload(folder: Path, uri: str) -> str:
    """Copies a folder of this machine to `ram://`; returns where it is."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        target = posixpath.join(uri, file.relative_to(folder).as_posix())
        tf.io.gfile.makedirs(posixpath.dirname(target))
        tf.io.gfile.copy(str(file), target, overwrite=True)
    return uri


class RamFileSystem(FileSystem):
    """Beam's view of `ram://`."""

    @classmethod
    def scheme(cls) -> str:
        return "ram"

    def join(self, basepath: str, *paths: str) -> str:
        return posixpath.join(basepath, *paths)

    def split(self, path: str) -> tuple[str, str]:
        return posixpath.split(path)

    def mkdirs(self, path: str) -> None:
        tf.io.gfile.makedirs(path)

    def has_dirs(self) -> bool:
        return True

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        root = dir_or_prefix.rstrip("/")
        for file in files_below(root):
            yield self.metadata(posixpath.join(root, file))

    def create(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> BinaryIO:
        tf.io.gfile.makedirs(posixpath.dirname(path))
        return _compressed(_Written(path), path, compression_type)

    def open(
        self, path: str, mime_type: str = "", compression_type: str = CompressionTypes.AUTO
    ) -> BinaryIO:
        with tf.io.gfile.GFile(path, "rb") as file:
            return _compressed(_Read(file.read()), path, compression_type)

    def copy(self, source_file_names: Sequence[str], destination_file_names: Sequence[str]) -> None:
        _each(tf.io.gfile.copy, source_file_names, destination_file_names)

    def rename(
        self, source_file_names: Sequence[str], destination_file_names: Sequence[str]
    ) -> None:
        _each(tf.io.gfile.rename, source_file_names, destination_file_names)

    def exists(self, path: str) -> bool:
        return bool(tf.io.gfile.exists(path))

    def size(self, path: str) -> int:
        return self.metadata(path).size_in_bytes

    def last_updated(self, path: str) -> float:
        return self.metadata(path).last_updated_in_seconds

    def checksum(self, path: str) -> str:
        return str(self.size(path))

    def metadata(self, path: str) -> FileMetadata:
        try:
            status = tf.io.gfile.stat(path)
        except tf.errors.OpError as error:
            raise BeamIOError("no such file", {path: error}) from None
        return FileMetadata(path, status.length, status.mtime_nsec / 1e9)

    def delete(self, paths: Sequence[str]) -> None:
        for path in paths:
            if tf.io.gfile.isdir(path):
                tf.io.gfile.rmtree(path)
            else:
                tf.io.gfile.remove(path)


class _Read(io.BytesIO):
    mode = "rb"


class _Written(io.BytesIO):
    """A file that is there once it is closed."""

    mode = "wb"

    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            with tf.io.gfile.GFile(self._path, "wb") as file:
                file.write(self.getvalue())
        super().close()


def _compressed(file: io.BytesIO, path: str, compression_type: str) -> Any:
    compression_type = FileSystem._get_compression_type(path, compression_type)
    if compression_type == CompressionTypes.UNCOMPRESSED:
        return file
    return CompressedFile(file, compression_type=compression_type)


def _each(action: Callable[..., None], sources: Sequence[str], destinations: Sequence[str]) -> None:
    for source, destination in zip(sources, destinations, strict=True):
        action(source, destination, overwrite=True)
