"""Films that a person has decided to leave out, by a list of them.

The label audit writes such a list of all films; whoever has looked at them keeps the rows of those
that are to go. A film is known by its path below the data root, which for DICOM is the pseudonym
that every list of this project shows, or by the digest of its file, which stays where the key of
pseudonyms is rotated.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from radiographs.csv_tables import csv_table, decode_text
from radiographs.errors import DataError, UnusableImage
from radiographs.file_names import composed
from radiographs.layouts import Layout
from radiographs.measures import FilmFiles
from radiographs.options import SITES

_LOG = logging.getLogger(__name__)

EXCLUDED = "excluded by the user"
SETTING = "data.exclude_films"
PATH, SHA256 = "path", "sha256"

# Of Linux, Windows, or an address.
_ABSOLUTE = re.compile(r"[/\\]|[a-zA-Z]:[/\\]|[a-zA-Z][a-zA-Z0-9+.-]*://")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class ExcludedFilms:
    """A list of films.

    Attributes:
        name: Of the file, for messages.
        rows: Path and digest of each, of which one may be empty.
    """

    name: str = ""
    rows: tuple[tuple[str, str], ...] = ()


NO_FILMS = ExcludedFilms()


def read_excluded(name: str, read: Callable[[str], bytes]) -> ExcludedFilms:
    """Reads the list that a setting names.

    Args:
        name: Path or URI; empty for none.
        read: Returns the content of a file, as `DataRoot.content` does of a root of no name.

    Returns:
        The films.

    Raises:
        DataError: If it cannot be read, or a row can name no film.
    """
    if not name:
        return NO_FILMS
    try:
        text = decode_text(read(name))
    except UnicodeDecodeError:
        raise DataError(f"{SETTING}: {name} is not UTF-8 text; save it as CSV") from None
    except UnusableImage as error:
        why = str(error).rpartition("; ")[0]  # what to do differs from that for a film
        raise DataError(
            f"{SETTING}: {name} {why}; check the setting, and the permissions of the file"
        ) from None
    table = csv_table(f"{SETTING}: {name}", text)
    header = [cell.strip().lower() for cell in next(table)[1]]
    columns = {one: header.index(one) for one in (PATH, SHA256) if one in header}
    if not columns:
        raise DataError(
            f"{SETTING}: {name} has no column {PATH} or {SHA256}; keep the header of the list that "
            "the label audit wrote"
        )
    return ExcludedFilms(name, tuple(_row(name, columns, *line) for line in table))


def set_aside(
    files: FilmFiles,
    layout: Layout,
    identical: Iterable[Sequence[str]],
    excluded: ExcludedFilms,
) -> Layout:
    """Ignores the films of a list, and copies of them under the same label.

    Args:
        files: Of the films.
        layout: What was found.
        identical: Groups of paths whose files have the same bytes.
        excluded: The list.

    Returns:
        The layout without these films, each of them listed with the reason.

    Raises:
        DataError: If no film of a class is left.
    """
    if not excluded.name:
        return layout
    found, unknown = _find(files, layout, excluded)
    labels = {film.path: film.label for film in layout.films}
    for group in identical:
        of_list = {labels[path] for path in group if path in found}
        found |= {path for path in group if labels.get(path) in of_list}
    left = replace(
        layout.without(dict.fromkeys(found, EXCLUDED)),
        notes=[*layout.notes, *_notes(excluded.name, len(found), unknown)],
    )
    _check_classes(layout, left, excluded)
    return left


def _check_classes(layout: Layout, left: Layout, excluded: ExcludedFilms) -> None:
    """Refuses a list that leaves nothing of a class, or of one at one of several sites."""
    by_site = layout.kind == SITES
    there = {(film.site if by_site else "", film.label) for film in layout.films}
    for site, label in sorted(
        there - {(film.site if by_site else "", film.label) for film in left.films}
    ):
        whose = f" of the site '{site}'" if by_site else ""
        raise DataError(
            f"no film of {label}{whose} is left, as {excluded.name} excludes all of them; both "
            "classes are needed, so keep the rows of confirmed films alone in the list of "
            f"{SETTING}"
        )


def still_films(identical: Iterable[Sequence[str]], layout: Layout) -> list[list[str]]:
    """Returns groups of identical files without those that a layout no longer has as films."""
    films = {film.path for film in layout.films}
    groups = [[path for path in group if path in films] for group in identical]
    return [group for group in groups if len(group) > 1]


def _row(name: str, columns: Mapping[str, int], line: int, cells: Sequence[str]) -> tuple[str, str]:
    path, digest = (cells[columns[one]].strip() if one in columns else "" for one in (PATH, SHA256))
    if digest and not _DIGEST.fullmatch(digest):
        raise DataError(
            f"{SETTING}: {name} line {line}: '{digest}' is no SHA-256 digest of 64 hexadecimal "
            "digits; take it from the list that the label audit wrote"
        )
    if _ABSOLUTE.match(path) and not digest:
        raise DataError(
            f"{SETTING}: {name} line {line}: '{path}' is no path below the data root; write it as "
            "the list of the label audit does, such as NORMAL/film.png"
        )
    return composed(_below_root(path)), digest.lower()


def _below_root(path: str) -> str:
    """Returns a path as films have it, whatever a shell or Windows has made of it."""
    return posixpath.normpath(path.replace("\\", "/")) if path else ""


def _find(files: FilmFiles, layout: Layout, excluded: ExcludedFilms) -> tuple[set[str], int]:
    """Returns the paths of listed films, and how many rows name none."""
    by_name = {composed(_below_root(film.path)): film.path for film in layout.films}
    paths = [by_name.get(name, "") for name, _ in excluded.rows]
    digests = [digest for _, digest in excluded.rows]
    of_path = files.digests(path for path, one in zip(paths, digests, strict=True) if path and one)
    found: set[str] = set()
    known_alone: list[str] = []  # digests of what is known by them alone
    unknown = 0
    for path, digest in zip(paths, digests, strict=True):
        if path and (not digest or digest == of_path[path]):
            found.add(path)
        elif digest:
            known_alone.append(digest)
        else:
            unknown += 1
    if known_alone:
        of_path = files.digests(film.path for film in layout.films)
        found |= {path for path, one in of_path.items() if one in set(known_alone)}
    present = set(of_path.values())
    return found, unknown + sum(one not in present for one in known_alone)


def _notes(name: str, found: int, unknown: int) -> list[str]:
    films = "film is" if found == 1 else "films are"
    notes = [f"{found:,} {films} left out, as {SETTING} says."]
    if unknown:
        rows = "row names" if unknown == 1 else "rows name"
        notes.append(f"{unknown:,} {rows} no film of the data root ({name}).")
    return notes
