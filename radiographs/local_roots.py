"""Folders of this machine: their files, and links, each of which has to lead to something inside.

The walk ends where a link leads back to a folder that it is in.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from radiographs.data_roots import (
    Listing,
    content_of,
    no_folder,
    unreadable_file,
    unreadable_folder,
)
from radiographs.errors import DataError
from radiographs.not_films import is_hidden
from radiographs.overrides import ConfigError
from radiographs.pseudonyms import real_path

LOOP = "a link that leads back to a folder above it, or where another link has led"
NO_FILE = "a pipe, socket or device, not a file"
NOWHERE = "a link that leads nowhere"


def check_folder(folder: Path) -> None:
    """Refuses what cannot be a folder of films, before anything is read.

    Args:
        folder: Named by a user.

    Raises:
        ConfigError: Saying what is wrong with it.
    """
    if not folder.is_dir():
        raise ConfigError(f"the data root {folder} is not a folder; check --data-root")
    try:
        empty = not any(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"the data root {folder} cannot be read: {error.strerror}") from None
    if empty:
        raise ConfigError(f"the data root {folder} is empty; it needs NORMAL/ and PNEUMONIA/")


class LocalRoot:
    """A `DataRoot` on this machine."""

    def __init__(self, root: str):
        """Remembers the folder.

        Args:
            root: It may be a link itself.
        """
        self._root = root

    def listing(self) -> Listing:
        """Lists all files, as `DataRoot` says."""
        if not os.path.isdir(self._root):
            raise no_folder(self._root)
        try:
            return list_local(self._root)
        except OSError as error:
            raise unreadable_folder(self._root, error) from None

    @property
    def is_remote(self) -> bool:
        """It is not."""
        return False

    def content(self, path: str, most: int = -1) -> bytes:
        """Returns the content of a file, as `DataRoot` says."""
        try:
            with open(os.path.join(self._root, real_path(path)), "rb") as file:
                return content_of(file, most)
        except OSError as error:
            raise unreadable_file(error, path) from None

    def size_bytes(self, path: str) -> int:
        """Returns the size of a file, as `DataRoot` says."""
        try:
            return os.stat(os.path.join(self._root, real_path(path))).st_size
        except OSError:
            return -1


def list_local(root: str) -> Listing:
    """Lists all files below a folder.

    Args:
        root: It may be a link itself.

    Returns:
        Each file under all of its names. A link that leads nowhere is one of them, or a folder that
        holds nothing, by its name.

    Raises:
        DataError: If a link leads out of it.
        OSError: If a folder cannot be read.
    """
    listing = Listing()
    real_root = os.path.realpath(root)
    for path, real in _walk("", (real_root,), listing, set()):
        listing.paths.append(path)
        inside = os.path.relpath(real, real_root)
        if inside != path:
            listing.links[path] = inside
    listing.paths.sort()
    return listing


def _walk(
    folder: str,
    above: tuple[str, ...],
    listing: Listing,
    linked: set[str],
    below_link: bool = False,
) -> Iterator[tuple[str, str]]:
    """Yields the path of every file below a folder, and where the file itself is.

    Args:
        folder: Relative to the root.
        above: The real folders from the root to this one.
        listing: Gets what is not followed, and folders that hold nothing.
        linked: Real folders that a link has led to. Below a link each is entered once, or folders
            that are linked with each other would be walked in every order.
        below_link: Whether this folder was reached by a link.
    """
    with os.scandir(above[-1]) as entries:
        in_order = sorted(entries, key=lambda entry: entry.name)
    if not in_order:
        listing.empty.append(folder)
    for entry in in_order:
        path = posixpath.join(folder, entry.name)
        is_link = entry.is_symlink()
        real = os.path.realpath(entry.path) if is_link else entry.path
        if is_link and (is_hidden(path) or not os.path.exists(real)):
            if is_hidden(path) or posixpath.splitext(path)[1]:
                yield path, entry.path
            else:  # by its name a folder, such as a site whose disk is not there
                listing.aside.append((path, NOWHERE))
                listing.empty.append(path)
        elif os.path.commonpath((above[0], real)) != above[0]:
            raise DataError(
                f"the link '{path}' leads out of the data root, to {real}; put a copy in its place "
                "or take it away"
            )
        elif os.path.isfile(real):
            yield path, real
        elif not os.path.isdir(real):
            listing.aside.append((path, NO_FILE))
        elif real in above or (is_link and below_link and real in linked):
            listing.aside.append((path, LOOP))
        else:
            linked.update([real] if is_link else [])
            yield from _walk(path, (*above, real), listing, linked, below_link or is_link)
