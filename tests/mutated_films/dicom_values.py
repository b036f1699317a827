"""DICOM films whose elements are well written and say what is not true."""

from __future__ import annotations

from tests.dicom_films import encoded
from tests.mutated_films.dicom_parts import native_film, parsed
from tests.mutated_films.formats import SIDE_PX
from tests.mutated_films.spoiling import LARGEST_SIDE_PX, Damages, Random, Spoil


def _setting(**values: object) -> Spoil:
    """Writes elements, whatever is true."""

    def spoil(data: bytes, random: Random) -> bytes:
        film = parsed(data)
        for keyword, value in values.items():
            setattr(film, keyword, value)
        return encoded(film)

    return spoil


def _half_the_pixels(data: bytes, random: Random) -> bytes:
    film = native_film(data, random)
    film.PixelData = film.PixelData[: len(film.PixelData) // 4 * 2]
    return encoded(film)


DAMAGES: Damages = {
    "DICOM: half of the pixels": _half_the_pixels,
    "DICOM: rows of another film": _setting(Rows=SIDE_PX * 2),
    "DICOM: 65,535 rows and columns": _setting(Rows=65_535, Columns=65_535),
    "DICOM: 100 megapixels that are not there": _setting(
        Rows=LARGEST_SIDE_PX, Columns=LARGEST_SIDE_PX
    ),
    "DICOM: no rows": _setting(Rows=0),
    "DICOM: bits that do not fit": _setting(BitsStored=40, HighBit=39),
    "DICOM: 32 bits allocated": _setting(BitsAllocated=32),
    "DICOM: a million frames": _setting(NumberOfFrames=1_000_000),
    "DICOM: a window of no width": _setting(WindowCenter=0, WindowWidth=0),
    "DICOM: a slope of 1e300": _setting(RescaleSlope="1e300", RescaleIntercept="1e300"),
}
