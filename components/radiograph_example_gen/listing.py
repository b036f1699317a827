"""Lists and reads the files of a data root through TFX's file systems.

Links are a matter of local roots: each has to lead to something inside the root, and the walk
ends where one leads back to a folder that it is in.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import tensorflow as tf
from tfx.dsl.io import fileio, filesystem

from radiographs.csv_tables import decode_text
from radiographs.dicom_films import Hiding
from radiographs.dicom_headers import (
    HEADER_BYTES,
    DicomHeader,
    Headers,
    may_be_dicom,
    read_dicom_header,
)  # fmt: skip
from radiographs.errors import DataError, UnusableImage
from radiographs.layouts import Layout, read_films
from radiographs.not_films import is_hidden, is_table
from radiographs.options import IngestOptions
from radiographs.pseudonyms import pseudonyms_of, real_path

# TFX reads through TensorFlow where it is installed, whose errors are no OSError.
_UNREADABLE = (OSError, tf.errors.OpError, filesystem.NotFoundError)

LOOP = "a link that leads back to a folder above it, or where another link has led"
NO_FILE = "a pipe, socket or device, not a file"


@dataclass(frozen=True)
class Listing:
    """What lies below a data root.

    Attributes:
        paths: All files, relative to the root, with forward slashes, in order.
        links: The path of the file itself, for every path that leads to it by way of a link.
        aside: What is neither file nor folder: path and reason.
    """

    paths: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    aside: list[tuple[str, str]] = field(default_factory=list)


def read_layout(root: str, options: IngestOptions) -> Layout:
    """Finds the films of a data root.

    Args:
        root: Local or remote folder.
        options: Which layout, and how to tell patient and subtype from a file name.

    Returns:
        The films and the files that are none. Where there is DICOM, or a key is set, patients are
        pseudonyms, and so are the paths of DICOM files, which `read_bytes` takes all the same.

    Raises:
        DataError: If there is no such folder, a link leads out of it, its films cannot be told, or
            the key of pseudonyms cannot be used.
    """
    listing = list_root(root)
    headers = read_headers(root, listing.paths, options)
    if not headers and not options.pseudonym_key_file:
        return _layout(root, listing, options, {})
    pseudonyms, notes = pseudonyms_of(options.pseudonym_key_file, remote="://" in root)
    try:
        layout = _layout(root, listing, options, headers)
    except DataError as error:
        told = Hiding([], list(headers), pseudonyms).sentence(str(error))
        raise DataError(told, error.files) from None
    # In a tree of patients every name may be somebody's, but that of the table of labels.
    names = [path for path, _ in layout.ignored if "/" in path or not is_table(path)]
    hiding = Hiding(
        layout.films, [*headers, *(names if layout.kind == "dicom" else ())], pseudonyms
    )
    return replace(
        layout,
        films=sorted(map(hiding.film, layout.films), key=lambda film: film.path),
        ignored=sorted(
            (hiding.path(path), hiding.sentence(reason)) for path, reason in layout.ignored
        ),
        notes=[*notes, *map(hiding.sentence, layout.notes)],
    )


def _layout(root: str, listing: Listing, options: IngestOptions, headers: Headers) -> Layout:
    layout = read_films(
        listing.paths, lambda path: read_text(root, path), options, listing.links, headers
    )
    return replace(layout, ignored=sorted([*layout.ignored, *listing.aside]))


def read_headers(root: str, paths: Sequence[str], options: IngestOptions) -> dict[str, DicomHeader]:
    """Reads the headers of the files that are DICOM by their content.

    Args:
        root: Local or remote folder.
        paths: Of all files below it; those named as pictures or tables are not looked into.
        options: Which films are read.

    Returns:
        Headers by path.
    """

    def read(path: str) -> DicomHeader | None:
        with suppress(UnusableImage):  # the ingest says why
            start = read_bytes(root, path, HEADER_BYTES)
            header = read_dicom_header(start, options)
            if header is None or header.complete or len(start) < HEADER_BYTES:
                return header
            return read_dicom_header(read_bytes(root, path), options)
        return None

    candidates = [path for path in paths if may_be_dicom(path)]
    with ThreadPoolExecutor() as threads:
        found = dict(zip(candidates, threads.map(read, candidates), strict=True))
    return {path: header for path, header in found.items() if header is not None}


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
        raise DataError(f"the data root {root} is not a folder; check --data-root")
    try:
        return _list_remote(root) if "://" in root else _list_local(root)
    except _UNREADABLE as error:
        raise DataError(f"a folder below {root} cannot be read: {error}") from None


def _list_remote(root: str) -> Listing:
    paths = []
    for folder, _, names in fileio.walk(root):
        inside = posixpath.relpath(str(folder), root)
        paths += [posixpath.normpath(posixpath.join(inside, str(name))) for name in names]
    return Listing(sorted(paths))


def _list_local(root: str) -> Listing:
    listing = Listing()
    real_root = os.path.realpath(root)
    for path, real in _walk("", (real_root,), listing.aside, set()):
        listing.paths.append(path)
        inside = os.path.relpath(real, real_root)
        if inside != path:
            listing.links[path] = inside
    listing.paths.sort()
    return listing


def _walk(
    folder: str,
    above: tuple[str, ...],
    aside: list[tuple[str, str]],
    linked: set[str],
    below_link: bool = False,
) -> Iterator[tuple[str, str]]:
    """Yields the path of every file below a folder, and where the file itself is.

    Args:
        folder: Relative to the root.
        above: The real folders from the root to this one.
        aside: Gets what is not followed.
        linked: Real folders that a link has led to. Below a link each is entered once, or folders
            that are linked with each other would be walked in every order.
        below_link: Whether this folder was reached by a link.
    """
    with os.scandir(above[-1]) as entries:
        in_order = sorted(entries, key=lambda entry: entry.name)
    for entry in in_order:
        path = posixpath.join(folder, entry.name)
        is_link = entry.is_symlink()
        real = os.path.realpath(entry.path) if is_link else entry.path
        if is_link and (is_hidden(path) or not os.path.exists(real)):
            yield path, entry.path
        elif os.path.commonpath((above[0], real)) != above[0]:
            raise DataError(
                f"the link '{path}' leads out of the data root, to {real}; put a copy in its place "
                "or take it away"
            )
        elif os.path.isfile(real):
            yield path, real
        elif not os.path.isdir(real):
            aside.append((path, NO_FILE))
        elif real in above or (is_link and below_link and real in linked):
            aside.append((path, LOOP))
        else:
            linked.update([real] if is_link else [])
            yield from _walk(path, (*above, real), aside, linked, below_link or is_link)


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
            return file.read(most)
    except _UNREADABLE as error:
        reason = getattr(error, "message", "") or getattr(error, "strerror", "") or "no such file"
        reason = reason.replace(real_path(path), path)
        raise UnusableImage(f"cannot be read ({reason}); check its permissions") from None


def read_text(root: str, path: str) -> str:
    """Returns the text of a file below a root, of UTF-8 or UTF-16, without a byte order mark.

    Raises:
        DataError: If it cannot be read or is neither.
    """
    try:
        return decode_text(read_bytes(root, path))
    except UnusableImage as error:
        raise DataError(f"{path} {error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from None
