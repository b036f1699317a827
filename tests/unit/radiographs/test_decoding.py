"""Usable films give their facts; every other file one reason."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from radiographs.decoding import inspect_image, sha256_of
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions

SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"
OPTIONS = IngestOptions()


def drawing(height: int = 120, width: int = 160, levels: int = 256) -> np.ndarray:
    """Draws a smooth gradient with noise, [height, width] in [0, levels)."""
    noise = np.random.default_rng(0).normal(0, levels / 30, (height, width))
    return np.clip(np.linspace(0, 0.8 * levels, width) + noise, 0, levels - 1)


def encode(mode: str, image_format: str, size: tuple[int, int] = (120, 160), **save: Any) -> bytes:
    image = Image.fromarray(drawing(*size).astype(np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, image_format, **save)
    return file.getvalue()


def reason_of(data: bytes, options: IngestOptions = OPTIONS) -> str:
    with pytest.raises(UnusableImage) as error:
        inspect_image(data, options)
    assert str(error.value) == error.value.reason
    return error.value.reason


def opencv_mean(data: bytes) -> float:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE).mean() / 255


class TestUsable:
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    @pytest.mark.parametrize(
        ("image_format", "save"),
        [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})],
    )
    def test_facts(self, mode: str, image_format: str, save: dict[str, Any]) -> None:
        data = encode(mode, image_format, **save)
        facts = inspect_image(data, OPTIONS)
        assert (facts.width_px, facts.height_px, facts.source_format) == (160, 120, image_format)
        assert facts.mean_intensity == pytest.approx(opencv_mean(data), abs=1e-3)

    def test_large_jpeg_is_measured_at_its_stored_size(self) -> None:
        data = encode("L", "JPEG", (1111, 1507))
        facts = inspect_image(data, OPTIONS)
        assert (facts.width_px, facts.height_px) == (1507, 1111)
        assert facts.mean_intensity == pytest.approx(opencv_mean(data), abs=1e-3)

    def test_16_bit_png(self) -> None:
        pixels = drawing(levels=4096).astype(np.uint16)
        facts = inspect_image(cv2.imencode(".png", pixels)[1].tobytes(), OPTIONS)
        assert facts.mean_intensity == pytest.approx(pixels.mean() / 65535, abs=1e-9)
        assert facts.source_format == "PNG"

    def test_16_bit_rgb_png(self) -> None:
        pixels = drawing(levels=65536).astype(np.uint16)
        data = cv2.imencode(".png", np.stack([pixels] * 3, axis=-1))[1].tobytes()
        facts = inspect_image(data, OPTIONS)
        assert facts.mean_intensity == pytest.approx(pixels.mean() / 65535, abs=0.005)

    def test_bytes_after_the_end_do_no_harm(self) -> None:
        for data in (encode("L", "JPEG"), encode("L", "PNG")):
            assert inspect_image(data + b"trailer", OPTIONS) == inspect_image(data, OPTIONS)

    @pytest.mark.parametrize("folder", ["kermany224", "kermany_original", "nih_adult"])
    def test_real_radiographs(self, folder: str) -> None:
        paths = sorted((SHARED_DATA / folder).rglob("*.jpeg"))
        if not paths:
            pytest.skip(f"needs the radiographs of ../shared/data/{folder}")
        for path in paths[:: len(paths) // 12]:
            data = path.read_bytes()
            facts = inspect_image(data, OPTIONS)
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
            assert (facts.height_px, facts.width_px) == pixels.shape
            assert facts.mean_intensity == pytest.approx(pixels.mean() / 255, abs=2e-3)


class TestUnusable:
    def test_empty(self) -> None:
        assert reason_of(b"").startswith("the file is empty")

    @pytest.mark.parametrize("data", [b"path,label\n", b"\0" * 500, b"\xff\xd8", b"\x89PNG"])
    def test_no_image(self, data: bytes) -> None:
        assert reason_of(data) == "the content is no image; only JPEG and PNG are read"

    @pytest.mark.parametrize(
        ("image_format", "name"),
        [("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"), ("WEBP", "WebP"),
         ("JPEG2000", "JPEG 2000")],
    )  # fmt: skip
    def test_other_image_formats(self, image_format: str, name: str) -> None:
        expected = f"the content is {name}, not JPEG or PNG; convert it to PNG"
        assert reason_of(encode("L", image_format)) == expected

    def test_dicom(self) -> None:
        assert "is DICOM" in reason_of(bytes(128) + b"DICM" + bytes(100))

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    def test_truncated_anywhere(self, image_format: str) -> None:
        data = encode("L", image_format)
        last = len(data) - 1
        for length in {8, 20, 60, last // 4, last // 2, last - 20, last - 13, last - 2, last}:
            assert "truncated or damaged" in reason_of(data[:length]), length

    def test_large_jpeg_truncated_where_it_is_shrunk_while_decoding(self) -> None:
        data = encode("L", "JPEG", (1111, 1507))
        for length in (len(data) // 2, len(data) - 1000, len(data) - 1):
            assert "truncated or damaged" in reason_of(data[:length])

    def test_jpeg_whose_scan_breaks_off_although_it_has_an_end(self) -> None:
        data = encode("L", "JPEG")
        middle = len(data) // 2
        assert "damaged" in reason_of(data[:middle] + b"\xff\xe1\x00\x08" + data[middle + 4 :])

    def test_png_with_a_wrong_checksum(self) -> None:
        data = bytearray(encode("L", "PNG"))
        data[-20] ^= 1
        assert "truncated or damaged" in reason_of(bytes(data))

    def test_cmyk_jpeg(self) -> None:
        assert reason_of(encode("CMYK", "JPEG")) == "the colours are CMYK; convert it to grey"

    @pytest.mark.parametrize(
        ("mode", "words"),
        [("P", "palette"), ("LA", "transparency"), ("RGBA", "transparency"), ("1", "grey levels")],
    )
    def test_png_pixel_formats(self, mode: str, words: str) -> None:
        assert words in reason_of(encode(mode, "PNG"))

    @pytest.mark.parametrize(
        ("size", "sentence"),
        [
            ((1, 1), "1 x 1 pixels is too small for a film; below data.min_side_px=64"),
            ((63, 200), "200 x 63 pixels is too small for a film; below data.min_side_px=64"),
            ((301, 200), "200 x 301 pixels is too large for a film; above data.max_side_px=300"),
        ],
    )
    def test_sides(self, size: tuple[int, int], sentence: str) -> None:
        assert reason_of(encode("L", "PNG", size), IngestOptions(max_side_px=300)) == sentence

    def test_sides_at_the_bounds_are_usable(self) -> None:
        options = IngestOptions(max_side_px=300)
        assert inspect_image(encode("L", "PNG", (64, 300)), options).width_px == 300

    def test_a_bomb_is_refused_by_its_header(self) -> None:
        """The header announces 60,000 x 60,000 pixels; decoding none of them would fail."""

        def chunk(name: bytes, content: bytes) -> bytes:
            checksum = zlib.crc32(name + content)
            return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
        pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")
        assert "60000 x 60000 pixels is too large" in reason_of(data)

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_constant(self, image_format: str, mode: str) -> None:
        file = io.BytesIO()
        Image.new(mode, (300, 300), 77 if mode == "L" else (77, 77, 77)).save(file, image_format)
        assert reason_of(file.getvalue()) == "all pixels are equal; it has no content"


def test_sha256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_of(b"abc") == expected == hashlib.sha256(b"abc").hexdigest()
