"""Films that come with pydicom: pixels as other makers have written them."""

from __future__ import annotations

from collections.abc import Iterator

import pydicom
from pydicom import uid
from pydicom.data import get_testdata_file

from tests.dicom_films import CHEST_PA, CR, encoded

# Of pydicom's own test files, those of one grey frame that is large enough; told by pydicom alone.
_SHIPPED = (
    "693_J2KI.dcm", "CT_small.dcm", "JPEG2000.dcm",
    "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm",
    "MR_small_expb.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm", "examples_overlay.dcm",
    "J2K_pixelrep_mismatch.dcm",
)  # fmt: skip


def shipped_films() -> Iterator[tuple[str, bytes]]:
    """Yields pydicom's files with the tags of a chest film; their pixels stay as they are."""
    for number, name in enumerate(_SHIPPED):
        film = pydicom.dcmread(str(get_testdata_file(name)))
        for keyword, value in CHEST_PA.items():
            setattr(film, keyword, value)
        film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = uid.UID(CR)
        film.PatientID = f"shipped{number}"
        for keyword in ("NumberOfFrames", "PatientOrientation", "SeriesDescription"):
            if keyword in film:
                delattr(film, keyword)
        yield f"pydicom's {name}", encoded(film)
