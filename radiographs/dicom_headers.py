"""What the headers of DICOM files say before any pixel is read: whose film, of what, and when.

Identifiers are held in memory while an ingest is planned. Nothing here is written anywhere, and
none of it shows where an object is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from radiographs.errors import DataError
from radiographs.formats.dicom.facts import DicomFacts, read_facts, study_date
from radiographs.formats.dicom.reading import DicomFile, is_dicom, read_header, text_of
from radiographs.formats.dicom.refusals import why_no_film, why_not_read
from radiographs.not_films import is_hidden, is_no_picture
from radiographs.options import IngestOptions
from radiographs.patient_ids import written_id

HEADER_BYTES = 256 << 10  # of a file, which hold the header of nearly every film
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """The header of a DICOM file.

    Attributes:
        facts: What is known of the film.
        aside: Why it is no film that is read, or empty.
        patient: Identifier and its issuer, or empty.
        patient_id: The identifier alone.
        accession: Number of the order.
        instance: UID of the object.
        studied: Date of the study.
        model: Of the device, as its manufacturer or somebody else wrote it.
        complete: Whether nothing of it comes after what was read.
    """

    facts: DicomFacts = field(default_factory=DicomFacts)
    aside: str = ""
    patient: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    accession: str = field(default="", repr=False)
    instance: str = field(default="", repr=False)
    studied: date | None = field(default=None, repr=False)
    model: str = field(default="", repr=False)
    complete: bool = False


Headers = Mapping[str, DicomHeader]  # by path


def may_be_dicom(path: str) -> bool:
    """Tells by a file's name whether its content has to be looked at."""
    return not (is_hidden(path) or is_no_picture(path) or path.lower().endswith(_PICTURES))


def read_dicom_header(data: bytes, options: IngestOptions) -> DicomHeader | None:
    """Reads a header.

    Args:
        data: The file, or the first `HEADER_BYTES` of it.
        options: Whether films with text burned in are kept.

    Returns:
        What it says; of a damaged one nothing, and the decoder says why. None where the file is no
        DICOM.
    """
    if not is_dicom(data):
        return None
    try:
        return _header_of(read_header(data), options)
    except Exception:  # whatever it is, one file must not end a run
        return DicomHeader()


def _header_of(file: DicomFile, options: IngestOptions) -> DicomHeader:
    tags = file.tags
    patient_id, issuer = (
        known_id(text_of(tags, word)) for word in ("PatientID", "IssuerOfPatientID")
    )
    return DicomHeader(
        facts=read_facts(tags),
        aside=why_no_film(tags, options.keep_burned_in) or why_not_read(tags),
        patient=f"{patient_id} {issuer}".strip() if patient_id else "",
        patient_id=patient_id,
        accession=known_id(text_of(tags, "AccessionNumber")),
        instance=known_id(text_of(tags, "SOPInstanceUID")),
        studied=study_date(tags),
        model=text_of(tags, "ManufacturerModelName"),
        complete=file.ends_at_pixels,
    )


def known_id(written: str) -> str:
    """Returns an identifier as it is compared, or an empty string for a word that means none."""
    try:
        return written_id(written, "")
    except DataError:  # a number that may have been rounded names nobody else, if nobody at all
        return written.strip()
