"""Stored values become grey levels as the standard says, by values worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.sequence import Sequence

from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.formats.dicom.grey_scale import grey_levels_of
from radiographs.formats.dicom.pixels import describe_pixels, stored_patterns
from radiographs.formats.dicom.reading import is_dicom, read_header, read_pixels
from radiographs.options import IngestOptions
from tests.dicom_films import dataset_of, dicom_file, drawn_values, encoded

SHARED_DICOM = Path(__file__).parents[4] / "shared" / "data" / "dicom"
PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


WINDOW_TO_100 = {"WindowCenter": 50.5, "WindowWidth": 101}


def shown(data: bytes) -> np.ndarray:
    """What a film shows, whatever its tags say that it is."""
    description = describe_pixels(read_header(data).tags)
    file = read_pixels(data, 1 << 24)
    return grey_levels_of(stored_patterns(file, description), file, description)


def levels_of(*values: int, dtype: Any = np.uint16, **tags: Any) -> list[int]:
    """Shows a film of one row."""
    return shown(dicom_file(np.array([values], dtype), **tags))[0].tolist()


def lut(first: int, entries: list[int], bits: int) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    return Sequence([item])


class TestWindow:
    def test_linear(self) -> None:
        # PS3.3 C.11.2.1.2.1: ((x - 99.5) / 100 + 0.5) * 255 for centre 100 and width 101.
        assert levels_of(0, 49, 50, 100, 149, 150, 4000, WindowCenter=100, WindowWidth=101) == [
            0, 0, 1, 129, 254, 255, 255,
        ]  # fmt: skip

    def test_linear_exact(self) -> None:
        # ((x - 100) / 100 + 0.5) * 255
        tags = {"WindowCenter": 100, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}
        assert levels_of(50, 62, 100, 150, 151, **tags) == [0, 31, 128, 255, 255]

    def test_sigmoid(self) -> None:
        # 255 / (1 + exp(-4 (x - 100) / 50))
        tags = {"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "SIGMOID"}
        assert levels_of(0, 75, 100, 125, 200, **tags) == [0, 30, 128, 225, 255]

    def test_of_one_value_is_a_threshold(self) -> None:
        assert levels_of(98, 99, 100, WindowCenter=100, WindowWidth=1) == [0, 0, 255]

    def test_the_first_of_several(self) -> None:
        several = {"WindowCenter": [100, 9], "WindowWidth": [101, 2]}
        assert levels_of(50, 100, **several) == levels_of(
            50, 100, WindowCenter=100, WindowWidth=101
        )

    def test_comes_after_slope_and_intercept(self) -> None:
        # 2 x - 1000 is 0 and 100 where x is 500 and 550.
        tags = {"RescaleSlope": 2, "RescaleIntercept": -1000}
        window = WINDOW_TO_100
        assert levels_of(500, 510, 550, **tags, **window) == [0, 51, 255]

    @pytest.mark.parametrize("width", [0, -3, 0.5])
    def test_that_cannot_be_is_refused(self, width: float) -> None:
        with pytest.raises(UnusableImage, match=r"its window \(0028,1051\) is"):
            levels_of(1, 2, WindowCenter=1, WindowWidth=width)

    def test_that_is_empty_is_none(self) -> None:
        assert levels_of(10, 20, 30, WindowCenter="", WindowWidth="") == [0, 128, 255]


class TestTables:
    def test_voi_lut(self) -> None:
        # Values up to 10 get the first entry, those from 13 the last one; 1023 of 10 bits is white.
        table = {"VOILUTSequence": lut(10, [0, 341, 682, 1023], 10)}
        assert levels_of(0, 10, 11, 12, 13, 999, **table) == [0, 0, 85, 170, 255, 255]

    def test_voi_lut_of_8_bits_and_many_entries(self) -> None:
        entries = [place // 4 for place in range(1024)]
        table = {"VOILUTSequence": lut(0, entries, 8)}
        assert levels_of(0, 400, 1023, 4000, **table) == [0, 100, 255, 255]

    def test_voi_lut_goes_before_a_window(self) -> None:
        table = {"VOILUTSequence": lut(0, [1023, 0], 10), "WindowCenter": 1, "WindowWidth": 1}
        assert levels_of(0, 1, **table) == [255, 0]

    def test_modality_lut(self) -> None:
        table = {"ModalityLUTSequence": lut(5, [100, 50, 0], 12)}
        window = WINDOW_TO_100
        assert levels_of(0, 5, 6, 7, **table, **window) == [255, 255, 128, 0]

    def test_with_entries_missing_is_refused(self) -> None:
        table = lut(0, [1, 2], 10)
        table[0].LUTDescriptor = [9, 0, 10]
        with pytest.raises(UnusableImage, match="fewer entries"):
            levels_of(0, 1, VOILUTSequence=table)


class TestPolarity:
    @pytest.mark.parametrize(
        "tags",
        [
            {"PhotometricInterpretation": "MONOCHROME1"},
            {"PresentationLUTShape": "INVERSE"},
            {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
            {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
        ],
    )
    def test_low_is_white(self, tags: dict[str, str]) -> None:
        assert levels_of(0, 20, 100, **WINDOW_TO_100, **tags) == [255, 204, 0]

    def test_low_is_black(self) -> None:
        assert levels_of(0, 20, 100, **WINDOW_TO_100, PresentationLUTShape="IDENTITY") == [
            0,
            51,
            255,
        ]


class TestStoredBits:
    def test_range_of_more_than_8_bits_is_that_of_the_film(self) -> None:
        assert levels_of(100, 150, 200) == [0, 128, 255]

    def test_range_of_8_bits_is_whole(self) -> None:
        assert levels_of(100, 150, 200, dtype=np.uint8) == [100, 150, 200]

    def test_signed(self) -> None:
        assert levels_of(-50, 0, 50, dtype=np.int16) == [0, 128, 255]
        # 12 bits: 4095 is -1, 2048 is -2048.
        bits = {"stored": 12, "PixelRepresentation": 1}
        window = {"WindowCenter": 0.5, "WindowWidth": 4096}
        assert levels_of(2048, 4095, 2047, **bits, **window) == [0, 127, 255]

    def test_overlays_above_and_below_are_masked(self) -> None:
        window = WINDOW_TO_100
        above = [0xF000 | 20, 0x8000 | 100]
        assert levels_of(*above, stored=12, **window) == [51, 255]
        shifted = [20 << 4 | 0xF, 100 << 4 | 3]
        assert levels_of(*shifted, stored=12, HighBit=15, **window) == [51, 255]

    def test_big_endian(self) -> None:
        for dtype in (np.uint8, np.uint16):
            values = drawn_values(8).astype(dtype)
            big = dicom_file(values, syntax=uid.ExplicitVRBigEndian)
            assert np.array_equal(shown(big), shown(dicom_file(values)))

    def test_bytes_of_big_endian_words(self) -> None:
        values = np.array([[1, 2, 3, 4]], np.uint8)
        film = dicom_file(values, syntax=uid.ExplicitVRBigEndian)
        # PS3.5 8.1.1: of OW the first pixel is the lower byte, which comes second.
        as_words = film.replace(b"\x7f\xe0\0\x10OB", b"\x7f\xe0\0\x10OW")
        assert as_words != film
        assert shown(film).tolist() == [[1, 2, 3, 4]]
        assert shown(as_words).tolist() == [[2, 1, 4, 3]]


class TestPadding:
    def test_is_black_and_does_not_stretch(self) -> None:
        assert levels_of(9999, 100, 150, 200, PixelPaddingValue=9999) == [0, 0, 128, 255]

    def test_is_black_where_low_is_white(self) -> None:
        tags = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0}
        assert levels_of(0, 100, 150, 200, **tags) == [0, 255, 128, 0]

    @pytest.mark.parametrize("ends", [(9000, 9999), (9999, 9000)])
    def test_range(self, ends: tuple[int, int]) -> None:
        tags = {"PixelPaddingValue": ends[0], "PixelPaddingRangeLimit": ends[1]}
        assert levels_of(9000, 9500, 9999, 100, 200, **tags) == [0, 0, 0, 0, 255]

    def test_of_signed_pixels(self) -> None:
        values = (-2000, -1000, 0, 1000)
        assert levels_of(*values, dtype=np.int16, PixelPaddingValue=-2000) == [0, 0, 128, 255]

    def test_written_with_the_other_sign(self) -> None:
        film = dataset_of(np.array([[-2000, -1000, 0, 1000]], np.int16))
        film.add_new("PixelPaddingValue", "US", 65536 - 2000)
        assert shown(encoded(film))[0].tolist() == [0, 0, 128, 255]

    def test_alone_is_no_film(self) -> None:
        with pytest.raises(UnusableImage, match="all of its pixels are padding"):
            levels_of(7, 7, PixelPaddingValue=7)


def by_pydicom(film: Dataset) -> np.ndarray | None:
    """What pydicom's own functions make of a file, in [0, 255], or None where they cannot."""
    try:
        values = pixel_array(film)
        levels = apply_voi_lut(apply_modality_lut(values, film), film).astype(float)
    except (RuntimeError, ValueError, AttributeError, NotImplementedError):
        return None
    if film.get("WindowWidth"):
        whole = 2**film.BitsStored
        ends = np.array([0, whole - 1]) - (whole // 2 if film.PixelRepresentation else 0)
        low, high = apply_modality_lut(ends, film)
    elif film.BitsStored == 8:
        low, high = 0, 255
    else:
        low, high = levels.min(), levels.max()
    share = (levels - low) / (high - low)
    return 255 * (1 - share if film.PhotometricInterpretation == "MONOCHROME1" else share)


def test_every_grey_file_of_pydicom_is_shown_as_pydicom_shows_it() -> None:
    compared = 0
    for path in sorted(PYDICOM_FILES.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        if not is_dicom(data):
            continue
        expected = by_pydicom(pydicom.dcmread(path, force=True))
        try:
            levels = shown(data)
        except UnusableImage:
            assert expected is None or expected.ndim != 2 or _is_of_other_kind(path), path.name
            continue
        if expected is not None:
            assert np.abs(levels - expected).max() < 0.5001, path.name
            compared += 1
    assert compared >= 45


def _is_of_other_kind(path: Path) -> bool:
    film = pydicom.dcmread(path, force=True)
    return film.BitsAllocated in (1, 32) or film.PhotometricInterpretation == "PALETTE COLOR"


def test_12_bit_jpeg_of_pydicom_has_the_levels_that_its_header_tells() -> None:
    path = PYDICOM_FILES / "JPGExtended.dcm"
    data = path.read_bytes()
    description = describe_pixels(read_header(data).tags)
    patterns = stored_patterns(read_pixels(data, 1 << 24), description)
    # pydicom's test of the same file by other codecs: pixels (420, 140) and (230, 120).
    assert (patterns[420, 140], patterns[230, 120]) == (244, 95)


@pytest.mark.parametrize("name", ["RG1_J2KI.dcm", "nih_*.dcm"])
def test_real_radiographs(name: str) -> None:
    paths = list(SHARED_DICOM.glob(name))
    if not paths:
        pytest.skip("needs the radiographs of ../shared/data/dicom")
    film = read_film(paths[0].read_bytes(), IngestOptions())
    expected = by_pydicom(pydicom.dcmread(paths[0]))
    assert expected is not None
    assert np.abs(film.grey - expected).max() < 0.5001
