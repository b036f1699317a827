"""Difference hash: the same film in another file is found, another film is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from radiographs.difference_hash import SAME_FILM_BITS, difference_hash, same_films
from radiographs.phantoms import draw_patient, draw_phantom
from tests.support import ROOT

DATA = ROOT / "../shared/data"


def film_of(seed: int) -> np.ndarray:
    label = "PNEUMONIA" if seed % 2 else "NORMAL"
    return draw_phantom(seed, 192, draw_patient(seed, label)).pixels


def as_jpeg(film: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize(
    "change",
    [
        lambda film: as_jpeg(film, 40),
        lambda film: cv2.resize(film, (150, 224), interpolation=cv2.INTER_LINEAR),
        lambda film: (0.8 * film + 10).astype(np.uint8),
        lambda film: as_jpeg(cv2.resize(film, (96, 96), interpolation=cv2.INTER_AREA), 75),
    ],
    ids=["encoded again", "another size", "other levels", "small and encoded again"],
)
def test_the_same_film_is_found(change: Callable[[np.ndarray], np.ndarray]) -> None:
    films = [film_of(seed) for seed in range(6)]
    known = [difference_hash(film) for film in films]
    changed = [difference_hash(change(film)) for film in reversed(films)]
    assert list(same_films(changed, known)) == [5, 4, 3, 2, 1, 0]


def test_another_film_is_not() -> None:
    known = [difference_hash(film_of(seed)) for seed in range(20)]
    others = [difference_hash(film_of(seed)) for seed in range(100, 120)]
    assert set(same_films(others, known)) == {None}


def test_so_many_bits_may_differ() -> None:
    bits = np.zeros(256, bool)
    for differing, found in ((SAME_FILM_BITS, 0), (SAME_FILM_BITS + 1, None)):
        other = bits.copy()
        other[:differing] = True
        assert list(same_films([other], [bits])) == [found]
    assert list(same_films([bits], [])) == [None]


def test_a_cell_brighter_than_the_one_before_it_is_a_bit() -> None:
    ramp = np.tile(np.arange(0, 170, dtype=np.uint8), (160, 1))
    assert difference_hash(ramp).all()
    assert not difference_hash(ramp[:, ::-1]).any()
    assert not difference_hash(np.full((160, 170), 9, np.uint8)).any()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the radiographs of {DATA}")
def test_real_films_are_told_from_those_of_another_site() -> None:
    def read(file: Path) -> np.ndarray:
        return difference_hash(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))

    originals = sorted((DATA / "kermany_original").rglob("*.jpeg"))
    small = {file.stem: file for file in (DATA / "kermany224" / "train").rglob("*.jpeg")}
    hashes = [read(small[file.stem]) for file in originals]
    assert len(originals) > 200
    found = list(same_films(map(read, originals), hashes))
    # Of films that are there twice, either may be the nearest.
    nearest = [None if place is None else hashes[place].tolist() for place in found]
    assert nearest == [one.tolist() for one in hashes]
    others = sorted((DATA / "nih_adult").rglob("*.jp*g"))
    assert len(others) > 300
    assert set(same_films(map(read, others), hashes)) == {None}
