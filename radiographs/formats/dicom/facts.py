"""What the tags of a file say of a film, in the words of the contract and in no others.

Of free text only words that are known beforehand are taken, so a name that somebody wrote into
the wrong field goes no further.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from models.features import (
    AGE_UNKNOWN,
    FEMALE,
    MALE,
    MODALITIES,
    OTHER,
    OTHER_MANUFACTURER,
    SPACING_UNKNOWN,
    UNKNOWN,
)  # fmt: skip
from radiographs.ages import MAX_AGE_YEARS, age_in_years
from radiographs.errors import UnusableImage
from radiographs.formats.dicom.reading import numbers_of, text_of
from radiographs.views import NOT_FRONTAL, view_of_words
from radiographs.words import words_of

CHEST = "CHEST"
_CHEST_WORDS = frozenset(("chest", "thorax", "thoracic", "lung", "lungs"))
_SIDES = {"L": "L", "R": "R", "B": "B", "LEFT": "L", "RIGHT": "R"}
_SEXES = {"M": MALE, "F": FEMALE, "O": OTHER}
_MOST_SPACING_MM = 5.0
# The first words of a name by which a manufacturer is known.
_MANUFACTURERS = {
    "agfa": "Agfa", "canon": "Canon", "carestream": "Carestream", "kodak": "Kodak",
    "eastman": "Kodak", "fuji": "Fujifilm", "fujifilm": "Fujifilm", "ge": "GE", "general": "GE",
    "hologic": "Hologic", "konica": "Konica Minolta", "konicaminolta": "Konica Minolta",
    "lumisys": "Lumisys", "philips": "Philips", "samsung": "Samsung", "siemens": "Siemens",
    "shimadzu": "Shimadzu", "swissray": "Swissray", "toshiba": "Toshiba", "varian": "Varian",
    "vidar": "Vidar", "drtech": "DRTECH", "rayence": "Rayence", "sedecal": "Sedecal",
    "mindray": "Mindray", "iray": "iRay", "hitachi": "Hitachi", "riverain": "Riverain",
    "imaging": "Imaging Dynamics", "oldelft": "Oldelft", "vieworks": "Vieworks",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """What the tags of a file say; whatever they do not say is unknown.

    Attributes:
        view: One of `features.VIEWS`, or `NOT_FRONTAL`.
        laterality: One of `features.LATERALITIES`.
        sex: One of `features.SEXES`.
        age_years: 0 to 120 at the time of the study, or `AGE_UNKNOWN`.
        modality: One of `features.MODALITIES`.
        body_part: `CHEST`, or unknown.
        pixel_spacing_mm: Between rows, at the detector where the patient's is not known;
            `SPACING_UNKNOWN` where neither is.
        manufacturer: A name that is known, `OTHER_MANUFACTURER` or unknown.
    """

    view: str = UNKNOWN
    laterality: str = UNKNOWN
    sex: str = UNKNOWN
    age_years: int = AGE_UNKNOWN
    modality: str = UNKNOWN
    body_part: str = UNKNOWN
    pixel_spacing_mm: float = SPACING_UNKNOWN
    manufacturer: str = UNKNOWN


def read_facts(tags: Dataset) -> DicomFacts:
    """Reads the facts of a film.

    Args:
        tags: Of `read_header`.

    Returns:
        What they say for certain.
    """
    modality = text_of(tags, "Modality").upper()
    side = text_of(tags, "ImageLaterality") or text_of(tags, "Laterality")
    return DicomFacts(
        view=_view(tags),
        laterality=_SIDES.get(side.upper(), UNKNOWN),
        sex=_SEXES.get(text_of(tags, "PatientSex").upper()[:1], UNKNOWN),
        age_years=_age_years(tags),
        modality=modality if modality in MODALITIES else UNKNOWN,
        body_part=CHEST if shows_chest(tags) else UNKNOWN,
        pixel_spacing_mm=_spacing_mm(tags),
        manufacturer=_manufacturer(text_of(tags, "Manufacturer")),
    )


def shows_chest(tags: Dataset) -> bool | None:
    """Tells whether a film shows a chest; None where the tags do not say."""
    written = text_of(tags, "BodyPartExamined") or _meaning(tags, "AnatomicRegionSequence")
    return bool(_CHEST_WORDS.intersection(words_of(written))) if written else None


def study_date(tags: Dataset) -> date | None:
    """Returns the date of the study, where it is one."""
    return _date(text_of(tags, "StudyDate"))


def _view(tags: Dataset) -> str:
    """Returns the first view that is told for certain: by position, code, description, sides."""
    told = (
        text_of(tags, "ViewPosition"),
        _meaning(tags, "ViewCodeSequence"),
        text_of(tags, "SeriesDescription"),
    )
    for written in told:
        view = view_of_words(written)
        if view != UNKNOWN:
            return view
    return NOT_FRONTAL if _seen_from_the_side(tags) else UNKNOWN


def _seen_from_the_side(tags: Dataset) -> bool:
    """Tells whether rows run from front to back (PS3.3, C.7.6.1.1.1)."""
    try:
        row, column = (str(one).upper() for one in tags.get("PatientOrientation") or ())
    except Exception:  # none, or no two
        return False
    return row in ("A", "P") and column in ("F", "H")


def _meaning(tags: Dataset, keyword: str) -> str:
    try:
        items = tags.get(keyword)
        return text_of(items[0], "CodeMeaning") if items else ""
    except Exception:  # what cannot be read says nothing
        return ""


def _age_years(tags: Dataset) -> int:
    told = age_in_years(text_of(tags, "PatientAge"))
    if told is not None:
        return told
    born, studied = _date(text_of(tags, "PatientBirthDate")), study_date(tags)
    if born is None or studied is None:
        return AGE_UNKNOWN
    before_birthday = (studied.month, studied.day) < (born.month, born.day)
    age = studied.year - born.year - before_birthday
    return age if 0 <= age <= MAX_AGE_YEARS else AGE_UNKNOWN


def _date(written: str) -> date | None:
    digits = written.replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _spacing_mm(tags: Dataset) -> float:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            spacing = numbers_of(tags, keyword)
        except UnusableImage:
            continue
        if spacing and 0 < spacing[0] <= _MOST_SPACING_MM:
            return spacing[0]
    return SPACING_UNKNOWN


def _manufacturer(written: str) -> str:
    words = words_of(written)
    if not words:
        return UNKNOWN
    return _MANUFACTURERS.get(words[0], OTHER_MANUFACTURER)
