"""What the columns of a manifest are called: our names, and those of well-known data sets.

A name is compared by its words, so `Patient ID`, `patientId` and `patient_id` are one, and so are
`Age` and `Patient's age in years`. What is nearly a column of ours is refused with the name that
is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from radiographs.errors import DataError
from radiographs.folder_names import SPLIT_WORDS
from radiographs.words import split_words

PATH = "path"
LABEL = "label"
SUBTYPE = "subtype"
PATIENT_ID = "patient_id"
SITE = "site"
VIEW = "view"
SEX = "sex"
AGE_YEARS = "age_years"
SPLIT = "split"
LESION_MASK = "lesion_mask"
REQUIRED = (PATH, LABEL)
COLUMNS = (PATH, LABEL, SUBTYPE, PATIENT_ID, SITE, VIEW, SEX, AGE_YEARS, SPLIT, LESION_MASK)

Kind = Literal["value", "file name", "findings"]

# These hold a path below the root, or the name of a file in any folder, with or without ending.
_PATHS = ("path", "filepath", "imagepath", "relativepath")
_FILE_NAMES = (
    "filename", "file", "image", "imageindex", "imageid", "imagename", "imagefile",
    "imagefilename", "dicomid",
)  # fmt: skip
_FINDINGS = ("findinglabels", "finding")  # text-mined; `No Finding` or some of many
# What would be missed if it were passed over.
_NEARLY_REQUIRED = {
    PATH: ("xrayimagename", "filenames", "images", "img", "imgpath", "url"),
    LABEL: (
        "class", "classname", "classes", "target", "targets", "diagnosis", "category", "labels",
        "findings", "pneumonia", "disease", "y",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Wording:
    """How a column of ours may be named.

    Attributes:
        heads: It has one of these words.
        beside: And no others but these.
        nearly: A name with one of these may be meant as well.
        nearly_beside: If there are no others but these; None for whatever others.
    """

    heads: AbstractSet[str]
    beside: AbstractSet[str]
    nearly: AbstractSet[str]
    nearly_beside: AbstractSet[str] | None = None

    def is_ours(self, words: AbstractSet[str]) -> bool:
        """Tells whether a name has a head and nothing that we do not understand."""
        return bool(words & self.heads) and words <= self.heads | self.beside

    def is_nearly(self, words: AbstractSet[str]) -> bool:
        """Tells whether a name may be meant for this column."""
        told = self.heads | self.nearly
        others = words - told
        return bool(words & told) and (self.nearly_beside is None or others <= self.nearly_beside)

    def all_words(self) -> AbstractSet[str]:
        """Returns every word that means something here."""
        return self.heads | self.beside | self.nearly | (self.nearly_beside or frozenset())


_FILLERS = frozenset(
    ("s", "of", "the", "in", "is", "dicom", "patient", "patients", "subject", "pt")
)
_PEOPLE = frozenset((
    "patient", "patients", "subject", "subjects", "pt", "pts", "pid", "subj", "patienten",
    "patiente", "paciente", "pacientes", "paziente",
))  # fmt: skip
_ANONYMOUS = frozenset((
    "anon", "anonymous", "anonymized", "anonymised", "anonymisiert", "deidentified", "pseudo",
    "pseudonym", "pseudonymous", "pseudonymized", "pseudonymised",
))  # fmt: skip
_ID = frozenset(("id", "ids", "identifier"))
_NUMBERS = _ID | {
    "no", "nr", "num", "number", "code", "key", "name", "names", "hash", "hashed", "uid", "uuid",
    "index", "idx", "ref", "reference", "new", "old", "original", "orig", "true", "1", "2",
}  # fmt: skip
_SPLITS = frozenset(SPLIT_WORDS)
_WORDINGS = {
    PATIENT_ID: _Wording(
        heads=_PEOPLE,
        beside=_ID | _ANONYMOUS | {"s", "of", "the", "dicom"},
        nearly=frozenset((
            "pat", "person", "participant", "individual", "case", "mrn", "medical", "record", "id",
        )),
        nearly_beside=_NUMBERS | _ANONYMOUS | _FILLERS,
    ),
    AGE_YEARS: _Wording(
        heads=frozenset(("age", "ages")),
        beside=_FILLERS | {"year", "years", "yr", "yrs", "y", "inyears"},
        nearly=frozenset(),
    ),
    SEX: _Wording(
        heads=frozenset(("sex", "gender")),
        beside=_FILLERS | {"m", "f", "o", "male", "female", "other", "or", "biological"},
        nearly=frozenset(("male", "female")),
    ),
    VIEW: _Wording(
        heads=frozenset(("view", "views", "projection", "ap", "pa", "frontal")),
        beside=_FILLERS | {
            "position", "type", "name", "code", "image", "xray", "radiographic", "or", "lateral",
        },
        nearly=frozenset(("position", "lateral")),
    ),
    SITE: _Wording(
        heads=frozenset((
            "site", "hospital", "institution", "centre", "center", "clinic", "facility",
        )),
        beside=frozenset(("s", "of", "the", "dicom", "id", "name", "code")),
        nearly=frozenset((
            "sites", "hospitals", "institutions", "centres", "centers", "clinics", "institute",
            "location", "source", "origin",
        )),
        nearly_beside=_NUMBERS | _FILLERS | {"data", "image", "study", "medical", "imaging"},
    ),
    SPLIT: _Wording(
        heads=frozenset(("split", "splits")),
        beside=frozenset(("data", "dataset", "set", "name", "type", "of", "the")),
        nearly=_SPLITS | {"set", "subset", "partition", "dataset", "fold", "phase"},
        nearly_beside=_SPLITS | {
            "data", "type", "name", "is", "s", "of", "the", "or", "group", "k", "cv",
        },
    ),
}  # fmt: skip
# Whatever of these is run together is taken apart, `patientid` or `ageinyears`, but no `pain`.
_KNOWN = frozenset(
    word
    for wording in _WORDINGS.values()
    for word in wording.all_words()
    if len(word) > 1 and word not in ("ap", "pa", "in", "is", "of", "or")
) | {"months", "days", "weeks"}


@dataclass(frozen=True)
class Column:
    """Where a value of ours stands.

    Attributes:
        index: Its place in the header, from 0.
        written: Its name there.
        kind: How it is read: a value as our columns hold it, the name of a file in any folder,
            or findings that a label has to be made from.
    """

    index: int
    written: str
    kind: Kind = "value"


@dataclass(frozen=True)
class Header:
    """The columns of a manifest.

    Attributes:
        of: Column by our name; those that are not there are left out.
        unused: Names in the header that say nothing to us.
    """

    of: Mapping[str, Column]
    unused: list[str]


def read_header(
    where: str, written: Sequence[str], told_elsewhere: AbstractSet[str] = frozenset()
) -> Header:
    """Finds our columns in a header.

    Args:
        where: File and line, for messages.
        written: Column names as they are in the file.
        told_elsewhere: Columns of ours that are not missed, so that nothing else is meant by one.

    Returns:
        Which column is which.

    Raises:
        DataError: If a column is missing, there twice, or only nearly named.
    """
    names = [name.strip() for name in written]
    _check_twice(names, where)
    found = {ours: _find(ours, names, where) for ours in COLUMNS}
    of = {ours: column for ours, column in found.items() if column is not None}
    used = {column.written for column in of.values()}
    unused = [name for name in names if name and name not in used]
    for ours in COLUMNS:
        if ours in of:
            continue
        if ours not in told_elsewhere:
            _refuse_nearly(ours, unused, where)
        if ours in REQUIRED:
            raise DataError(
                f"{where}: there is no column '{ours}'; add it to the header, which is: "
                f"{', '.join(names) or 'empty'}"
            )
    return Header(of, unused)


def finds_column(ours: str, written: Sequence[str]) -> bool:
    """Tells whether a header has a column of ours, under whatever name."""
    return any(name.strip().lower() == ours or _kind(ours, name.strip()) for name in written)


def column_words(name: str) -> str:
    """Returns a column's name without case and separators: `Accession Number` is one word."""
    return _plain(name)


def _check_twice(names: Sequence[str], where: str) -> None:
    lower = [name.lower() for name in names]
    twice = sorted({name for name in lower if name and lower.count(name) > 1})
    if twice:
        raise DataError(f"{where}: the column '{twice[0]}' is there twice; remove one")


def _find(ours: str, names: Sequence[str], where: str) -> Column | None:
    """Returns the column of our own name, else the only one of another name, or None."""
    own = [Column(index, name) for index, name in enumerate(names) if name.lower() == ours]
    if own:
        return own[0]
    found = [
        Column(index, name, kind)
        for index, name in enumerate(names)
        for kind in [_kind(ours, name)]
        if kind
    ]
    if len(found) > 1:
        both = " and ".join(f"'{column.written}'" for column in found)
        raise DataError(f"{where}: the columns {both} may all be {ours}; name one of them {ours}")
    return found[0] if found else None


def _kind(ours: str, name: str) -> Kind | None:
    """Returns how a column is read if it is the one of ours, or None."""
    plain = _plain(name)
    if ours == PATH and plain in _FILE_NAMES:
        return "file name"
    if ours == LABEL and plain in _FINDINGS:
        return "findings"
    if (ours == PATH and plain in _PATHS) or plain == _plain(ours):
        return "value"
    wording = _WORDINGS.get(ours)
    return "value" if wording and wording.is_ours(_words(name)) else None


def _refuse_nearly(ours: str, names: Sequence[str], where: str) -> None:
    wording = _WORDINGS.get(ours)
    for name in names:
        nearly = wording.is_nearly(_words(name)) if wording else False
        if nearly or _plain(name) in _NEARLY_REQUIRED.get(ours, ()):
            raise DataError(
                f"{where}: there is no column '{ours}', and '{name}' may be meant; write {ours} in "
                "the header if it is, or give it a name that says what else it is"
            )


def _words(name: str) -> frozenset[str]:
    return frozenset(split_words(name, _KNOWN))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
