"""DICOM files of every transfer syntax are read alike; damaged and lying ones have a reason."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from radiographs.decoding import CanonicalFilm, read_film
from radiographs.errors import UnusableImage
from radiographs.formats.dicom import codec_process
from radiographs.options import IngestOptions
from tests.dicom_films import compressed, dataset_of, dicom_file, drawn_values, encoded
from tests.support import ROOT

OPTIONS = IngestOptions()
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
LOSSLESS = (
    uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless,
    uid.RLELossless,
)  # fmt: skip


def read(data: bytes) -> CanonicalFilm:
    return read_film(data, OPTIONS)


def reason_of(data: bytes, options: IngestOptions = OPTIONS) -> str:
    with pytest.raises(UnusableImage) as error:
        read_film(data, options)
    return error.value.reason


def with_frame(data: bytes, frame: bytes) -> bytes:
    """Puts another frame into a compressed file."""
    film = dcmread(io.BytesIO(data))
    film.PixelData = encapsulate([frame])
    return encoded(film)


def frame_of(data: bytes) -> bytes:
    from pydicom.encaps import generate_frames

    return next(generate_frames(dcmread(io.BytesIO(data)).PixelData, number_of_frames=1))


class TestSyntaxes:
    @pytest.mark.parametrize(
        ("stored", "signed"), [(8, False), (12, False), (12, True), (16, False), (16, True)]
    )
    @pytest.mark.parametrize("syntax", LOSSLESS)
    def test_lossless_ones_give_the_same_pixels(
        self, syntax: str, stored: int, signed: bool
    ) -> None:
        values = drawn_values(stored, signed)
        plain = dicom_file(values, stored)
        assert np.array_equal(read(compressed(plain, syntax)).grey, read(plain).grey)

    @pytest.mark.parametrize(
        "syntax",
        [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian],
    )
    def test_so_do_uncompressed_ones(self, syntax: str) -> None:
        values = drawn_values(12)
        tags = {**WINDOW, "PixelPaddingValue": 7}
        plain = read(dicom_file(values, 12, **tags))
        assert np.array_equal(read(dicom_file(values, 12, syntax=syntax, **tags)).grey, plain.grey)

    @pytest.mark.parametrize(
        ("syntax", "stored", "tolerance"),
        [
            (uid.JPEGBaseline8Bit, 8, 2),
            (uid.JPEGExtended12Bit, 12, 1),
            (uid.JPEGLSNearLossless, 12, 1),
            (uid.JPEG2000, 12, 1),
        ],
    )
    def test_lossy_ones_are_near(self, syntax: str, stored: int, tolerance: int) -> None:
        plain = dicom_file(drawn_values(stored), stored, **(WINDOW if stored == 12 else {}))
        near = read(compressed(plain, syntax)).grey.astype(int)
        assert np.abs(near - read(plain).grey).max() <= tolerance

    def test_a_png_and_a_jpeg_of_it_are_the_same_film(self) -> None:
        values = drawn_values(8)
        film = read(dicom_file(values))
        assert np.array_equal(read(cv2.imencode(".png", values)[1].tobytes()).grey, film.grey)
        deep = drawn_values(12)
        png = cv2.imencode(".png", deep)[1].tobytes()
        assert np.array_equal(read(png).grey, read(dicom_file(deep, 12)).grey)
        file = io.BytesIO()
        Image.fromarray(values).save(file, "JPEG", quality=95)
        assert np.abs(read(file.getvalue()).grey.astype(int) - film.grey).mean() < 2

    def test_overlays_in_compressed_words_are_masked(self) -> None:
        values = drawn_values(12)
        with_overlay = values | np.uint16(0x8000)
        film = dataset_of(with_overlay, 16)
        data = encoded(film)
        packed = dcmread(io.BytesIO(compressed(data, uid.JPEGLosslessSV1)))
        packed.BitsStored, packed.HighBit = 12, 11
        assert np.array_equal(read(encoded(packed)).grey, read(dicom_file(values, 12)).grey)

    def test_several_fragments_are_one_frame(self) -> None:
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEG2000Lossless)
        film = dcmread(io.BytesIO(data))
        film.PixelData = encapsulate([frame_of(data)], fragments_per_frame=3)
        assert np.array_equal(read(encoded(film)).grey, read(data).grey)

    def test_syntax_that_is_not_read(self) -> None:
        film = dataset_of(drawn_values(8))
        data = encoded(film).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
        assert reason_of(data) == (
            "its transfer syntax 1.2.840.10008.1.2.9 is not read; export it uncompressed, or as "
            "JPEG, JPEG-LS, JPEG 2000 or RLE"
        )


class TestStarts:
    def test_without_preamble(self) -> None:
        data = dicom_file(drawn_values(8))
        assert np.array_equal(read(data[132:]).grey, read(data).grey)

    @pytest.mark.parametrize(
        "syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian]
    )
    def test_without_header(self, syntax: str) -> None:
        data = dicom_file(drawn_values(12), 12, syntax=syntax)
        (length,) = struct.unpack_from("<I", data, 140)
        assert np.array_equal(read(data[144 + length :]).grey, read(data).grey)

    def test_preamble_of_a_tiff(self) -> None:
        data = dicom_file(drawn_values(8))
        assert read(b"II*\0" + data[4:]).facts.source_format == "DICOM"

    def test_text_is_none(self) -> None:
        assert reason_of(b"\x08\0 not a film") == (
            "the content is no image; only JPEG, PNG and DICOM are read"
        )


class TestRefused:
    def test_colours(self) -> None:
        reason = "its pixels are in colours, and grey films are read; export it as grey"
        film = dataset_of(drawn_values(8, shape=(80, 99)))
        film.Columns, film.SamplesPerPixel, film.PlanarConfiguration = 33, 3, 0
        film.PhotometricInterpretation = "RGB"
        assert reason_of(encoded(film)) == reason
        palette = dicom_file(drawn_values(8), PhotometricInterpretation="PALETTE COLOR")
        assert reason_of(palette) == reason

    def test_frames(self) -> None:
        assert reason_of(dicom_file(drawn_values(8), NumberOfFrames=2)) == (
            "it holds 2 frames, and a film is one; export the frame that is meant"
        )

    @pytest.mark.parametrize("missing", ["PixelData", "Rows", "PhotometricInterpretation"])
    def test_no_pixels(self, missing: str) -> None:
        without: dict[str, Any] = {missing: None}
        assert reason_of(dicom_file(drawn_values(8), **without)) == (
            "it has no pixels (7FE0,0010); copy it again from its source"
        )

    def test_floating_point(self) -> None:
        pixels = np.zeros((80, 96), np.float32).tobytes()
        data = dicom_file(drawn_values(8), PixelData=None, FloatPixelData=pixels)
        assert reason_of(data).startswith("its pixels are floating-point numbers")

    def test_bits(self) -> None:
        data = dicom_file(drawn_values(8), BitsAllocated=1, BitsStored=1, HighBit=0)
        assert reason_of(data).startswith("its pixels take 1 bit each, and 8 or 16 are read")
        data = dicom_file(drawn_values(8), BitsStored=12, HighBit=11)
        assert "12 bits up to bit 11 do not fit into 8" in reason_of(data)

    def test_sides_go_before_pixels(self) -> None:
        data = dicom_file(drawn_values(8), Rows=60_000, Columns=60_000)
        assert reason_of(data).startswith("60000 x 60000 pixels is too large for a film")


class TestDamaged:
    def test_pixels_cut_off(self) -> None:
        assert "7,670 of 7,680 bytes of pixels are there" in reason_of(
            dicom_file(drawn_values(8))[:-10]
        )

    def test_rows_that_the_header_does_not_tell_of(self) -> None:
        data = dicom_file(drawn_values(8), Rows=70)
        assert "7,680 bytes of pixels are there, and its rows and columns tell of 6,720" in (
            reason_of(data)
        )
        assert read(dicom_file(drawn_values(8), Rows=79)).grey.shape == (79, 96)

    @pytest.mark.parametrize("syntax", [*LOSSLESS, uid.JPEGBaseline8Bit])
    def test_frame_cut_off(self, syntax: str) -> None:
        data = compressed(dicom_file(drawn_values(8)), syntax)
        frame = frame_of(data)
        assert reason_of(with_frame(data, frame[: len(frame) // 2])).startswith(
            "the file is truncated or damaged"
        )

    def test_fragments_missing(self) -> None:
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEG2000Lossless)
        film = dcmread(io.BytesIO(data))
        film.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
        assert "the fragments of its pixels are empty" in reason_of(encoded(film))

    def test_frame_of_another_size(self) -> None:
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEG2000Lossless)
        other = compressed(dicom_file(drawn_values(12, shape=(99, 64)), 12), uid.JPEG2000Lossless)
        assert "its header tells of 96 x 80 pixels, and its JPEG 2000 holds 64 x 99" in reason_of(
            with_frame(data, frame_of(other))
        )

    def test_frame_of_another_codec(self) -> None:
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEGLosslessSV1)
        other = compressed(dicom_file(drawn_values(12), 12), uid.JPEGLSLossless)
        assert "its transfer syntax tells of JPEG, and its pixels are JPEG-LS" in reason_of(
            with_frame(data, frame_of(other))
        )


class TestBombs:
    def test_deflate_bomb_costs_no_memory(self) -> None:
        data = dicom_file(drawn_values(8), syntax=uid.DeflatedExplicitVRLittleEndian)
        (length,) = struct.unpack_from("<I", data, 140)
        body = zlib.decompress(data[144 + length :], -15)
        packer = zlib.compressobj(9, wbits=-15)
        deflated = packer.compress(body)
        deflated += b"".join(packer.compress(bytes(1 << 24)) for _ in range(24)) + packer.flush()
        read(dicom_file(drawn_values(8)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "inflates to more than its rows and columns tell" in reason_of(
            data[: 144 + length] + deflated
        )
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown_kb < 200 << 10  # of 400 MB inflated

    def test_element_that_claims_more_than_there_is(self) -> None:
        data = dicom_file(drawn_values(8))
        place = data.rindex(b"\xe0\x7f\x10\0OB") + 8
        assert "bytes of pixels are there" in reason_of(
            data[:place] + struct.pack("<I", 0xFFFFFF00) + data[place + 4 : -100]
        )


class TestCodecProcess:
    def test_abort_of_a_codec_is_a_reason(self) -> None:
        """GDCM ends the process on this one: a table of Huffman codes with 255 of one length."""
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEGLosslessSV1)
        frame = bytearray(frame_of(data))
        table = frame.index(b"\xff\xc4") + 5
        frame[table] = 0xFF
        assert "its lossless JPEG pixels cannot be decoded" in reason_of(
            with_frame(data, bytes(frame))
        )
        assert read(data).grey.shape == (80, 96)

    def test_process_that_was_killed_is_replaced(self) -> None:
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEGLSLossless)
        expected = read(data).grey
        for process in codec_process._idle:
            process._process.kill()
            process._process.wait()
        assert np.array_equal(read(data).grey, expected)

    def test_hang_of_a_codec_is_a_reason(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "hangs.py").write_text("import time; time.sleep(60)")
        monkeypatch.setattr(codec_process, "_WORKER", tmp_path / "hangs.py")
        monkeypatch.setattr(codec_process, "_SECONDS", 0.2)
        monkeypatch.setattr(codec_process, "_idle", [])
        data = compressed(dicom_file(drawn_values(12), 12), uid.JPEGLSLossless)
        before = time.monotonic()
        assert "its JPEG-LS pixels cannot be decoded" in reason_of(data)
        assert time.monotonic() - before < 20


def test_a_codec_heeds_a_limit_that_only_root_could_raise() -> None:
    """As of a batch system; another user than root may not touch it."""
    limited = """if True:
        import os, resource
        from radiographs.formats.dicom.codec_worker import _allow
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        if os.getuid() == 0:
            os.setuid(65534)
        _allow(compressed_bytes=1000, pixels=1000)
        small = resource.getrlimit(resource.RLIMIT_AS)
        _allow(compressed_bytes=1000, pixels=10**9)
        print(*small, *resource.getrlimit(resource.RLIMIT_AS))
    """
    done = subprocess.run(
        [sys.executable, "-c", limited], cwd=ROOT, capture_output=True, text=True, check=True
    )
    small, hard, large, still = map(int, done.stdout.split())
    assert small < large == hard == still == 8 << 30
