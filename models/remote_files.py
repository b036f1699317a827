"""Files at a URI, for libraries that know paths only, and so that none is ever half a file.

A URI may lead to an object store. Keras and HDF5 take it for a path of this machine, so they
are given a temporary file, which is copied from or to the URI.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

UNFINISHED = ".part"  # ends the name of a file that is still being written


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
    with tf.io.gfile.GFile(uri + UNFINISHED, "w") as file:
        file.write(text)
    tf.io.gfile.rename(uri + UNFINISHED, uri, overwrite=True)
