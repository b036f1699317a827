"""What a plan asks of files: the right numbers, and each file opened once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from radiographs.acquisition import STATISTICS
from radiographs.decoding import CanonicalFilm
from radiographs.ingest_plan import plan_ingest
from radiographs.local_roots import LocalRoot
from radiographs.measures import FilmFiles
from radiographs.near_duplicates import fingerprint
from radiographs.options import IngestOptions
from radiographs.styles import DESCRIPTION_LENGTH
from tests.support import write_films

SPLIT = {"eval_fraction": 0.3, "test_fraction": 0.3}
DESCRIBED = np.arange(DESCRIPTION_LENGTH, dtype=np.float32)


class Root(LocalRoot):
    """A folder, and an account of the files that were opened in it."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.opened: list[str] = []

    def content(self, path: str, most: int = -1) -> bytes:
        self.opened.append(path)
        return super().content(path, most)


@pytest.fixture(name="folder")
def write_folder(tmp_path: Path) -> Path:
    """Films, of which two have the same bytes; one that is none, and one that cannot be read."""
    write_films(tmp_path, "NORMAL", 6)
    write_films(tmp_path, "PNEUMONIA", 6, first_seed=10)
    normal = tmp_path / "NORMAL"
    (normal / "again.png").write_bytes((normal / "normal0.png").read_bytes())
    (normal / "cut.png").write_bytes((normal / "normal1.png").read_bytes()[:100])
    (normal / "gone.png").symlink_to(tmp_path / "nowhere.png")
    return tmp_path


def describe(paths: Sequence[str], films: Sequence[CanonicalFilm]) -> list[np.ndarray | None]:
    """Describes films by their first pixels, but for one that training could not use."""
    return [
        None if path.endswith("normal2.png") else DESCRIBED + film.grey[0, 0]
        for path, film in zip(paths, films, strict=True)
    ]


def test_a_plan_opens_each_file_once_for_all_that_it_asks(folder: Path) -> None:
    root = Root(folder)
    options = IngestOptions(near_duplicates="join", stress_split="test", **SPLIT)
    plan_ingest(FilmFiles(root, options))
    films = [path for path in root.listing().paths if path.endswith(".png")]
    again = Counter(root.opened) - Counter(films)
    assert set(root.opened) == set(films)
    assert not again  # phantoms of other seeds are no candidates of each other


def test_a_plan_that_asks_nothing_opens_files_of_equal_size_alone(folder: Path) -> None:
    root = Root(folder)
    plan_ingest(FilmFiles(root, IngestOptions(**SPLIT)))
    sizes = {path: root.size_bytes(path) for path in root.listing().paths}
    alike = {path for path, size in sizes.items() if list(sizes.values()).count(size) > 1}
    assert set(root.opened) == alike >= {"NORMAL/again.png", "NORMAL/normal0.png"}
    assert len(alike) < len(sizes)


def test_numbers_are_those_of_the_file(folder: Path) -> None:
    options = IngestOptions(near_duplicates="join", stress_split="test", split="style")
    files = FilmFiles(LocalRoot(str(folder)), options, describe=describe)
    path = "PNEUMONIA/pneumonia3.png"
    files.measure([path])
    measures = files.measures([path])[path]
    assert measures.fingerprint is not None and measures.statistics is not None
    data = (folder / path).read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert measures.sha256 == hashlib.sha256(data).hexdigest()
    assert np.array_equal(measures.fingerprint, fingerprint(pixels))
    statistics = dict(zip(STATISTICS, measures.statistics, strict=True))
    assert statistics["bytes per pixel"] == len(data) / pixels.size
    assert statistics["mean intensity"] == pytest.approx(pixels.mean() / 255, abs=1e-4)
    assert np.array_equal(files.descriptions([path])[path], DESCRIBED + pixels[0, 0])


def test_what_is_no_film_has_a_digest_alone(folder: Path) -> None:
    files = FilmFiles(
        LocalRoot(str(folder)),
        IngestOptions(near_duplicates="join", split="style"),
        describe=describe,
    )
    paths = ["NORMAL/cut.png", "NORMAL/gone.png", "NORMAL/normal2.png", "NORMAL/normal3.png"]
    files.measure(paths)
    assert list(files.measures(paths)) == paths[2:]
    assert list(files.descriptions(paths)) == paths[3:]
    cut = hashlib.sha256((folder / paths[0]).read_bytes()).hexdigest()
    assert [files.digests(paths)[path] for path in paths[:2]] == [cut, ""]
    assert files.are_usable(paths) == [False, False, True, True]


def test_nothing_is_described_where_the_split_is_not_by_style(folder: Path) -> None:
    def never(paths: Sequence[str], films: Sequence[CanonicalFilm]) -> list[np.ndarray | None]:
        raise AssertionError("nobody asks for a description")

    files = FilmFiles(LocalRoot(str(folder)), IngestOptions(stress_split="test"), describe=never)
    files.measure(["NORMAL/normal3.png"])
    assert files.descriptions(["NORMAL/normal3.png"]) == {}


def test_a_digest_is_not_taken_twice(folder: Path) -> None:
    root = Root(folder)
    files = FilmFiles(root, IngestOptions())
    files.digests(["NORMAL/normal0.png", "NORMAL/normal1.png"])
    digests = files.digests(["NORMAL/normal1.png", "NORMAL/again.png"])
    assert root.opened == ["NORMAL/normal0.png", "NORMAL/normal1.png", "NORMAL/again.png"]
    assert digests["NORMAL/again.png"] == files.digests(["NORMAL/normal0.png"]).popitem()[1]


def test_pairs_are_told_of_in_their_order(folder: Path) -> None:
    files = FilmFiles(LocalRoot(str(folder)), IngestOptions())
    same, other = (
        ("NORMAL/normal0.png", "NORMAL/again.png"),
        ("NORMAL/normal0.png", "NORMAL/normal1.png"),
    )
    assert files.show_one_film([same, other, same]) == [True, False, True]


def test_a_film_that_is_gone_when_it_is_read_again_shows_no_other(folder: Path) -> None:
    files = FilmFiles(LocalRoot(str(folder)), IngestOptions())
    assert files.show_one_film([("NORMAL/normal0.png", "NORMAL/gone.png")]) == [False]
