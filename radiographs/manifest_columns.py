"""What the columns of a manifest are called: our names, and those of well-known data sets.

A name is compared without case, blanks and separators, so `Patient ID`, `patientId` and
`patient_id` are one. What is nearly a column of ours is refused with the name that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from radiographs.errors import DataError

PATH = "path"
LABEL = "label"
SUBTYPE = "subtype"
PATIENT_ID = "patient_id"
SITE = "site"
VIEW = "view"
SEX = "sex"
AGE_YEARS = "age_years"
SPLIT = "split"
REQUIRED = (PATH, LABEL)
COLUMNS = (PATH, LABEL, SUBTYPE, PATIENT_ID, SITE, VIEW, SEX, AGE_YEARS, SPLIT)

Kind = Literal["value", "file name", "findings"]

# Other names, as they are in NIH ChestX-ray14, CheXpert, MIMIC-CXR, RSNA, PadChest, VinDr and
# Cohen's collection.
_OTHER_NAMES = {
    PATH: ("filepath", "imagepath", "relativepath"),
    PATIENT_ID: (
        "patient", "patientsid", "pid", "subjectid", "subject",
    ),
    VIEW: ("viewposition", "viewpositiondicom", "appa"),
    SEX: ("gender", "patientsex", "patientgender", "patientsexdicom"),
    AGE_YEARS: ("age", "patientage", "patientageyears"),
}  # fmt: skip
# These hold the name of a file in any folder below the root, with or without its ending.
_FILE_NAMES = (
    "filename", "file", "image", "imageindex", "imageid", "imagename", "imagefile",
    "imagefilename", "dicomid",
)  # fmt: skip
_FINDINGS = ("findinglabels", "finding")  # text-mined; `No Finding` or some of many

# What is not understood, but would be missed if it were passed over.
_MEANT = {
    PATH: ("xrayimagename", "filenames", "images", "img", "imgpath", "url"),
    LABEL: (
        "class", "classname", "classes", "target", "targets", "diagnosis", "category", "labels",
        "findings", "pneumonia", "disease", "y",
    ),
    PATIENT_ID: (
        "patientno", "patientnr", "patientnum", "patientnumber", "patientcode", "patientkey",
        "patientname", "patno", "patnr", "patid", "pat", "person", "personid", "subjectno",
        "subjectnumber", "subjectcode", "participant", "participantid", "caseid", "mrn",
    ),
    AGE_YEARS: ("agemonths", "ageinmonths", "agedays", "ageindays", "ageweeks", "ageatstudy"),
    SPLIT: ("set", "subset", "partition", "dataset", "datasettype", "datasplit", "fold", "phase"),
}  # fmt: skip


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


def read_header(manifest: str, written: Sequence[str]) -> Header:
    """Finds our columns in a header.

    Args:
        manifest: File name, for messages.
        written: Column names as they are in the file.

    Returns:
        Which column is which.

    Raises:
        DataError: If a column is missing, there twice, or only nearly named.
    """
    where = f"{manifest} line 1"
    names = [name.strip() for name in written]
    _check_twice(names, where)
    of: dict[str, Column] = {}
    for ours in COLUMNS:
        column = _find(ours, names, where)
        if column is not None:
            of[ours] = column
        else:
            _refuse_nearly(ours, names, where)
            if ours in REQUIRED:
                raise DataError(
                    f"{where}: there is no column '{ours}'; add it to the header, which is: "
                    f"{', '.join(names) or 'empty'}"
                )
    used = {column.written for column in of.values()}
    return Header(of, [name for name in names if name and name not in used])


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
    kinds: dict[str, Kind] = dict.fromkeys((_plain(ours), *_OTHER_NAMES.get(ours, ())), "value")
    if ours == PATH:
        kinds |= dict.fromkeys(_FILE_NAMES, "file name")
    if ours == LABEL:
        kinds |= dict.fromkeys(_FINDINGS, "findings")
    found = [
        Column(index, name, kinds[_plain(name)])
        for index, name in enumerate(names)
        if _plain(name) in kinds
    ]
    if len(found) > 1:
        both = " and ".join(f"'{column.written}'" for column in found)
        raise DataError(f"{where}: the columns {both} may all be {ours}; name one of them {ours}")
    return found[0] if found else None


def _refuse_nearly(ours: str, names: Sequence[str], where: str) -> None:
    for name in names:
        if _plain(name) in _MEANT.get(ours, ()):
            raise DataError(
                f"{where}: there is no column '{ours}', and '{name}' may be meant; write {ours} in "
                "the header if it is, or give it a name that says what else it is"
            )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
