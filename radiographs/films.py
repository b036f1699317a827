"""Film: what is known of a radiograph before its pixels are read, in the words of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from models.features import AGE_UNKNOWN, UNKNOWN


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
