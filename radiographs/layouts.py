"""Which files below a data root are films, and what is known of each.

Two layouts are read: class folders, and a manifest CSV. Both work on a listing of
relative paths, so any file system serves. No file is lost silently: one that is no film
is listed as ignored, with the reason.
"""

from __future__ import annotations

import csv
import io
import math
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from models.features import (
    AGE_UNKNOWN,
    EVAL,
    LABELS,
    NORMAL,
    SUBTYPE_NONE,
    TEST,
    TRAIN,
    UNKNOWN,
)
from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.options import IngestOptions

MAX_AGE_YEARS = 120

_LABELS = {label.lower(): label for label in LABELS}
_SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), EVAL),
    **dict.fromkeys(("test", "testing"), TEST),
}
_VIEWS = {"pa": "PA", "ap": "AP", "": UNKNOWN, UNKNOWN: UNKNOWN}
_SEXES = {
    **dict.fromkeys(("m", "male"), "M"),
    **dict.fromkeys(("f", "female"), "F"),
    **dict.fromkeys(("o", "other"), "O"),
    **dict.fromkeys(("", UNKNOWN), UNKNOWN),
}

# What operating systems leave behind; names that begin with a dot are hidden as well.
_SYSTEM_NAMES = ("thumbs.db", "desktop.ini", "__macosx")
_HIDDEN = "hidden or system file"

_FILES_NAMED = 3  # of a long list, in an error message


@dataclass(frozen=True)
class Layout:
    """What lies below a data root.

    Attributes:
        kind: How the films were found.
        films: In the order of their paths.
        ignored: Files that are not films: path and reason.
    """

    kind: Literal["folders", "manifest"]
    films: list[Film]
    ignored: list[tuple[str, str]]


def read_films(
    paths: Sequence[str], read_text: Callable[[str], str], options: IngestOptions
) -> Layout:
    """Finds the films of a data root.

    Args:
        paths: All files below the root, relative to it, with forward slashes.
        read_text: Returns the content of one of them; called for the manifest only.
        options: Which layout, and how to tell patient and subtype from a file name.

    Returns:
        The films and the files that are none.

    Raises:
        DataError: If the films cannot be told, or a class has none.
    """
    if not paths:
        raise DataError("the data root holds no files; put films there or change --data-root")
    _check_names(paths)
    rules = _FileNameRules(options)
    manifest = _find_manifest(paths, options)
    if manifest is None:
        return _read_folders(paths, rules)
    return _read_manifest(manifest, paths, read_text(manifest), rules)


def _check_names(paths: Sequence[str]) -> None:
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise DataError(f"the file name {path!a} is not valid UTF-8; rename the file") from None


class _FileNameRules:
    """Tells patient and subtype from a file name, composed alike on every system."""

    def __init__(self, options: IngestOptions):
        self._patient = re.compile(options.patient_pattern)
        self._subtype = re.compile(options.subtype_pattern)

    def patient_of(self, path: str) -> str:
        name = _composed(posixpath.basename(path))
        return _first_group(self._patient, name) or posixpath.splitext(name)[0]

    def subtype_of(self, path: str, label: str) -> str:
        if label == NORMAL:
            return SUBTYPE_NONE
        return _first_group(self._subtype, _composed(posixpath.basename(path))) or UNKNOWN


def _first_group(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    return (match[1] or "") if match else ""


def _composed(name: str) -> str:
    """Returns the name in Unicode form NFC; disks and spreadsheets differ in theirs."""
    return unicodedata.normalize("NFC", name)


def _find_manifest(paths: Sequence[str], options: IngestOptions) -> str | None:
    if options.layout == "folders":
        return None
    manifest = _Listing(paths).find(options.manifest)
    if manifest is None and options.layout == "manifest":
        raise DataError(
            f"the data root has no {options.manifest}; add it, or set data.manifest or "
            "data.layout=folders"
        )
    return manifest


class _Listing:
    """The files below the root, found by however their path was written."""

    def __init__(self, paths: Sequence[str]):
        self._by_name = {_composed(path): path for path in paths} | {path: path for path in paths}

    def find(self, written: str) -> str | None:
        plain = _plain(written)
        spellings = (written, plain, _composed(plain))
        return next((self._by_name[name] for name in spellings if name in self._by_name), None)


def _plain(written: str) -> str:
    return posixpath.normpath(written.replace("\\", "/"))


def _is_hidden(path: str) -> bool:
    parts = path.lower().split("/")
    return any(part.startswith(".") or part in _SYSTEM_NAMES for part in parts)


# Class folders.


def _read_folders(paths: Sequence[str], rules: _FileNameRules) -> Layout:
    films, ignored = [], []
    for path in sorted(paths):
        place = _folder_of(path)
        if _is_hidden(path):
            ignored.append((path, _HIDDEN))
        elif place is None:
            ignored.append((path, "not in a class folder"))
        else:
            label, split = place
            films.append(
                Film(
                    path=path,
                    label=label,
                    subtype=rules.subtype_of(path, label),
                    patient_id=rules.patient_of(path),
                    given_split=split,
                )
            )
    _check_class_folders(films, paths)
    return Layout("folders", films, ignored)


def _folder_of(path: str) -> tuple[str, str] | None:
    """Returns label and given split, or None outside the class folders."""
    folders = path.lower().split("/")[:-1]
    split = _SPLITS.get(folders[0], "") if folders else ""
    below = folders[1:] if split else folders
    return (_LABELS[below[0]], split) if below and below[0] in _LABELS else None


def _check_class_folders(films: Sequence[Film], paths: Sequence[str]) -> None:
    if not films:
        raise DataError(
            "the data root has no class folders NORMAL and PNEUMONIA, directly or below train, "
            f"val and test, and no manifest is read; {_where_to_look(paths)}"
        )
    for label in LABELS:
        if not any(film.label == label for film in films):
            raise DataError(
                f"the class folder {label} is missing or has no images; both classes are needed, "
                "so add films of it"
            )


def _where_to_look(paths: Sequence[str]) -> str:
    for path in sorted(paths):
        folders = path.split("/")[:-1]
        for depth in range(1, len(folders)):
            if not _is_hidden(path) and _folder_of("/".join(path.split("/")[depth:])):
                return f"they are in '{'/'.join(folders[:depth])}', so make that --data-root"
    return "add them or change --data-root"


# Manifest.


def _read_manifest(manifest: str, paths: Sequence[str], text: str, rules: _FileNameRules) -> Layout:
    listing = _Listing(paths)
    films: dict[str, Film] = {}
    missing: list[str] = []
    for line, row in _rows(manifest, text):
        where = f"{manifest} line {line}"
        written = row["path"]
        _check_path(written, where)
        path = listing.find(written)
        if path is None:
            missing.append(f"'{written}' (line {line})")
        elif path in films:
            raise DataError(f"{where}: '{written}' was named before; remove one of the rows")
        else:
            films[path] = _film(path, row, rules, where)
    _check_manifest(manifest, list(films.values()), missing)
    ignored = [
        (path, _HIDDEN if _is_hidden(path) else f"not named in {manifest}")
        for path in sorted(paths)
        if path not in films and path != manifest
    ]
    return Layout("manifest", [films[path] for path in sorted(films)], ignored)


def _rows(manifest: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and stripped values by column; empty rows are left out."""
    text = text.removeprefix("\ufeff")
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        _check_columns(manifest, columns)
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) > len(columns):
                raise DataError(
                    f"{manifest} line {reader.line_num}: {len(values)} values for "
                    f"{len(columns)} columns; put values that contain '{delimiter}' in quotes"
                )
            padded = [*values, *[""] * (len(columns) - len(values))]
            row = {name: value.strip() for name, value in zip(columns, padded, strict=True)}
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{manifest} line {reader.line_num}: it is not CSV ({error}); save it again as CSV"
        ) from None


def _check_columns(manifest: str, columns: Sequence[str]) -> None:
    for required in ("path", "label"):
        if required not in columns:
            raise DataError(
                f"{manifest} line 1: there is no column '{required}'; add it to the header, "
                f"which is: {', '.join(columns) or 'empty'}"
            )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise DataError(f"{manifest} line 1: the column '{twice[0]}' is there twice; remove one")


def _check_path(written: str, where: str) -> None:
    if not written:
        raise DataError(f"{where}: the path is empty; fill it in or remove the row")
    plain = _plain(written)
    absolute = plain.startswith("/") or re.match(r"[A-Za-z]:|\w+://", written)
    if absolute or plain == ".." or plain.startswith("../"):
        raise DataError(
            f"{where}: the path '{written}' leads out of the data root; write it relative to the "
            "data root"
        )


def _check_manifest(manifest: str, films: Sequence[Film], missing: Sequence[str]) -> None:
    if missing:
        rest = len(missing) - _FILES_NAMED
        more = f" and {rest:,} more" if rest > 0 else ""
        files = "a file that is" if len(missing) == 1 else f"{len(missing):,} files that are"
        raise DataError(
            f"{manifest} names {files} not below the data root: "
            f"{', '.join(missing[:_FILES_NAMED])}{more}; add them or correct the column path"
        )
    for label in LABELS:
        if not any(film.label == label for film in films):
            raise DataError(
                f"{manifest} has no films of {label}; both classes are needed, so add some"
            )


def _film(path: str, row: Mapping[str, str], rules: _FileNameRules, where: str) -> Film:
    label = _word(row, "label", _LABELS, where, f"write {' or '.join(LABELS)}")
    subtype = rules.subtype_of(path, label)
    if label != NORMAL:
        subtype = row.get("subtype") or subtype
    return Film(
        path=path,
        label=label,
        subtype=subtype,
        patient_id=_composed(row.get("patient_id", "")) or rules.patient_of(path),
        site=row.get("site") or UNKNOWN,
        view=_word(
            row, "view", _VIEWS, where,
            "only frontal films are read: write PA or AP, or nothing where it is unknown",
        ),
        sex=_word(row, "sex", _SEXES, where, "write M, F or O, or nothing where it is unknown"),
        age_years=_age_years(row.get("age_years", ""), where),
        given_split=_word(
            row, "split", _SPLITS | {"": ""}, where,
            f"write {TRAIN}, {EVAL} or {TEST}, or nothing",
        ),
    )  # fmt: skip


def _word(
    row: Mapping[str, str],
    column: str,
    allowed: Mapping[str, str],
    where: str,
    advice: str,
) -> str:
    value = row.get(column, "")
    if value.lower() not in allowed:
        raise DataError(f"{where}: the {column} '{value}' is not known; {advice}")
    return allowed[value.lower()]


def _age_years(value: str, where: str) -> int:
    if value.lower() in ("", UNKNOWN):
        return AGE_UNKNOWN
    try:
        age = float(value)
    except ValueError:
        age = math.nan
    if not 0 <= age <= MAX_AGE_YEARS:
        raise DataError(
            f"{where}: the age_years '{value}' is no age; write a number from 0 to "
            f"{MAX_AGE_YEARS}, or nothing where it is unknown"
        )
    return math.floor(age)
