"""Files that were spoilt on purpose: each is a film or has a reason, for little time and memory."""

from __future__ import annotations

import io
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest

from radiographs import data_roots, decoding, dicom_headers
from radiographs.decoding import UNFORESEEN, read_film
from radiographs.errors import UnusableImage
from radiographs.formats.jpeg import JpegDecoder
from radiographs.grey_levels import is_blank, robust_bounds
from radiographs.local_roots import LocalRoot
from radiographs.memory_room import Room
from radiographs.options import IngestOptions
from tests.dicom_films import dicom_file, drawn_values
from tests.mutated_films import DAMAGES, DICOM, GIANTS, FilmFile, sound_files, spoilt_files
from tests.support import draw_film, encode

SECONDS_TO_MEET = 30
OPTIONS = IngestOptions()
SECONDS = 20  # a film of 100 megapixels takes two; one that hangs, minutes and hours


@pytest.fixture(scope="module", name="sound")
def draw_sound_files() -> list[FilmFile]:
    return sound_files(90, seed=0)


@pytest.fixture(scope="module", name="spoilt")
def spoil_files(sound: list[FilmFile]) -> dict[str, bytes]:
    """One file of each kind of damage."""
    return {file.kind: file.data for file in spoilt_files(sound, len(DAMAGES), seed=0)}


def reason_of(data: bytes) -> str:
    """Returns why a file is no film, or an empty string."""
    try:
        film = read_film(data, OPTIONS)
    except UnusableImage as error:
        return error.reason
    assert min(film.grey.shape) >= OPTIONS.min_side_px
    return ""


def test_sound_files_are_films(sound: list[FilmFile]) -> None:
    assert {reason_of(file.data) for file in sound} == {""}
    assert len({file.data for file in sound}) == len(sound)


def test_what_pydicom_ships_can_be_decoded_by_pydicom_alone(sound: list[FilmFile]) -> None:
    shipped = [file for file in sound if file.kind.startswith("pydicom")]
    assert len(shipped) > 10
    for file in shipped:
        assert pydicom.dcmread(io.BytesIO(file.data)).pixel_array.std() > 0


@pytest.mark.parametrize("kind", [kind for kind in DAMAGES if kind not in GIANTS])
def test_a_spoilt_file_is_a_film_or_has_a_reason(spoilt: dict[str, bytes], kind: str) -> None:
    began = time.monotonic()
    assert UNFORESEEN not in reason_of(spoilt[kind])
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("JPEG: 20,000 scans of 100 megapixels", "more than 100 scans"),
        ("JPEG: 500,000 segments", "10,000 segments"),
        ("PNG: 200,000 chunks", "more than 100,000 chunks"),
        ("DICOM: 500,000 elements", "more DICOM data elements than a radiograph does"),
        ("DICOM: an infinite number of rows", "its Rows is no number"),
        ("DICOM: padding that is no number", "its PixelPaddingValue is no number"),
        ("zip bomb", "the content is no image"),
    ],
)
def test_the_reason_is_true(spoilt: dict[str, bytes], kind: str, reason: str) -> None:
    assert reason in reason_of(spoilt[kind])


def test_the_same_seed_spoils_alike(sound: list[FilmFile]) -> None:
    few = spoilt_files(sound, 12, seed=3)
    assert few == spoilt_files(sound, 12, seed=3)
    assert few != spoilt_files(sound, 12, seed=4)


class TestUnforeseen:
    """What nobody has thought of costs one film, and is told apart from what has been."""

    def test_of_a_decoder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("a name, perhaps")

        monkeypatch.setattr(JpegDecoder, "decode", fail)
        reason = reason_of(encode(draw_film(1), ".jpg"))
        assert UNFORESEEN in reason and "RuntimeError" in reason
        assert "a name" not in reason

    def test_of_a_header(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = dicom_file(drawn_values(8))
        monkeypatch.setattr(dicom_headers, "read_facts", lambda tags: 1 / 0)
        header = dicom_headers.read_dicom_header(data, OPTIONS)
        assert header == dicom_headers.DicomHeader()


class TestMemory:
    """A film costs a few bytes a pixel, and huge ones wait for each other."""

    @pytest.mark.parametrize("look", [is_blank, robust_bounds])
    def test_counting_levels_copies_a_few_rows_only(self, look: object) -> None:
        levels = np.zeros((4000, 5000), np.uint8 if look is is_blank else np.uint16)
        levels[::2] = 200
        tracemalloc.start()
        look(levels)  # type: ignore[operator]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3 * levels.size  # a copy of int64 would be eight

    def test_counts_of_parts_are_those_of_the_whole(self) -> None:
        levels = np.random.default_rng(0).integers(900, 4000, (2500, 2500), np.uint16)
        levels[0, 0] = 60_000
        assert robust_bounds(levels) == (levels.min(), np.sort(levels.ravel())[-2])

    def test_huge_films_are_decoded_one_after_the_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        together: list[int] = []
        at_once = []
        decode = JpegDecoder.decode

        def slow(self: JpegDecoder, data: bytes, check: object) -> object:
            film = decode(self, data, check)  # type: ignore[arg-type]
            together.append(1)
            at_once.append(len(together))
            barrier.wait(SECONDS_TO_MEET)  # for as many as there is room for
            together.pop()
            return film

        monkeypatch.setattr(JpegDecoder, "decode", slow)
        data = encode(draw_film(1, 100), ".jpg")
        for room, most in ((15_000, 1), (25_000, 2), (100_000, 4)):
            monkeypatch.setattr(decoding, "ROOM", Room(room))
            at_once.clear()
            barrier = threading.Barrier(most)
            threads = [threading.Thread(target=read_film, args=(data, OPTIONS)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not barrier.broken
            assert max(at_once) <= most
            assert len(at_once) == 4

    def test_room_is_given_back_where_a_film_fails(self) -> None:
        room = Room(10)
        with pytest.raises(ValueError, match="no film"), room.taken(10):
            raise ValueError("no film")
        with room.taken(11):  # alone, more than there is
            pass
        assert room._taken == 0

    def test_a_file_larger_than_any_film_is_not_read_to_its_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "disk.png").write_bytes(bytes(1001))
        (tmp_path / "film.png").write_bytes(bytes(1000))
        monkeypatch.setattr(data_roots, "MOST_FILE_BYTES", 1000)
        root = LocalRoot(str(tmp_path))
        assert len(root.content("film.png")) == 1000
        assert len(root.content("disk.png", 4)) == 4
        with pytest.raises(UnusableImage, match="has more than 1,000 bytes"):
            root.content("disk.png")


def test_kinds_cover_what_an_archive_may_hold() -> None:
    """Every damage names formats that there are, and each format has damages of its own."""
    for suffixes, _ in DAMAGES.values():
        assert set(suffixes) <= {".png", ".jpg", DICOM}
    for name in ("PNG", "JPEG", "DICOM"):
        assert sum(kind.startswith(name) for kind in DAMAGES) >= 8
