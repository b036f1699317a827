"""A folder of films, on whatever file system: what lies in it, and the bytes of a file.

Ingest reads through TFX's file systems, `radiographs.inspect` on this machine; both plan from here.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol

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
from radiographs.layouts import OF_SEVERAL, Layout
from radiographs.not_films import is_table
from radiographs.options import IngestOptions
from radiographs.pseudonyms import Pseudonyms, pseudonyms_of, real_path
from radiographs.sentences import quoted_paths
from radiographs.sites import Files, read_all_films, tell_sites_apart
from radiographs.spans import Window, refuse_beside_versions, window_of

# Of a file below a root: a film of 100 megapixels of 16 bits has 200 million.
MOST_FILE_BYTES = 256 << 20
_MOST_BYTES = 500_000_000  # of a table that is unpacked; the largest public one has a fifth


@dataclass(frozen=True)
class Listing:
    """What lies below a data root.

    Attributes:
        paths: All files, relative to the root, with forward slashes, in order.
        links: The path of the file itself, for every path that leads to it by way of a link.
        aside: What is neither file nor folder: path and reason.
        empty: Folders that hold nothing; an object store has none.
    """

    paths: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    aside: list[tuple[str, str]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    @property
    def all_places(self) -> list[str]:
        """All files, and with a slash at the end the folders that hold nothing."""
        return [*self.paths, *(f"{folder}/" for folder in self.empty if folder)]


class DataRoot(Protocol):
    """A folder of films."""

    def listing(self) -> Listing:
        """Lists all files below it, each under all of its names.

        Raises:
            DataError: If there is no such folder, it cannot be read, or a link leads out of it.
        """
        ...

    @property
    def is_remote(self) -> bool:
        """Whether it is on another machine."""
        ...

    def content(self, path: str, most: int = -1) -> bytes:
        """Returns the content of a file below it.

        Args:
            path: Of the file, hidden or not.
            most: Bytes from its start; all of them where negative.

        Raises:
            UnusableImage: If it cannot be read.
        """
        ...

    def size_bytes(self, path: str) -> int:
        """Returns the size of a file below it, -1 where it cannot be told."""
        ...


def read_layout(root: DataRoot, options: IngestOptions) -> Layout:
    """Finds the films of a data root.

    Args:
        root: Of the films.
        options: Which layout, and how to tell patient and subtype from a file name.

    Returns:
        The films and the files that are none. Where there is DICOM, or a key is set, patients are
        pseudonyms, and so are the paths of DICOM files, which a `DataRoot` takes all the same.
        Where there are several sites, the id of a patient begins with the site.

    Raises:
        DataError: If there is no such folder, a link leads out of it, its films cannot be told, or
            the key of pseudonyms cannot be used.
    """
    return tell_sites_apart(_pseudonymised(root, options))


def _pseudonymised(root: DataRoot, options: IngestOptions) -> Layout:
    listing = root.listing()
    window = window_of(listing.all_places, options.spans)
    refuse_beside_versions(listing.paths, window)
    listing = replace(
        listing,
        paths=list(filter(window.holds, listing.paths)),
        aside=[(path, reason) for path, reason in listing.aside if window.holds(path)],
    )
    headers = read_headers(root, listing.paths, options)
    if not headers and not options.pseudonym_key_file:
        return _layout(root, listing, options, {}, window)
    pseudonyms, notes = pseudonyms_of(options.pseudonym_key_file, remote=root.is_remote)
    try:
        layout = _layout(root, listing, options, headers, window)
    except DataError as error:
        raise DataError(_told(str(error), listing, headers, pseudonyms), error.files) from None
    names = _ignored_beside(layout, listing, headers)
    hiding = Hiding(layout.films, [*headers, *names], pseudonyms)
    return replace(
        layout,
        films=sorted(map(hiding.film, layout.films), key=lambda film: film.path),
        ignored=sorted(
            (hiding.path(path), hiding.sentence(reason)) for path, reason in layout.ignored
        ),
        notes=[*notes, *map(hiding.sentence, layout.notes)],
        has_pseudonyms=True,
    )


def _told(sentence: str, listing: Listing, headers: Headers, pseudonyms: Pseudonyms) -> str:
    """Returns what is said of films that cannot be told, without names that may be somebody's."""
    written = [*listing.paths, *quoted_paths(sentence)] if headers else []
    paths = [path for path in written if "/" in path or not is_table(path)]
    return Hiding([], paths, pseudonyms).sentence(sentence)


def _ignored_beside(layout: Layout, listing: Listing, headers: Headers) -> list[str]:
    """Returns the ignored files whose names may be somebody's.

    Where there is DICOM at a site every one may, but that of a table at its top, which may be the
    one that names its films; and so may what lies beside the folders of several sites.
    """

    def top_of(path: str) -> str:
        return path.removesuffix(layout.place_of(path)[1])

    of_dicom = set(map(top_of, headers))
    listed = {*listing.paths, *(path for path, _ in listing.aside)}  # no lines of a table

    def may_identify(path: str) -> bool:
        kind, name = layout.place_of(path)
        among_patients = top_of(path) in of_dicom or (bool(headers) and kind in OF_SEVERAL)
        return among_patients and ("/" in name or not is_table(name))

    return [path for path, _ in layout.ignored if path in listed and may_identify(path)]


def read_headers(
    root: DataRoot, paths: Sequence[str], options: IngestOptions
) -> dict[str, DicomHeader]:
    """Reads the headers of the files that are DICOM by their content.

    Args:
        root: Of the files.
        paths: Of all files below it; those named as pictures or tables are not looked into.
        options: Which films are read.

    Returns:
        Headers by path.
    """

    def read(path: str) -> DicomHeader | None:
        with suppress(UnusableImage):  # the ingest says why
            start = root.content(path, HEADER_BYTES)
            header = read_dicom_header(start, options)
            if header is None or header.complete or len(start) < HEADER_BYTES:
                return header
            return read_dicom_header(root.content(path), options)
        return None

    candidates = [path for path in paths if may_be_dicom(path)]
    with ThreadPoolExecutor() as threads:
        found = dict(zip(candidates, threads.map(read, candidates), strict=True))
    return {path: header for path, header in found.items() if header is not None}


def _layout(
    root: DataRoot, listing: Listing, options: IngestOptions, headers: Headers, window: Window
) -> Layout:
    files = Files(
        listing.paths, lambda path: text_of(root, path), listing.links, headers, listing.empty
    )
    layout = read_all_films(files, options, window)
    return replace(layout, ignored=sorted([*layout.ignored, *listing.aside]))


def text_of(root: DataRoot, path: str) -> str:
    """Returns the text of a file below a root, of UTF-8 or UTF-16, without a byte order mark.

    A table that is packed by gzip, as public sets give them out, is unpacked.

    Raises:
        DataError: If it cannot be read or is neither.
    """
    try:
        data = root.content(path)
        return decode_text(_unpacked(path, data) if path.lower().endswith(".gz") else data)
    except UnusableImage as error:
        raise DataError(f"{path} {error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from None


def _unpacked(path: str, data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as table:
            text = table.read(_MOST_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); copy it again from its source") from None
    if len(text) > _MOST_BYTES:
        raise DataError(f"{path} unpacks to more than {_MOST_BYTES:,} bytes; it is no table")
    return text


def no_folder(root: str) -> DataError:
    """Returns what is said of a root that is no folder."""
    return DataError(f"the data root {root} is not a folder; check --data-root")


def unreadable_folder(root: str, error: Exception) -> DataError:
    """Returns what is said of a folder below a root that cannot be listed."""
    return DataError(f"a folder below {root} cannot be read: {error}")


def content_of(file: BinaryIO, most: int) -> bytes:
    """Reads an open file below a root, into memory as it is.

    Args:
        file: At its start.
        most: Bytes from its start; all of them where negative.

    Raises:
        UnusableImage: If it is larger than any film or table.
    """
    if most >= 0:
        return file.read(most)
    data = file.read(MOST_FILE_BYTES + 1)
    if len(data) > MOST_FILE_BYTES:
        raise UnusableImage(f"has more than {MOST_FILE_BYTES:,} bytes; it is no film and no table")
    return data


def unreadable_file(error: Exception, path: str) -> UnusableImage:
    """Returns what is said of a file that cannot be read, whose path may be hidden."""
    reason = getattr(error, "message", "") or getattr(error, "strerror", "") or "no such file"
    reason = reason.replace(real_path(path), path)
    return UnusableImage(f"cannot be read ({reason}); check its permissions")
