"""A manifest: a CSV table that names the films and says what is known of each.

This module owns how its rows are read. What is wrong is said with file, line and remedy; what
is left out is listed with the reason.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from models.features import (
    AGE_UNKNOWN,
    EVAL,
    FEMALE,
    LABELS,
    MALE,
    NORMAL,
    OTHER,
    PNEUMONIA,
    TEST,
    TRAIN,
    UNKNOWN,
)  # fmt: skip
from radiographs.ages import MAX_AGE_YEARS, age_in_years
from radiographs.csv_tables import csv_table
from radiographs.errors import DataError
from radiographs.file_names import FileNameRules, composed, stem_of, subtype_word
from radiographs.films import Film
from radiographs.folder_names import CLASS_WORDS, SPLIT_WORDS, folders_of
from radiographs.manifest_columns import (
    AGE_YEARS,
    LABEL,
    LESION_MASK,
    PATH,
    PATIENT_ID,
    SEX,
    SITE,
    SPLIT,
    SUBTYPE,
    VIEW,
    Header,
    read_header,
)  # fmt: skip
from radiographs.not_films import Bystanders
from radiographs.patient_ids import (
    MISSING_WORDS,
    identify_patients,
    missing_id_notes,
    written_id,
)
from radiographs.views import frontal_view

_SEXES = {
    **dict.fromkeys(("m", "male"), MALE),
    **dict.fromkeys(("f", "female"), FEMALE),
    **dict.fromkeys(("o", "other"), OTHER),
    "": UNKNOWN,
}
_NO_FILE = "."  # the data root itself, which nobody can read as a file
_LIST_MARKS = re.compile(r"[\[\]'\"]")  # as a program writes a list into a cell
_NO_FINDING = "no finding"
# A finding by itself: what denies or doubts one is a sentence, and of neither class.
_PNEUMONIA = re.compile(r"(?:(?:viral|bacterial|lobar|aspiration|covid-19)\s+)?pneumonia")
_OTHER_FINDING = "neither No Finding nor Pneumonia"

_TOLD_BY_TAGS = frozenset((PATIENT_ID, VIEW, SEX, AGE_YEARS))  # where rows name DICOM films

_FILES_NAMED = 3  # of a long list, in an error message


@dataclass(frozen=True)
class ManifestFilms:
    """What a manifest says.

    Attributes:
        films: In the order of their paths.
        left_out: Files that are named but no films of either class: path and reason.
        notes: What the user has to know, as sentences.
    """

    films: list[Film]
    left_out: list[tuple[str, str]]
    notes: list[str]


@dataclass
class _Rows:
    """The rows read so far, by path of the file that each names."""

    of: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)  # where, values
    missing: list[str] = field(default_factory=list)
    without_film: list[tuple[str, str]] = field(default_factory=list)  # where, why


class Keys(Protocol):
    """Finds the films of a row by something else than their path."""

    def named(self, header: Sequence[str]) -> list[str]:
        """Returns the header with the column of the keys named `PATH`."""
        ...

    def find(self, written: str) -> list[str]:
        """Returns the paths of all films of a key."""
        ...

    def missing(self, written: str) -> str:
        """Returns why a row has no film."""
        ...


def read_manifest(
    manifest: str,
    paths: Sequence[str],
    text: str,
    rules: FileNameRules,
    keys: Keys | None = None,
    known_patients: Mapping[str, str] | None = None,
    needed: Collection[str] = LABELS,
) -> ManifestFilms:
    """Reads a manifest.

    Args:
        manifest: Its path, for messages.
        paths: All files below the root.
        text: Its content.
        rules: For what the columns leave open.
        keys: Where rows name films by a key; one without a film is left out.
        known_patients: Ids by path, for films that the table gives none.
        needed: Labels of which there has to be a film.

    Returns:
        The films and what was left out.

    Raises:
        DataError: Saying which line is wrong and what to do.
    """
    rows, header = _read_rows(manifest, paths, text, keys)
    of_others = _set_other_findings_aside(rows) if header.of[LABEL].kind == "findings" else []
    _find_masks(rows, paths)
    written, unwritten = _written_ids(rows, header, known_patients or {})
    patients = identify_patients(list(rows.of), written, rules)
    films = [
        _film(path, values, patients.of[path], rules, where)
        for path, (where, values) in sorted(rows.of.items())
    ]
    _check_films(manifest, films, rows.missing, needed)
    notes = [
        *_unused_notes(manifest, header),
        *_findings_notes(manifest, header, of_others),
        *_folder_notes(manifest, films),
        *missing_id_notes(unwritten, manifest),
        *patients.notes,
    ]
    return ManifestFilms(films, [*rows.without_film, *of_others], notes)


def _read_rows(
    manifest: str, paths: Sequence[str], text: str, keys: Keys | None
) -> tuple[_Rows, Header]:
    """Reads all rows, and which column is which."""
    table = csv_table(manifest, text)
    first_line, names = next(table)
    where = f"{manifest} line {first_line}"
    if keys:
        header = read_header(where, keys.named(names), _TOLD_BY_TAGS)
    else:
        header = read_header(where, names)
    named = [(line, _named(header, cells)) for line, cells in table]
    find = _finder(paths, header, (values[LESION_MASK] for _, values in named))
    rows = _Rows()
    for line, values in named:
        where = f"{manifest} line {line}"
        if keys:
            _take_keyed_row(rows, values, keys, where)
        else:
            _take_row(rows, line, values, find, where)
    return rows, header


def _named(header: Header, cells: Sequence[str]) -> dict[str, str]:
    """Returns the stripped cells by our names; a column that is not there is empty."""
    values: dict[str, str] = defaultdict(str)
    for ours, column in header.of.items():
        values[ours] = cells[column.index].strip()
    return values


class _Listing:
    """The files below the root, found by however their path was written."""

    def __init__(self, paths: Sequence[str]):
        self._by_name = {composed(path): path for path in paths} | {path: path for path in paths}

    def find(self, written: str) -> list[str]:
        plain = _plain(written)
        spellings = (written, plain, composed(plain))
        found = (self._by_name[name] for name in spellings if name in self._by_name)
        return list(found)[:1]


class _NamesAnywhere:
    """The files below the root by name, with or without ending, whatever folder they are in.

    Masks are often named as their films are: one that a row names as such gives way to a film.
    """

    def __init__(self, paths: Sequence[str], masks: Iterable[str]):
        bystanders = Bystanders(paths)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._paths = _Listing(paths)
        self._masks = {path for written in masks for path in self._paths.find(written)}
        for path in sorted(paths):
            if not bystanders.reason(path):
                for name in (composed(posixpath.basename(path)), stem_of(path)):
                    self._by_name[name].append(path)

    def find(self, written: str) -> list[str]:
        named = self._by_name.get(composed(_plain(written)), [])
        exact = self._paths.find(written)
        films = ([path for path in found if path not in self._masks] for found in (exact, named))
        return next(filter(None, films), exact or named)


def _finder(
    paths: Sequence[str], header: Header, masks: Iterable[str]
) -> Callable[[str], list[str]]:
    anywhere = header.of[PATH].kind == "file name"
    return _NamesAnywhere(paths, masks).find if anywhere else _Listing(paths).find


def _take_row(
    rows: _Rows, line: int, values: dict[str, str], find: Callable[[str], list[str]], where: str
) -> None:
    written = values[PATH]
    _check_path(written, where)
    found = find(written)
    if len(found) > 1:
        raise DataError(
            f"{where}: '{written}' is the name of {len(found):,} files, '{found[0]}' and "
            f"'{found[1]}' among them; name the column path and write where each lies"
        )
    if not found:
        rows.missing.append(f"'{written}' (line {line})")
    elif found[0] in rows.of:
        raise DataError(f"{where}: '{written}' was named before; remove one of the rows")
    else:
        rows.of[found[0]] = where, values


def _take_keyed_row(rows: _Rows, values: dict[str, str], keys: Keys, where: str) -> None:
    """Gives a row to all films of its key; two rows of one film have to agree on the label."""
    found = keys.find(values[PATH])
    if not found:
        rows.without_film.append((where, keys.missing(values[PATH])))
    if len(found) > 1 and _known(values[LESION_MASK]):
        raise DataError(
            f"{where}: the row names {len(found):,} films, and its {LESION_MASK} is of one; give "
            "each film a row by its SOPInstanceUID"
        )
    for path in found:
        before, others = rows.of.setdefault(path, (where, values))
        if others[LABEL].lower() != values[LABEL].lower():
            raise DataError(
                f"{before} and {where}: the same film has two labels, '{others[LABEL]}' and "
                f"'{values[LABEL]}'; correct one of the rows"
            )
        mask, another = _known(others[LESION_MASK]), _known(values[LESION_MASK])
        if mask and another and mask != another:
            raise DataError(
                f"{before} and {where}: the same film has two lesion masks; leave one of them"
            )
        if another:
            merged = others.copy()
            merged[LESION_MASK] = another
            rows.of[path] = where, merged


def _check_path(written: str, where: str) -> None:
    if not written:
        raise DataError(f"{where}: the path is empty; fill it in or remove the row")
    if _leads_out(written):
        raise DataError(
            f"{where}: the path '{written}' leads out of the data root; write it relative to the "
            "data root"
        )


def _leads_out(written: str) -> bool:
    plain = _plain(written)
    absolute = plain.startswith("/") or re.match(r"[A-Za-z]:|\w+://", written)
    return bool(absolute) or plain == ".." or plain.startswith("../")


def _find_masks(rows: _Rows, paths: Sequence[str]) -> None:
    """Puts the path of the lesion mask where a row names one, however it is written."""
    listing = _Listing(paths)
    for where, values in rows.of.values():
        written = _known(values[LESION_MASK])
        if not written:
            values[LESION_MASK] = ""
            continue
        if _leads_out(written):
            # Not the path itself, which may tell a patient's name.
            raise DataError(
                f"{where}: the {LESION_MASK} leads out of the data root; write it relative to the "
                "data root"
            )
        # Of one that is not there its film tells, which is then set aside.
        values[LESION_MASK] = next(iter(listing.find(written)), _NO_FILE)
        if values[LESION_MASK] in rows.of:
            raise DataError(f"{where}: the {LESION_MASK} is a film itself; name the mask of it")


def _plain(written: str) -> str:
    return posixpath.normpath(written.replace("\\", "/"))


def _set_other_findings_aside(rows: _Rows) -> list[tuple[str, str]]:
    """Turns findings into labels; takes the rows away that are of neither class."""
    aside = []
    for path, (_, values) in list(rows.of.items()):
        findings = _LIST_MARKS.sub("", values[LABEL]).strip().lower()
        if findings in CLASS_WORDS:
            values[LABEL] = CLASS_WORDS[findings]
            continue
        if findings == _NO_FINDING:
            values[LABEL] = NORMAL
        elif any(_PNEUMONIA.fullmatch(one.strip()) for one in re.split(r"[|,;/]", findings)):
            values[LABEL] = PNEUMONIA
        else:
            aside.append((path, f"{_OTHER_FINDING}: {values[LABEL] or 'nothing'}"))
            del rows.of[path]
    return aside


def _written_ids(
    rows: _Rows, header: Header, patients: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Returns the ids by path, and what is written where a word means none."""
    if PATIENT_ID not in header.of:
        return {path: patients.get(path, "") for path in rows.of}, []
    ids = {
        path: written_id(row[PATIENT_ID], where) or patients.get(path, "")
        for path, (where, row) in rows.of.items()
    }
    return ids, [rows.of[path][1][PATIENT_ID] for path, known in ids.items() if not known]


def _check_films(
    manifest: str, films: Sequence[Film], missing: Sequence[str], needed: Collection[str]
) -> None:
    if missing:
        rest = len(missing) - _FILES_NAMED
        more = f" and {rest:,} more" if rest > 0 else ""
        files = "a file that is" if len(missing) == 1 else f"{len(missing):,} files that are"
        raise DataError(
            f"{manifest} names {files} not below the data root: "
            f"{', '.join(missing[:_FILES_NAMED])}{more}; add them or correct the column path"
        )
    for label in needed:
        if not any(film.label == label for film in films):
            raise DataError(
                f"{manifest} has no films of {label}; both classes are needed, so add some"
            )


def _film(
    path: str, row: Mapping[str, str], patient_id: str, rules: FileNameRules, where: str
) -> Film:
    label = _word(row[LABEL], LABEL, CLASS_WORDS, where, f"write {' or '.join(LABELS)}")
    subtype = rules.subtype_of(path, label)
    if label != NORMAL:
        subtype = subtype_word(_known(row[SUBTYPE])) or subtype
    return Film(
        path=path,
        label=label,
        subtype=subtype,
        patient_id=patient_id,
        site=_known(row[SITE]) or UNKNOWN,
        view=_view(_known(row[VIEW]), where),
        sex=_word(
            _known(row[SEX]), SEX, _SEXES, where,
            "write M, F or O, or nothing where it is unknown",
        ),
        age_years=_age_years(_known(row[AGE_YEARS]), where),
        given_split=_word(
            _known(row[SPLIT]), SPLIT, SPLIT_WORDS | {"": ""}, where,
            f"write {TRAIN}, {EVAL} or {TEST}, or nothing",
        ),
        lesion_mask=row[LESION_MASK],
    )  # fmt: skip


def _view(value: str, where: str) -> str:
    view = frontal_view(value)
    if view is None:
        raise DataError(
            f"{where}: the {VIEW} '{value}' is not known; only frontal films are read: write PA or "
            "AP, or nothing where it is unknown"
        )
    return view


def _known(value: str) -> str:
    """Returns a value, or an empty string for a word that means none is known."""
    return "" if value.lower() in MISSING_WORDS else value


def _word(value: str, column: str, allowed: Mapping[str, str], where: str, advice: str) -> str:
    if value.lower() not in allowed:
        raise DataError(f"{where}: the {column} '{value}' is not known; {advice}")
    return allowed[value.lower()]


def _age_years(value: str, where: str) -> int:
    if not value:
        return AGE_UNKNOWN
    age = age_in_years(value)
    if age is None:
        raise DataError(
            f"{where}: the age_years '{value}' is no age; write a number from 0 to "
            f"{MAX_AGE_YEARS}, or nothing where it is unknown"
        )
    return age


def _unused_notes(manifest: str, header: Header) -> list[str]:
    names = ", ".join(f"'{name}'" for name in header.unused)
    columns = "column" if len(header.unused) == 1 else "columns"
    return [f"{manifest}: nothing is made of the {columns} {names}."] if names else []


def _folder_notes(manifest: str, films: Sequence[Film]) -> list[str]:
    """Says where the manifest gives a film another label than the folder that it lies in."""
    contrary = [
        film
        for film in films
        if {CLASS_WORDS[name] for name in folders_of(film.path) if name in CLASS_WORDS}
        == set(LABELS) - {film.label}
    ]
    if not contrary:
        return []
    have = "1 film has" if len(contrary) == 1 else f"{len(contrary):,} films have"
    return [
        f"{have} another label in {manifest} than the folder says, such as '{contrary[0].path}', "
        f"there {contrary[0].label}: the manifest decides."
    ]


def _findings_notes(manifest: str, header: Header, aside: Sequence[tuple[str, str]]) -> list[str]:
    column = header.of[LABEL]
    if column.kind != "findings":
        return []
    return [
        f"{manifest}: the label is made from '{column.written}': No Finding is {NORMAL}, Pneumonia "
        f"among others is {PNEUMONIA}, and {len(aside):,} films with neither are left out."
    ]
