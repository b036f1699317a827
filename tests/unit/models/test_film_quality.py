"""The graph sees in a file what the ingest sees, refuses what it refuses, and goes on."""

from __future__ import annotations

import io
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models import features, images, preprocessing
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions
from tests.support import draw_film

CASES = Path(__file__).parents[4] / "shared" / "cases"
OPTIONS = IngestOptions()
SIDE_PX = 96

prepare = tf.function(
    lambda encoded: images.prepare_films(encoded, SIDE_PX),
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


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x010E], exif[0x010F] = "chest", "camera"  # tags that come before
    exif[0x0112] = orientation
    return exif.tobytes()


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
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_graph_turns_a_film_as_the_ingest_does(file_format: str, orientation: int) -> None:
    data = encode(grey().crop((0, 0, 200, 160)), file_format, exif=turned(orientation))
    pixels, _ = judge(data, read_film(data, OPTIONS).encoded)
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1)


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
