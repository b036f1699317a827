"""What the name of a file says: which patient, which subtype.

Names are composed alike (Unicode form NFC, forward slashes) on every system. The patterns of
public data sets are written here once, each with a name that it was made for.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Sequence

from models.features import BACTERIA, NORMAL, SUBTYPE_NONE, UNKNOWN, VIRUS
from radiographs.options import PUBLIC_DATA_SETS, IngestOptions

# The first group is the patient. Sets whose names tell no patient are left out on purpose: RSNA,
# VinDr, PadChest, COVID-19 Radiography and Cohen's collection have it in a table, or nowhere.
PUBLIC_PATIENT_PATTERNS = (
    # Kermany, 2nd version: person1_bacteria_2, whatever is put before it
    r"(?<![a-z0-9])(person\d+_(?:bacteria|virus))",
    r"^((?:NORMAL2-)?IM-\d+)",  # and its normal films: IM-0115-0001, NORMAL2-IM-1427-0001
    # 3rd version: disease-patient-number, also without the last; Normal-10 is of another set
    r"(?<![a-z0-9])(?:bacteria|virus|normal)-(?:(\d+)-\d+|(\d{5,}))",
    r"^(\d{8})_\d{3}(?!\d)",  # NIH ChestX-ray14: 00000013_005
    r"^(CXR\d+)_\d*_?IM-\d+",  # Open-i, Indiana: CXR1_1_IM-0001-3001
    r"^(\d+)_IM-\d+-\d+",  # the same as spread on Kaggle: 1_IM-0001-4001
    r"^((?:MCU|CHN)CXR_\d+)_[01]",  # Montgomery and Shenzhen: CHNCXR_0327_1
    r"(?:^|/)(sub-[A-Za-z0-9]+)[_/]",  # BIDS, as in BIMCV-COVID19: sub-S03044_ses-E06078_dx
    # MIMIC-CXR: p10/p10000032/s50414267/02aa804e.jpg, p10000032_s50414267.jpg
    r"(?<![a-z0-9])(p\d{8})[/_ -]+s\d{8}(?!\d)",
    # CheXpert: patient00001/study1/view1_frontal.jpg; and folders or names alike.
    r"(?:^|/)((?:patient|subject|pat|pt|case)[ _-]?[a-z]?\d+[a-z]?)(?=[/ _.-])",
)

# What file managers make of a name: `Copy of x`, `x - Copy (2)`, `x_copy`.
_COPY = re.compile(
    r"^(?:copy|kopie|copie|copia)(?:[ _]\(\d+\))?[ _-]+(?:of|von|de)[ _-]+"
    r"|[ _-]+(?:copy|kopie|copie|copia)(?:[ _-]*\(?\d+\)?)?$",
    re.IGNORECASE,
)

_SUBTYPES = {BACTERIA: BACTERIA, VIRUS: VIRUS, "bacterial": BACTERIA, "viral": VIRUS}


def composed(name: str) -> str:
    """Returns the name in Unicode form NFC; disks and spreadsheets differ in theirs."""
    return unicodedata.normalize("NFC", name)


def stem_of(path: str) -> str:
    """Returns the file name without its last ending."""
    return posixpath.splitext(composed(posixpath.basename(path)))[0]


def original_stem(path: str) -> str:
    """Returns the stem that a copy of a file was made from, and of any other file its own."""
    stem = stem_of(path)
    while _COPY.search(stem):
        stem = _COPY.sub("", stem)
    return stem or stem_of(path)


def subtype_word(written: str) -> str:
    """Returns bacteria or virus however they are spelled, and any other word as it is."""
    return _SUBTYPES.get(written.lower(), written)


class FileNameRules:
    """Tells patient and subtype from a path below the data root."""

    def __init__(self, options: IngestOptions):
        """Compiles the patterns of the options."""
        patterns: Sequence[str] = (options.patient_pattern,)
        flags = re.RegexFlag(0)
        if options.patient_pattern == PUBLIC_DATA_SETS:
            patterns, flags = PUBLIC_PATIENT_PATTERNS, re.IGNORECASE
        self._patient = [re.compile(pattern, flags) for pattern in patterns]
        self._subtype = [re.compile(options.subtype_pattern)]

    def patient_of(self, path: str) -> str:
        """Returns the patient, or an empty string where no pattern matches.

        The file name is tried first, then that of the file it is a copy of, then the whole path: a
        pattern that begins with `^` may mean each, and one with a slash can only match the path.
        """
        return _first_group(self._patient, (*_names_of(path), composed(path)))

    def subtype_of(self, path: str, label: str) -> str:
        """Returns the subtype, `UNKNOWN` where no pattern matches."""
        if label == NORMAL:
            return SUBTYPE_NONE
        return subtype_word(_first_group(self._subtype, _names_of(path))) or UNKNOWN


def _names_of(path: str) -> tuple[str, str]:
    """Returns the name of a file, and that of the file it is a copy of."""
    name = composed(posixpath.basename(path))
    return name, original_stem(path) + posixpath.splitext(name)[1]


def _first_group(patterns: Sequence[re.Pattern[str]], texts: Sequence[str]) -> str:
    for text in dict.fromkeys(texts):
        for pattern in patterns:
            match = pattern.search(text)
            found = next(filter(None, match.groups()), "") if match else ""
            if found:
                return found
    return ""
