"""Pixels as a sound file, in every format and transfer syntax that is read."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from PIL import Image
from pydicom import uid

from tests.dicom_films import compressed, dataset_of, encoded

SIDE_PX = 96
PNG, JPEG, DICOM = SUFFIXES = (".png", ".jpg", ".dcm")
NATIVE = (
    uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)  # fmt: skip
PACKED = (
    uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless,
    uid.JPEG2000Lossless, uid.RLELossless,
)  # fmt: skip
_DEEP_BITS = 12
_Writer = Callable[[np.ndarray], bytes]


def picture_file(picture: Image.Image, file_format: str, **save: object) -> bytes:
    """Returns the file that Pillow writes."""
    file = io.BytesIO()
    picture.save(file, file_format, **save)
    return file.getvalue()


def dicom_film(pixels: np.ndarray, syntax: str, deep: bool = True) -> bytes:
    """Returns a DICOM file, with the identity of its pixels.

    Args:
        pixels: `[height, width]` uint8.
        syntax: Any of `NATIVE`, or one that GDCM writes.
        deep: Of 12 bits, not 8.
    """
    values, stored = (_deep(pixels), _DEEP_BITS) if deep else (pixels, 8)
    native = syntax in NATIVE
    plain = syntax if native else uid.ExplicitVRLittleEndian
    number = zlib.crc32(pixels.tobytes())
    data = encoded(dataset_of(values, stored, plain, PatientID=f"p{number}", StudyDate="20200102"))
    return data if native else compressed(data, syntax)


def _coloured(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([pixels, pixels, np.roll(pixels, 1)], axis=-1))


def _turned(pixels: np.ndarray) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture_file(_coloured(pixels), "JPEG", exif=exif.tobytes(), quality=90)


def _deep(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels.astype(np.uint16) << (_DEEP_BITS - 8), np.uint16)


def _writer_of(syntax: str) -> _Writer:
    return lambda pixels: dicom_film(pixels, syntax)


FORMATS: Mapping[str, tuple[str, _Writer]] = {
    "grey JPEG": (JPEG, lambda p: picture_file(Image.fromarray(p), "JPEG", quality=95)),
    "progressive JPEG": (
        JPEG,
        lambda p: picture_file(Image.fromarray(p), "JPEG", progressive=True, comment=b"a comment"),
    ),
    "JPEG in colours": (JPEG, lambda p: picture_file(_coloured(p), "JPEG", quality=90)),
    "turned JPEG": (JPEG, _turned),
    "grey PNG": (PNG, lambda p: picture_file(Image.fromarray(p), "PNG")),
    "PNG of 16 bits": (PNG, lambda p: cv2.imencode(".png", _deep(p))[1].tobytes()),
    "PNG in colours": (PNG, lambda p: picture_file(_coloured(p), "PNG")),
    "PNG with a palette": (PNG, lambda p: picture_file(Image.fromarray(p).convert("P"), "PNG")),
    "opaque PNG with alpha": (PNG, lambda p: picture_file(_coloured(p).convert("RGBA"), "PNG")),
    **{f"DICOM, {uid.UID(one).name}": (DICOM, _writer_of(one)) for one in (*NATIVE, *PACKED)},
    "DICOM, JPEG of 8 bits": (DICOM, lambda p: dicom_film(p, uid.JPEGBaseline8Bit, deep=False)),
    "DICOM without a preamble": (DICOM, lambda p: dicom_film(p, uid.ExplicitVRLittleEndian)[132:]),
}
