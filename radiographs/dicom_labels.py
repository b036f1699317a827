"""A table of labels beside DICOM files: which column is the key, and whose films a key names."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from radiographs.csv_tables import csv_table
from radiographs.dicom_headers import DicomHeader, Headers, known_id
from radiographs.errors import DataError
from radiographs.file_names import composed
from radiographs.manifest_columns import LABEL, PATH, column_words, finds_column
from radiographs.not_films import is_hidden
from radiographs.options import IngestOptions

_TABLES = (".csv", ".tsv", ".csv.txt", ".tsv.txt")

# Names of a key column without case and separators, the key that tells most first.
_KEYS: dict[str, tuple[str, ...]] = {
    "SOP instance UID": (
        "sopinstanceuid", "sopuid", "instanceuid", "sopinstance", "imageuid", "imageinstanceuid",
        "objectuid", "dicomsopinstanceuid",
    ),
    "accession number": (
        "accessionnumber", "accession", "accessionno", "accessionnr", "accessionid", "accnumber",
        "accno", "acc", "accn", "studyaccessionnumber", "dicomaccessionnumber",
    ),
    "patient id": ("patientid", "patient", "pid", "subjectid", "dicompatientid"),
}  # fmt: skip
_OF_HEADER: dict[str, Callable[[DicomHeader], str]] = {
    "SOP instance UID": lambda header: header.instance,
    "accession number": lambda header: header.accession,
    "patient id": lambda header: header.patient_id,
}


@dataclass(frozen=True)
class LabelTable:
    """A table of labels of DICOM files.

    Attributes:
        name: Its path below the root.
        text: Its content.
        column: Place of the key in the header.
        kind: What the key is.
        paths: Films by key; of one key there may be several.
    """

    name: str
    text: str = field(repr=False)
    column: int
    kind: str
    paths: dict[str, list[str]] = field(repr=False)

    def named(self, header: Sequence[str]) -> list[str]:
        """Returns the header with the column of the keys named as a path."""
        return [PATH if place == self.column else name for place, name in enumerate(header)]

    def find(self, written: str) -> list[str]:
        """Returns the paths of all films of a key."""
        return self.paths.get(known_id(written), [])

    def missing(self, written: str) -> str:
        """Returns why a row has no film."""
        if not known_id(written):
            return f"row without {self.kind}"
        return f"row without a DICOM film of its {self.kind}"


def find_label_table(
    paths: Sequence[str], read_text: Callable[[str], str], options: IngestOptions, headers: Headers
) -> LabelTable | None:
    """Finds the table that names DICOM files by a key.

    Args:
        paths: All files below the root.
        read_text: Returns the content of one.
        options: The name of the manifest, which is such a table where it has no column for paths.
        headers: Of the DICOM files.

    Returns:
        The table; None where there is none, or where a manifest names films by their paths.

    Raises:
        DataError: If there are several.
    """
    given = [path for path in paths if composed(path).lower() == composed(options.manifest).lower()]
    others = [
        path
        for path in sorted(paths)
        if path.lower().endswith(_TABLES) and "/" not in path and not is_hidden(path)
    ]
    tables = [(path, read_text(path)) for path in given] or list(_readable(others, read_text))
    found = [
        _label_table(path, text, key, headers)
        for path, text in tables
        for key in [_key(path, text)]
        if key
    ]
    if len(found) > 1:
        both = " and ".join(f"'{table.name}'" for table in found)
        raise DataError(f"{both} may both hold the labels; set data.manifest to one of them")
    return found[0] if found else None


def _readable(paths: Sequence[str], read_text: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yields tables and their text; one that is no text has nothing to do with the films."""
    for path in paths:
        with suppress(DataError):
            yield path, read_text(path)


def _key(name: str, text: str) -> tuple[int, str] | None:
    """Returns place and kind of the key of a table with labels, or None."""
    try:
        _, header = next(csv_table(name, text))
    except DataError:  # of a table that may have nothing to do with the films
        return None
    if not finds_column(LABEL, header) or finds_column(PATH, header):
        return None
    plain = [column_words(column) for column in header]
    for kind, names in _KEYS.items():
        for place, column in enumerate(plain):
            if column in names:
                return place, kind
    return None


def _label_table(name: str, text: str, key: tuple[int, str], headers: Headers) -> LabelTable:
    column, kind = key
    paths: dict[str, list[str]] = defaultdict(list)
    for path, header in sorted(headers.items()):
        written = _OF_HEADER[kind](header)
        if written and not header.aside:
            paths[written].append(path)
    return LabelTable(posixpath.normpath(name), text, column, kind, dict(paths))
