"""The graph sees in a file what the ingest sees, refuses what it refuses, and goes on."""

from __future__ import annotations

import io
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models import features, film_segments, images, preprocessing
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.formats import orientation
from radiographs.options import IngestOptions
from tests.support import draw_film

CASES = Path(__file__).parents[4] / "shared" / "cases"
OPTIONS = IngestOptions()
SIDE_PX = 96

prepare = tf.function(
    lambda encoded: images.prepare_films(encoded, SIDE_PX)[:2],
    input_signature=[tf.TensorSpec([None], tf.string)],
)


def encode(picture: Image.Image | np.ndarray, file_format: str = "PNG", **save: Any) -> bytes:
    file = io.BytesIO()
    drawn = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    drawn.save(file, file_format, **save)
    return file.getvalue()


def grey() -> Image.Image:
    return Image.fromarray(draw_film(3, 200))


def colour() -> Image.Image:
    return Image.fromarray(np.stack([draw_film(seed, 200) for seed in (1, 2, 3)], axis=-1))


def with_alpha(mode: str, least: int) -> Image.Image:
    picture = grey().convert(mode)
    alpha = Image.new("L", picture.size, 255)
    alpha.putpixel((100, 100), least)
    picture.putalpha(alpha)
    return picture


def turned(told: int) -> bytes:
    block = Image.Exif()
    block[0x010E], block[0x010F] = "chest", "camera"  # tags that come before
    block[0x0112] = told
    return block.tobytes()


def judge(*encoded: bytes) -> tuple[np.ndarray, list[str]]:
    pixels, quality = prepare(tf.constant(list(encoded), tf.string))
    return pixels.numpy().astype(int), [word.decode() for word in quality.numpy()]


FILMS: dict[str, Callable[[], bytes]] = {
    "grey JPEG": lambda: encode(grey(), "JPEG"),
    "progressive JPEG": lambda: encode(grey(), "JPEG", progressive=True),
    "colour JPEG": lambda: encode(colour(), "JPEG"),
    "CMYK JPEG": lambda: encode(colour().convert("CMYK"), "JPEG"),
    "grey PNG": lambda: encode(grey()),
    "colour PNG": lambda: encode(colour()),
    "palette PNG": lambda: encode(grey().convert("P")),
    "opaque RGBA": lambda: encode(with_alpha("RGBA", 255)),
    "opaque LA": lambda: encode(with_alpha("LA", 255)),
    "16-bit PNG": lambda: cv2.imencode(".png", draw_film(3, 200).astype(np.uint16) * 16)[
        1
    ].tobytes(),
    "16-bit colour PNG": lambda: cv2.imencode(
        ".png", np.stack([draw_film(seed, 200) for seed in (1, 2, 3)], -1).astype(np.uint16) * 9
    )[1].tobytes(),
}


@pytest.mark.parametrize("name", FILMS)
def test_the_graph_sees_the_picture_that_the_ingest_hands_on(name: str) -> None:
    data = FILMS[name]()
    pixels, quality = judge(data, read_film(data, OPTIONS).encoded)
    assert quality == [features.QUALITY_OK] * 2
    # Inks have no one way to become light: two libraries round in other places.
    np.testing.assert_allclose(pixels[0], pixels[1], atol=2 if "CMYK" in name else 1)
    assert np.ptp(pixels[0]) > 100


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("told", range(1, 9))
def test_the_graph_turns_a_film_as_the_ingest_does(file_format: str, told: int) -> None:
    data = encode(grey().crop((0, 0, 200, 160)), file_format, exif=turned(told))
    pixels, _ = judge(data, read_film(data, OPTIONS).encoded)
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1)


def chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def png_with(data: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    place = data.index(before) - 4
    return data[:place] + b"".join(chunks) + data[place:]


def jpeg_with(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    parts = (bytes((0xFF, mark)) + struct.pack(">H", len(b) + 2) + b for mark, b in segments)
    return data[:2] + b"".join(parts) + data[2:]


def entry(kind: int, count: int, value: bytes, order: str = ">") -> bytes:
    return struct.pack(order + "HHI", 0x0112, kind, count) + value.ljust(4, b"\0")


def exif(*entries: bytes, order: str = ">", offset: int = 8, entries_said: int = 0) -> bytes:
    mark = b"MM\0*" if order == ">" else b"II*\0"
    count = struct.pack(order + "H", entries_said or len(entries))
    head = mark + struct.pack(order + "I", offset)
    return head.ljust(offset, b"\0") + count + b"".join(entries) + bytes(4)


TURNED = exif(entry(3, 1, b"\0\6"))
FAR = (0xE2, bytes(60_000))
TEXT = chunk(b"zTXt", bytes(70_000))


def oblong(file_format: str) -> bytes:
    return encode(grey().crop((0, 0, 200, 160)), file_format)


TURNED_FILES: dict[str, Callable[[], bytes]] = {
    "JPEG, EXIF behind 60 kB": lambda: jpeg_with(
        oblong("JPEG"), FAR, (0xE1, b"Exif\0\0" + TURNED)),
    "JPEG, EXIF behind 3 MB": lambda: jpeg_with(
        oblong("JPEG"), *[FAR] * 50, (0xE1, b"Exif\0\0" + TURNED)),
    "JPEG, EXIF behind XMP": lambda: jpeg_with(
        oblong("JPEG"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0"), (0xE1, b"Exif\0\0" + TURNED)),
    "JPEG, far within EXIF": lambda: jpeg_with(
        oblong("JPEG"), (0xE1, b"Exif\0\0" + exif(entry(3, 1, b"\0\6"), offset=50_000))),
    "PNG, EXIF behind a text": lambda: png_with(oblong("PNG"), TEXT, chunk(b"eXIf", TURNED)),
    "PNG, EXIF behind the pixels": lambda: png_with(
        oblong("PNG"), chunk(b"eXIf", TURNED), before=b"IEND"),
    "PNG, EXIF with its name": lambda: png_with(
        oblong("PNG"), chunk(b"eXIf", b"Exif\0\0" + TURNED)),
}  # fmt: skip


@pytest.mark.parametrize("name", TURNED_FILES)
def test_exif_is_found_wherever_it_lies(name: str) -> None:
    data = TURNED_FILES[name]()
    film = read_film(data, OPTIONS)
    assert (film.facts.width_px, film.facts.height_px) == (160, 200)
    pixels, quality = judge(data, film.encoded)
    assert quality == ["ok", "ok"]
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1)


UPRIGHT_FILES: dict[str, Callable[[], bytes]] = {
    "EXIF in a comment": lambda: jpeg_with(oblong("JPEG"), (0xFE, b"Exif\0\0" + TURNED)),
    "EXIF in a text": lambda: png_with(oblong("PNG"), chunk(b"tEXt", b"a\0eXIf" + TURNED)),
    "a second EXIF": lambda: jpeg_with(
        oblong("JPEG"), (0xE1, b"Exif\0\0" + exif()), (0xE1, b"Exif\0\0" + TURNED)),
}  # fmt: skip


@pytest.mark.parametrize("name", UPRIGHT_FILES)
def test_what_looks_like_exif_turns_nothing(name: str) -> None:
    data = UPRIGHT_FILES[name]()
    assert read_film(data, OPTIONS).facts.width_px == 200
    pixels, quality = judge(data, oblong("JPEG" if data.startswith(b"\xff") else "PNG"))
    assert quality == ["ok", "ok"]
    np.testing.assert_array_equal(pixels[0], pixels[1])


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (TURNED, 6), (b"Exif\0\0" + TURNED, 6),
        (exif(entry(3, 1, b"\6\0", "<"), order="<"), 6),
        (exif(entry(4, 1, b"\0\0\0\6")), 6), (exif(entry(4, 1, b"\6", "<"), order="<"), 6),
        (exif(entry(3, 2, b"\0\6\0\3")), 6), (exif(entry(3, 1, b"\0\11")), 1),
        (exif(entry(3, 1, b"\0\0")), 1), (exif(entry(1, 1, b"\6")), 1), (exif(), 1),
        (exif(entry(3, 1, b"\0\6"), entries_said=40), 6), (b"MM\0*", 1), (b"", 1),
        (b"MM\0*" + b"\xff" * 8, 1), (b"XX" + TURNED[2:], 1),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_exif_is_read_as_the_ingest_reads_it(block: bytes, expected: int) -> None:
    data = tf.constant(np.frombuffer(block, np.uint8), tf.uint8)
    assert orientation.orientation_of(block) == expected
    assert int(film_segments.orientation_of(data)) == expected


def test_a_file_of_endless_parts_is_not_judged() -> None:
    data = jpeg_with(oblong("JPEG"), *[(0xE2, b"")] * 5000)
    assert judge(data, oblong("JPEG"))[1] == ["not decodable", "ok"]


def packed(bits: int, colour_type: int, samples: np.ndarray, *chunks: bytes) -> bytes:
    """Returns a PNG of [height, width, channels] samples."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    rows = samples.reshape(height, -1).astype(">u2" if bits == 16 else np.uint8)
    if bits < 8:
        rows = np.bitwise_or.reduce(
            [rows[:, at :: 8 // bits] << 8 - bits - bits * at for at in range(8 // bits)]
        )
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("colour_type", [0, 2])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("far", [False, True])
def test_a_clear_level_matters_where_a_pixel_has_it(
    bits: int, colour_type: int, is_there: bool, far: bool
) -> None:
    if colour_type == 2 and bits < 8:
        pytest.skip("no such PNG")
    channels = 3 if colour_type == 2 else 1
    top = 2**bits - 1
    samples = np.minimum(draw_film(3, 200).astype(int) * (top + 1) // 256, top - 1)
    level = int(samples[50, 60]) if is_there else top
    clear = chunk(b"tRNS", struct.pack(">H", level) * channels)
    data = packed(bits, colour_type, np.stack([samples] * channels, -1), *[TEXT] * far, clear)
    assert judge(data)[1] == [features.TRANSPARENT if is_there else features.QUALITY_OK]
    if is_there:
        with pytest.raises(UnusableImage, match="transparent"):
            read_film(data, OPTIONS)
    else:
        pixels, _ = judge(data, read_film(data, OPTIONS).encoded)
        np.testing.assert_allclose(pixels[0], pixels[1], atol=1)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("alpha", [250, 254, 255])
def test_ingest_and_graph_agree_on_what_is_nearly_opaque(mode: str, alpha: int) -> None:
    picture = grey().convert(mode)
    picture.putalpha(Image.new("L", picture.size, alpha))
    data = encode(picture)
    assert judge(data)[1] == [features.QUALITY_OK if alpha == 255 else features.TRANSPARENT]
    if alpha == 255:
        read_film(data, OPTIONS)
    else:
        with pytest.raises(UnusableImage, match="transparent"):
            read_film(data, OPTIONS)


def hot_pixel() -> bytes:
    levels = draw_film(3, 200).astype(np.uint16) * 16
    levels[50, 60] = 65535
    return cv2.imencode(".png", levels)[1].tobytes()


def test_a_hot_pixel_leaves_the_others_as_they_are() -> None:
    sound = cv2.imencode(".png", draw_film(3, 200).astype(np.uint16) * 16)[1].tobytes()
    pixels, _ = judge(hot_pixel(), sound)
    difference = np.abs(pixels[0] - pixels[1])
    assert np.sum(difference > 2) <= 9  # those that the hot pixel is averaged into


def with_hole() -> bytes:
    data = bytearray(encode(Image.fromarray(draw_film(3, 400)), "JPEG", quality=95))
    begin, end = round(0.6 * len(data)), round(0.9 * len(data))
    data[begin:end] = bytes(end - begin)
    return bytes(data)


def half(file_format: str) -> bytes:
    data = encode(grey(), file_format)
    return data[: len(data) // 2]


REFUSED = {
    "black": (lambda: encode(np.zeros((300, 300), np.uint8)), "blank"),
    "white": (lambda: encode(np.full((300, 300), 255, np.uint8), "JPEG"), "blank"),
    "black of 16 bits": (
        lambda: cv2.imencode(".png", np.full((90, 90), 700, np.uint16))[1].tobytes(), "blank"),
    "black with a word": (
        lambda: encode(np.pad(np.full((10, 20), 255, np.uint8), ((0, 290), (0, 280)))), "blank"),
    "black and white": (lambda: encode(grey().convert("1")), "blank"),
    "one pixel": (lambda: encode(np.zeros((1, 1), np.uint8)), "too small"),
    "narrow": (lambda: encode(draw_film(1, 300)[:, :50]), "too small"),
    "large": (lambda: encode(Image.new("L", (20_000, 20_000))), "too large"),
    "large JPEG": (lambda: encode(Image.new("L", (10_001, 64)), "JPEG"), "too large"),
    "alpha": (lambda: encode(with_alpha("RGBA", 254)), "transparent"),
    "grey with alpha": (lambda: encode(with_alpha("LA", 0)), "transparent"),
    "one clear level": (
        lambda: encode(grey(), transparency=int(draw_film(3, 200)[4, 4])), "transparent"),
    "half a JPEG": (lambda: half("JPEG"), "not decodable"),
    "half a PNG": (lambda: half("PNG"), "not decodable"),
    "JPEG with a hole": (with_hole, "incomplete"),
    "stray bytes before a JPEG": (lambda: b"\n\n" + encode(grey(), "JPEG"), "not decodable"),
    "stray byte before a PNG": (lambda: b"\n" + encode(grey()), "not decodable"),
    "empty": (lambda: b"", "not decodable"),
    "text": (lambda: b"not an image at all", "not decodable"),
    "bytes that are no text": (lambda: b"\xff\xfe\xfd" * 20, "not decodable"),
    "GIF": (lambda: encode(grey(), "GIF"), "not decodable"),
    "BMP": (lambda: encode(grey(), "BMP"), "not decodable"),
    "start of a PNG": (lambda: b"\x89PNG\r\n\x1a\n", "not decodable"),
    "start of a JPEG": (lambda: b"\xff\xd8\xff", "not decodable"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_ingest_refuses_the_graph_does_not_judge(name: str) -> None:
    draw, expected = REFUSED[name]
    data = draw()
    film = encode(grey())
    pixels, quality = judge(film, data, film)
    assert quality == ["ok", expected, "ok"]
    assert not pixels[1].any()
    np.testing.assert_array_equal(pixels[[0, 2]], judge(film)[0][[0, 0]])
    with pytest.raises(UnusableImage):
        read_film(data, OPTIONS)


def test_an_empty_batch_has_empty_answers() -> None:
    pixels, quality = judge()
    assert pixels.shape == (0, SIDE_PX, SIDE_PX)
    assert quality == []


def test_a_small_file_of_a_huge_picture_is_not_unpacked() -> None:
    bomb = encode(Image.new("L", (20_000, 20_000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    judge(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # of 400,000 kB


def test_the_bounds_are_those_of_the_ingest() -> None:
    film = encode(draw_film(1, 100))
    assert preprocessing.quality_of(film, IngestOptions(min_side_px=100, max_side_px=100)) == "ok"
    assert preprocessing.quality_of(film, IngestOptions(min_side_px=101)) == features.TOO_SMALL
    assert preprocessing.quality_of(film, IngestOptions(max_side_px=99)) == features.TOO_LARGE


@pytest.mark.parametrize(
    ("name", "ingest", "served"),
    [
        ("png_window_too_small.png", "", "not decodable"),
        ("png_last_row_missing.png", "rows are missing", "not decodable"),
        ("png_xmp_2mb.png", "", "ok"),
        ("jpeg_12_bit.jpg", "12-bit", "not decodable"),
        ("jpeg_lossless_sof3.jpg", "lossless JPEG", "not decodable"),
        ("jpeg_scan_zeroed.jpg", "damaged", "incomplete"),
        ("png16_hot_pixel.png", "", "ok"),
        ("rgba_picture_in_alpha.png", "transparent", "transparent"),
        ("rgba_opaque.png", "", "ok"),
        ("palette_grey.png", "", "ok"),
        ("exif_rotated.jpg", "", "ok"),
        ("blank_black.png", "no content", "blank"),
        ("one_pixel.png", "too small", "too small"),
    ],
)
def test_files_that_went_wrong(name: str, ingest: str, served: str) -> None:
    if not CASES.is_dir():
        pytest.skip("needs the files of ../shared/cases")
    data = (CASES / name).read_bytes()
    assert judge(data)[1] == [served]
    if ingest:
        with pytest.raises(UnusableImage, match=ingest):
            read_film(data, OPTIONS)
        return
    film = read_film(data, OPTIONS)
    pixels, quality = judge(film.encoded, data)
    assert quality[0] == "ok"
    if served == "ok":
        np.testing.assert_allclose(pixels[0], pixels[1], atol=1)
