"""Film: what is known of a radiograph before its pixels are read, in the words of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from models.features import AGE_UNKNOWN, SPACING_UNKNOWN, STUDY_DAY_UNKNOWN, UNKNOWN


@dataclass(frozen=True, slots=True)
class FilmTags:
    """What the tags of a DICOM file say beside the rest; of any other file all is unknown.

    Attributes:
        laterality: One of `LATERALITIES`.
        modality: One of `MODALITIES`.
        body_part: `CHEST`, or unknown.
        pixel_spacing_mm: Between rows.
        manufacturer: A known name, `OTHER_MANUFACTURER` or unknown.
        device_model: Pseudonym of the model, or unknown.
        study_day: Days since the first study of the patient.
    """

    laterality: str = UNKNOWN
    modality: str = UNKNOWN
    body_part: str = UNKNOWN
    pixel_spacing_mm: float = SPACING_UNKNOWN
    manufacturer: str = UNKNOWN
    device_model: str = UNKNOWN
    study_day: int = STUDY_DAY_UNKNOWN


@dataclass(frozen=True, slots=True)
class Film:
    """One radiograph and what its folder, name or manifest row says about it.

    The words are those of `models.features`.

    Attributes:
        path: Where the file is, relative to the data root, with forward slashes.
        label: One of `LABELS`.
        subtype: Kind of pneumonia, `UNKNOWN`, or `SUBTYPE_NONE` for a normal film.
        patient_id: Pseudonym; films of one patient never end in two splits.
        site: Where it was taken, or `UNKNOWN`.
        view: One of `VIEWS`.
        sex: One of `SEXES`.
        age_years: 0 to 120, or `AGE_UNKNOWN`.
        given_split: One of `SPLITS`, or empty where the data says nothing.
        tags: What a DICOM file says beside this.
        lesion_mask: Where the mask of its lesions is, as `path`; empty where none is drawn.
    """

    path: str
    label: str
    subtype: str
    patient_id: str
    site: str = UNKNOWN
    view: str = UNKNOWN
    sex: str = UNKNOWN
    age_years: int = AGE_UNKNOWN
    given_split: str = ""
    tags: FilmTags = FilmTags()
    lesion_mask: str = ""
