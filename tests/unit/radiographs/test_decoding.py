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
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from radiographs.decoding import film_size, grey_levels, read_film, sha256_of
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


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def reason_of(data: bytes, options: IngestOptions = OPTIONS) -> str:
    with pytest.raises(UnusableImage) as error:
        read_film(data, options)
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
        facts = read_film(data, OPTIONS).facts
        assert (facts.width_px, facts.height_px, facts.source_format) == (160, 120, image_format)
        assert facts.mean_intensity == pytest.approx(opencv_mean(data), abs=1e-3)

    def test_large_jpeg_is_measured_at_its_stored_size(self) -> None:
        data = encode("L", "JPEG", (1111, 1507))
        facts = read_film(data, OPTIONS).facts
        assert (facts.width_px, facts.height_px) == (1507, 1111)
        assert facts.mean_intensity == pytest.approx(opencv_mean(data), abs=1e-3)

    def test_16_bit_png(self) -> None:
        pixels = drawing(levels=4096).astype(np.uint16)
        facts = read_film(cv2.imencode(".png", pixels)[1].tobytes(), OPTIONS).facts
        stretched = (pixels - pixels.min()) / np.ptp(pixels)
        assert facts.mean_intensity == pytest.approx(stretched.mean(), abs=1e-3)
        assert facts.source_format == "PNG"

    def test_16_bit_rgb_png(self) -> None:
        pixels = drawing(levels=65536).astype(np.uint16)
        data = cv2.imencode(".png", np.stack([pixels] * 3, axis=-1))[1].tobytes()
        facts = read_film(data, OPTIONS).facts
        stretched = (pixels - pixels.min()) / np.ptp(pixels)
        assert facts.mean_intensity == pytest.approx(stretched.mean(), abs=1e-3)

    def test_bytes_after_the_end_do_no_harm(self) -> None:
        for data in (encode("L", "JPEG"), encode("L", "PNG")):
            assert read_film(data + b"trailer", OPTIONS).encoded == read_film(data, OPTIONS).encoded

    @pytest.mark.parametrize("folder", ["kermany224", "kermany_original", "nih_adult"])
    def test_real_radiographs(self, folder: str) -> None:
        paths = sorted((SHARED_DATA / folder).rglob("*.jpeg"))
        if not paths:
            pytest.skip(f"needs the radiographs of ../shared/data/{folder}")
        for path in paths[:: len(paths) // 12]:
            data = path.read_bytes()
            facts = read_film(data, OPTIONS).facts
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
            assert (facts.height_px, facts.width_px) == pixels.shape
            assert facts.mean_intensity == pytest.approx(pixels.mean() / 255, abs=2e-3)


class TestCanonical:
    """Whatever a file is, what goes on is grey, 8 bit, upright, and looks the same."""

    @pytest.mark.parametrize(
        ("mode", "image_format", "save"),
        [
            ("L", "JPEG", {}),
            ("L", "JPEG", {"progressive": True}),
            ("L", "PNG", {}),
            ("RGB", "JPEG", {}),
            ("CMYK", "JPEG", {}),
            ("RGB", "PNG", {}),
            ("RGBA", "PNG", {}),
            ("LA", "PNG", {}),
            ("P", "PNG", {}),
        ],
    )
    def test_any_kind_of_picture_becomes_a_grey_one(
        self, mode: str, image_format: str, save: dict[str, Any]
    ) -> None:
        data = encode(mode, image_format, **save)
        film = read_film(data, OPTIONS)
        canonical = Image.open(io.BytesIO(film.encoded))
        seen = Image.open(io.BytesIO(data)).convert("RGB").convert("L")
        assert canonical.mode == "L"
        np.testing.assert_allclose(np.asarray(canonical, int), np.asarray(seen, int), atol=1)
        np.testing.assert_array_equal(film.grey, np.asarray(canonical))
        assert film_size(film.encoded) == (160, 120)

    @pytest.mark.parametrize("colour_type", ["L", "RGB", "RGBA", "LA", "P"])
    def test_what_lets_the_background_through_is_refused(self, colour_type: str) -> None:
        picture = Image.fromarray(drawing().astype(np.uint8)).convert(colour_type)
        if colour_type in ("RGBA", "LA"):
            alpha = Image.new("L", picture.size, 255)
            alpha.putpixel((3, 3), 254)
            picture.putalpha(alpha)
            save = {}
        else:  # one colour or level of the picture is said to be clear
            save = {"transparency": picture.getpixel((5, 5))}
        file = io.BytesIO()
        picture.save(file, "PNG", **save)
        assert "transparent" in reason_of(file.getvalue())

    @pytest.mark.parametrize("channels", [3, 4])
    def test_16_bit_colours_keep_levels_below_256(self, channels: int) -> None:
        grey = drawing(levels=200).astype(np.uint16)
        layers = [grey] * 3 + [np.full_like(grey, 65535)] * (channels - 3)
        data = cv2.imencode(".png", np.stack(layers, axis=-1))[1].tobytes()
        expected = np.round((grey - grey.min()) / np.ptp(grey) * 255)
        np.testing.assert_allclose(read_film(data, OPTIONS).grey, expected, atol=1)

    def test_a_chunk_about_the_screen_does_not_change_the_weight_of_a_colour(self) -> None:
        red = np.zeros((80, 80, 3), np.uint8)
        red[..., 0] = np.linspace(0, 255, 80)
        plain = io.BytesIO()
        Image.fromarray(red).save(plain, "PNG")
        gamma = png_chunk(b"gAMA", struct.pack(">I", 45455))
        data = plain.getvalue()[:33] + gamma + plain.getvalue()[33:]
        expected = np.round(0.299 * red[..., 0])
        np.testing.assert_allclose(read_film(data, OPTIONS).grey, expected, atol=1)

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_film_is_turned_as_a_viewer_turns_it(
        self, image_format: str, orientation: int
    ) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode("L", image_format, exif=exif.tobytes())
        seen = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        film = read_film(data, OPTIONS)
        np.testing.assert_array_equal(film.grey, np.asarray(seen))
        assert (film.facts.width_px, film.facts.height_px) == seen.size
        assert Image.open(io.BytesIO(film.encoded)).getexif().get(0x0112, 1) == 1

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    def test_no_metadata_is_handed_on(self, image_format: str) -> None:
        exif = Image.Exif()
        exif[0x010E] = "Jane Doe 1970-01-01"
        save: dict[str, Any] = {"exif": exif.tobytes()}
        if image_format == "JPEG":
            save |= {"comment": b"Jane Doe", "icc_profile": b"Jane Doe" * 20_000}
        else:
            text = PngInfo()
            text.add_text("Patient", "Jane Doe")
            text.add_itxt("XML:com.adobe.xmp", "Jane Doe " * 250_000, zip=True)
            save |= {"pnginfo": text}
        data = encode("L", image_format, **save)
        film = read_film(data, OPTIONS)
        assert b"Jane" in data
        assert b"Jane" not in film.encoded
        np.testing.assert_array_equal(film.grey, np.asarray(Image.open(io.BytesIO(film.encoded))))

    def test_a_grey_film_keeps_its_compressed_picture(self) -> None:
        data = encode("L", "JPEG")
        assert read_film(data, OPTIONS).encoded == data

    def test_comments_may_stand_anywhere_in_a_jpeg(self) -> None:
        data = encode("L", "JPEG")
        comment = b"\xff\xfe\x00\x0bcomment.."
        commented = data[:2] + comment + data[2:-2] + comment + data[-2:]
        assert read_film(commented, OPTIONS).encoded == data

    @pytest.mark.parametrize("padding", [0, 1, 5])
    def test_restarts_and_padded_markers_do_not_end_a_jpeg(self, padding: int) -> None:
        grey = drawing().astype(np.uint8)
        jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes()
        assert b"\xff\xd0" in jpeg and b"\xff\x00" in jpeg
        padded = jpeg[:-2] + b"\xff" * padding + jpeg[-2:]
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        film = read_film(padded + b"\xff\xda after the end", OPTIONS)
        np.testing.assert_array_equal(film.grey, decoded)
        assert film.encoded.startswith(jpeg[:-2])

    @pytest.mark.parametrize("side_px", [40, 100, 1000])
    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    def test_grey_levels_are_reduced_by_areas(self, image_format: str, side_px: int) -> None:
        film = read_film(encode("L", image_format, (400, 300)), OPTIONS)
        whole = np.asarray(Image.open(io.BytesIO(film.encoded)))
        size = (min(300, round(0.75 * side_px)), min(400, side_px))
        expected = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        found = grey_levels(film.encoded, side_px)
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 1.5


class TestUnusable:
    def test_empty(self) -> None:
        assert reason_of(b"").startswith("the file is empty")

    @pytest.mark.parametrize("data", [b"path,label\n", b"\0" * 500, b"\xff\xd8", b"\x89PNG"])
    def test_no_image(self, data: bytes) -> None:
        assert reason_of(data) == "the content is no image; only JPEG, PNG and DICOM are read"

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    @pytest.mark.parametrize(
        ("before", "said"),
        [(b"\n", "1 stray byte comes"), (b"\xef\xbb\xbf", "3 stray bytes come"),
         (b"\0" * 1000, "1,000 stray bytes come")],
    )  # fmt: skip
    def test_bytes_before_the_start(self, image_format: str, before: bytes, said: str) -> None:
        assert reason_of(before + encode("L", image_format)) == (
            f"{said} before the start of the {image_format}; take them out, or copy it again from "
            "its source"
        )

    @pytest.mark.parametrize(
        ("image_format", "name"),
        [("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"), ("WEBP", "WebP"),
         ("JPEG2000", "JPEG 2000")],
    )  # fmt: skip
    def test_other_image_formats(self, image_format: str, name: str) -> None:
        expected = f"the content is {name}, not JPEG, PNG or DICOM; convert it to PNG"
        assert reason_of(encode("L", image_format)) == expected

    @pytest.mark.parametrize(
        ("start", "name"),
        [(b"\0\0\0\x18ftypheic", "HEIC"), (b"\0\0\0\x18ftypavif", "AVIF"),
         (b"\xff\x0a", "JPEG XL"), (b"II+\0", "TIFF")],
    )  # fmt: skip
    def test_formats_of_phones_and_of_large_files(self, start: bytes, name: str) -> None:
        assert reason_of(start + bytes(100)).startswith(f"the content is {name}, ")

    def test_empty_dicom(self) -> None:
        assert "names no transfer syntax" in reason_of(bytes(128) + b"DICM" + bytes(100))

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

    @pytest.mark.parametrize("save", [{}, {"optimize": True}, {"progressive": True}])
    @pytest.mark.parametrize("to", [0.7, 1.0])
    def test_jpeg_with_a_hole(self, save: dict[str, Any], to: float) -> None:
        data = bytearray(encode("L", "JPEG", **save))
        scan = data.index(b"\xff\xda") + 20
        begin, end = (round(scan + share * (len(data) - 2 - scan)) for share in (0.5, to))
        data[begin:end] = bytes(end - begin)
        assert "truncated or damaged" in reason_of(bytes(data))

    @pytest.mark.parametrize(
        ("marker", "bits", "words"),
        [(0xC0, 12, "12-bit JPEG"), (0xC3, 8, "lossless JPEG"), (0xF7, 8, "JPEG-LS"),
         (0xC5, 8, "hierarchical JPEG")],
    )  # fmt: skip
    def test_other_kinds_of_jpeg_are_named(self, marker: int, bits: int, words: str) -> None:
        data = bytearray(encode("L", "JPEG"))
        frame = data.index(b"\xff\xc0")
        data[frame + 1], data[frame + 4] = marker, bits
        assert words in reason_of(bytes(data))

    @pytest.mark.parametrize("interlaced", [False, True])
    @pytest.mark.parametrize("size", [(64, 64), (67, 101)])
    def test_png_without_its_last_row(self, interlaced: bool, size: tuple[int, int]) -> None:
        height, width = size
        passes = [(8, 8, 0, 0), (8, 8, 0, 4), (8, 4, 4, 0), (4, 4, 0, 2), (4, 2, 2, 0),
                  (2, 2, 0, 1), (2, 1, 1, 0)] if interlaced else [(1, 1, 0, 0)]  # fmt: skip
        pixels = drawing(height, width).astype(np.uint8)
        rows = b"".join(
            b"\0" + row.tobytes()
            for down, across, top, left in passes
            for row in pixels[top::down, left::across]
        )
        for whole, raw in ((True, rows), (False, rows[:-1])):
            header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, int(interlaced))
            data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
            data += png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b"")
            if whole:
                np.testing.assert_array_equal(read_film(data, OPTIONS).grey, pixels)
            else:
                assert "rows are missing" in reason_of(data)

    def test_png_with_a_wrong_checksum(self) -> None:
        data = bytearray(encode("L", "PNG"))
        data[-20] ^= 1
        assert "truncated or damaged" in reason_of(bytes(data))

    def test_black_and_white(self) -> None:
        assert "without grey levels" in reason_of(encode("1", "PNG"))

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
        assert read_film(encode("L", "PNG", (64, 300)), options).facts.width_px == 300

    def test_a_bomb_is_refused_by_its_header(self) -> None:
        """The header announces 60,000 x 60,000 pixels; decoding none of them would fail."""
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
        pixels = png_chunk(b"IDAT", zlib.compress(bytes(100)))
        data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + pixels + png_chunk(b"IEND", b"")
        assert "60000 x 60000 pixels is too large" in reason_of(data)

    def test_next_to_nothing_is_nothing(self) -> None:
        noise = np.random.default_rng(0).integers(100, 106, (300, 300), np.uint8)
        noise[:20, :20] = 255  # a printed word
        assert "no content" in reason_of(cv2.imencode(".png", noise)[1].tobytes())

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_constant(self, image_format: str, mode: str) -> None:
        file = io.BytesIO()
        Image.new(mode, (300, 300), 77 if mode == "L" else (77, 77, 77)).save(file, image_format)
        assert reason_of(file.getvalue()) == "all pixels are nearly equal; it has no content"


def test_sha256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_of(b"abc") == expected == hashlib.sha256(b"abc").hexdigest()
