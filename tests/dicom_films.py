"""DICOM files for tests: drawn films in every transfer syntax, with whatever tags."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

CR = "1.2.840.10008.5.1.4.1.1.1"
CHEST_PA = {"Modality": "DX", "BodyPartExamined": "CHEST", "ViewPosition": "PA"}

_GDCM_SYNTAXES = {
    uid.JPEGBaseline8Bit: gdcm.TransferSyntax.JPEGBaselineProcess1,
    uid.JPEGExtended12Bit: gdcm.TransferSyntax.JPEGExtendedProcess2_4,
    uid.JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    uid.JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    uid.JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
    uid.JPEGLSNearLossless: gdcm.TransferSyntax.JPEGLSNearLossless,
    uid.JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    uid.JPEG2000: gdcm.TransferSyntax.JPEG2000,
    uid.RLELossless: gdcm.TransferSyntax.RLELossless,
}


def dataset_of(
    values: np.ndarray, stored: int = 0, syntax: str = uid.ExplicitVRLittleEndian, **tags: Any
) -> Dataset:
    """Describes a grey film.

    Args:
        values: `[height, width]` of 8 or 16 bit integers.
        stored: Bits stored; 0 for all of them.
        syntax: Uncompressed transfer syntax.
        tags: Further elements by keyword; None takes one away.
    """
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = uid.UID(syntax)
    film.SOPClassUID = CR
    film.SOPInstanceUID = "1.2.3"
    film.Rows, film.Columns = values.shape
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.BitsAllocated = 8 * values.itemsize
    film.BitsStored = stored or film.BitsAllocated
    film.HighBit = film.BitsStored - 1
    film.PixelRepresentation = int(values.dtype.kind == "i")
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    film.PixelData = values.astype(values.dtype.newbyteorder(order)).tobytes()
    film.PixelData += b"\0" * (len(film.PixelData) % 2)
    film["PixelData"].VR = "OW" if values.itemsize == 2 else "OB"
    for keyword, value in {**CHEST_PA, **tags}.items():
        if value is None:
            if keyword in film:
                delattr(film, keyword)
        else:
            setattr(film, keyword, value)
    if "SOPClassUID" in film:
        film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.get("SOPInstanceUID", "1.2.3")
    return film


def encoded(film: Dataset) -> bytes:
    """Returns the file of a film."""
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()


def dicom_file(values: np.ndarray, stored: int = 0, **tags: Any) -> bytes:
    """Returns the file of `dataset_of`."""
    return encoded(dataset_of(values, stored, **tags))


def compressed(data: bytes, syntax: str) -> bytes:
    """Compresses an uncompressed file by GDCM.

    Args:
        data: The file.
        syntax: One that GDCM writes.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
        plain.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(_GDCM_SYNTAXES[uid.UID(syntax)]))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(packed))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return packed.read_bytes()


def drawn_values(
    stored: int, signed: bool = False, shape: tuple[int, int] = (80, 96)
) -> np.ndarray:
    """Draws a noisy ramp over all values that some bits can hold."""
    whole = 1 << stored
    noise = np.random.default_rng(0).normal(0, whole / 60, shape)
    ramp = np.linspace(0, whole - 1, shape[0] * shape[1]).reshape(shape)
    values = np.clip(ramp + noise, 0, whole - 1).round() - (whole // 2 if signed else 0)
    kind = "int" if signed else "uint"
    return values.astype(f"{kind}{8 if stored <= 8 else 16}")
