"""Identifiers planted wherever a DICOM file may hold them, and a search for them."""

from __future__ import annotations

import gzip
import io
import re
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread
from pydicom.datadict import DicomDictionary, keyword_dict
from pydicom.dataset import Dataset

from tests.dicom_films import dataset_of, encoded
from tests.support import draw_film

# Letters and digits that nothing else holds, as names, as numbers and as dates.
NAME = "Qzxvolmark"
NUMBER = "9071625348"
BORN, STUDIED = "19370317", "20190423"
PLANTED = re.compile(rb"qzxvolmark|9071625348|19370317|1937-03-17|2019042\d|2019-04-2\d", re.I)

_TEXTS = {
    "PN": f"{NAME}^Jane", "LO": f"{NAME} {NUMBER}", "SH": f"{NAME}{NUMBER[:6]}",
    "ST": f"seen {NAME}", "LT": f"seen {NAME}", "UT": f"seen {NAME}", "UC": f"{NAME}",
    "AE": f"{NAME}", "UR": f"http://{NAME}", "DA": BORN, "DT": f"{BORN}101112",
    "UI": f"1.2.{NUMBER}", "AS": "054Y",
}  # fmt: skip
_CODES = {"CS": NAME.upper()}
# What tells whether a file is a film, and how it looks.
_KEPT = (
    "SOPClassUID", "Modality", "BodyPartExamined", "ViewPosition", "PhotometricInterpretation",
    "PresentationLUTShape", "VOILUTFunction", "PresentationIntentType", "BurnedInAnnotation",
    "PatientOrientation", "SpecificCharacterSet",
)  # fmt: skip
_FIRST, _LAST = 0x00080000, 0x00400000  # groups of an image


def planted_film(number: int, seed: int, codes: bool = False) -> bytes:
    """Returns a film whose every text element identifies somebody.

    Args:
        number: Of the patient.
        seed: Of the drawing.
        codes: Whether the elements of coded words do so too, whatever that makes of the file.
    """
    film = dataset_of(draw_film(seed, 96).astype(np.uint16) * 16, 12)
    texts = {**_TEXTS, **(_CODES if codes else {})}
    for tag, (kind, _, _, retired, keyword) in DicomDictionary.items():
        kept = keyword in _KEPT and not codes
        if not retired and not kept and _FIRST <= tag < _LAST and keyword and kind in texts:
            setattr(film, keyword, texts[kind])
    film.PatientID = f"{NAME}{number}"
    film.AccessionNumber = f"{NAME}A{seed}"
    film.SOPInstanceUID = f"1.2.{NUMBER}.{seed}"
    film.StudyDate = f"{STUDIED[:-1]}{seed % 10}"
    film.RequestAttributesSequence = [Dataset()]
    film.RequestAttributesSequence[0].RequestedProcedureDescription = f"seen {NAME}"
    film.add_new(0x00091001, "LO", f"{NAME} {NUMBER}")
    assert len(keyword_dict) > 1000 and sum(NAME in str(one.value) for one in film) > 100
    return encoded(film)


def _planted_mask() -> bytes:
    """Returns a lesion drawn on a film of `planted_film`, in a file that says whose it is."""
    drawn = np.zeros((96, 96), np.uint8)
    drawn[30:50, 20:40] = 255
    texts = PngInfo()
    texts.add_text("Comment", f"{NAME} {NUMBER} {BORN}")
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def write_planted_tree(root: Path, films: int) -> None:
    """Writes DICOM files and masks, named for patients as their folders are, with labels."""
    rows = ["Accession Number,Patient Name,Birth Date,label,comment,lesion_mask"]
    (root / f"{NAME} masks").mkdir(parents=True)
    for seed in range(films):
        number = seed // 2
        folder = root / f"{NAME}_{number}" / f"{STUDIED}_{NUMBER}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{NAME}^{seed}").write_bytes(planted_film(number, seed))
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        mask = f"{NAME} masks/{NAME}{seed}.png" if number % 2 else ""
        if mask:
            (root / mask).write_bytes(_planted_mask())
        rows.append(f"{NAME}A{seed},{NAME}^Jane,{BORN},{label},seen {NAME},{mask}")
    rows.append(f"{NAME}A{films},{NAME}^Joe,{BORN},NORMAL,,")
    (root / f"{NAME} cut.dcm").write_bytes(planted_film(0, 0)[:-9000])
    # Of a patient with whole films: pseudonyms are random, and so is who makes up a split.
    cut = dcmread(io.BytesIO(planted_film(0, films + 1)))
    cut.PixelData = cut.PixelData[:-4000]
    (root / f"{NAME} short.dcm").write_bytes(encoded(cut))
    rows.append(f"{NAME}A{films + 1},,,NORMAL,,")
    (root / f"{NAME} coded.dcm").write_bytes(planted_film(films, films + 2, codes=True))
    (root / f"{NAME} no row.dcm").write_bytes(planted_film(films, films + 3))
    (root / f"{NAME} report.pdf").write_bytes(b"%PDF-")
    (root / f"{NAME}_0" / f"{NAME}.csv").write_text("x", encoding="utf-8")
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")


def found_in(folder: Path) -> list[str]:
    """Returns the files below a folder that hold something planted, in name or content."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder)).encode()
        contents = _contents(path) if path.is_file() and not path.is_symlink() else ()
        for content in (name, *contents):
            hit = PLANTED.search(content)
            if hit:
                found.append(f"{path.relative_to(folder)}: {hit[0]!r}")
                break
    return found


def _contents(path: Path) -> Iterator[bytes]:
    """Yields what a file holds: its bytes, its rows, and what is packed into it."""
    data = path.read_bytes()
    yield data
    yield data.replace(b"\0", b"")  # as UTF-16
    if data.startswith(b"SQLite format 3"):
        with sqlite3.connect(path) as database:
            yield "\n".join(database.iterdump()).encode()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
        yield data
    for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", data):
        unpacker = zlib.decompressobj(wbits=47)  # zlib or gzip
        try:
            yield unpacker.decompress(data[start.start() :], 1 << 22)
        except zlib.error:
            continue
