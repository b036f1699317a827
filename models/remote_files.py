"""Files at a URI, for libraries that know paths only, and so that none is ever half a file.

A URI may lead to an object store. Keras and HDF5 take it for a path of this machine, so they
are given a temporary file, which is copied from or to the URI.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

UNFINISHED = ".part"  # ends the name of a file that is still being written

_SEAL_BYTES = hashlib.sha256().digest_size  # at the end of a sealed file


class DamagedFile(ValueError):
    """A sealed file does not end in the checksum of its content."""


@contextmanager
def local_copy(uri: str) -> Iterator[str]:
    """Copies a file to this machine for as long as the context lasts.

    Args:
        uri: Whatever `tf.io.gfile` opens.

    Yields:
        Path of the copy, which has the same name.

    Raises:
        tf.errors.OpError: If it cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, os.path.basename(uri))
        tf.io.gfile.copy(uri, path)
        yield path


@contextmanager
def written_beside(uri: str) -> Iterator[str]:
    """Puts a file at a URI, whole or not at all.

    Args:
        uri: Whatever `tf.io.gfile` opens, in a folder that exists. A file that is there already
            stays until the new one is complete.

    Yields:
        Path on this machine to write to, with the same name; where the context is left by an
        exception, nothing is put at the URI.

    Raises:
        tf.errors.OpError: If the URI cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, os.path.basename(uri))
        yield path
        tf.io.gfile.copy(path, uri + UNFINISHED, overwrite=True)
        tf.io.gfile.rename(uri + UNFINISHED, uri, overwrite=True)


def write_text(uri: str, text: str) -> None:
    """Writes a text, whole or not at all.

    Args:
        uri: As of `written_beside`.
        text: The new content, kept as UTF-8.
    """
    write_bytes(uri, text.encode("utf-8"))


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a file, whole or not at all.

    Args:
        uri: As of `written_beside`.
        content: Of the new file.
    """
    with tf.io.gfile.GFile(uri + UNFINISHED, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(uri + UNFINISHED, uri, overwrite=True)


@contextmanager
def sealed_beside(uri: str) -> Iterator[str]:
    """Puts a file at a URI as `written_beside` does, with a checksum at its end."""
    with written_beside(uri) as path:
        yield path
        seal = _digest(path, os.path.getsize(path))
        with open(path, "ab") as file:
            file.write(seal)


@contextmanager
def unsealed_copy(uri: str) -> Iterator[str]:
    """Copies a file of `sealed_beside` to this machine, without its checksum.

    Args:
        uri: Whatever `tf.io.gfile` opens.

    Yields:
        Path of the copy, which has the same name.

    Raises:
        DamagedFile: If it is not what was written, to the last byte.
        tf.errors.OpError: If it cannot be read.
    """
    with local_copy(uri) as path:
        size_bytes = max(0, os.path.getsize(path) - _SEAL_BYTES)
        with open(path, "rb+") as file:
            file.seek(size_bytes)
            if file.read() != _digest(path, size_bytes):
                raise DamagedFile(f"{uri} does not end in the checksum of its content")
            file.truncate(size_bytes)
        yield path


def _digest(path: str, size_bytes: int) -> bytes:
    """Returns the SHA-256 digest of so many first bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size_bytes and (block := file.read(min(size_bytes, 1 << 20))):
            digest.update(block)
            size_bytes -= len(block)
    return digest.digest()
