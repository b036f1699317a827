"""Folders of drawn lung fields: what belongs together, and who is held back."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from models import features
from models.lung_fields.films import (
    MaskedFilm,
    list_films,
    read_all,
    read_mask,
    read_pixels,
    separate_fields,
)
from models.lung_fields.network import SIDE_PX
from radiographs import phantoms
from radiographs.errors import DataError
from tests.unit.models.lung_fields.drawn_chests import chests


@pytest.fixture(scope="module", name="folder")
def draw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve phantoms; the eldest of a patient's films share the patient."""
    root = tmp_path_factory.mktemp("fields") / "phantoms"
    return phantoms.write_phantoms(
        root, films=12, size_px=64, workers=1, console=Console(file=io.StringIO())
    )


def write_pair(folder: Path, films: Path, name: str) -> None:
    chest = chests()[0]
    for below in (folder / "masks", films):
        below.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), 255 * chest.lung_mask.astype(np.uint8))
    cv2.imwrite(str(films / f"{name}.png"), chest.pixels)


def test_phantoms_are_a_folder_of_masks(folder: Path) -> None:
    films = list_films(str(folder))
    assert len(films) == 12
    for film in films:
        assert Path(film.mask_uri).parent == folder / "lung_masks"
        assert Path(film.film_uri).parent.name in features.LABELS
        assert film.name.startswith(film.patient_id)  # phantom00001_2 is of phantom00001


def test_films_may_lie_elsewhere_and_masks_without_one_are_left_out(tmp_path: Path) -> None:
    folder, films = tmp_path / "drawn", tmp_path / "hospital" / "ward"
    write_pair(folder, films, "one")
    (folder / "masks" / "lonely.png").write_bytes((folder / "masks" / "one.png").read_bytes())
    (film,) = list_films(str(folder), str(tmp_path / "hospital"))
    assert (film.source, film.name, film.patient_id) == ("drawn", "one", "one")
    assert Path(film.film_uri) == films / "one.png"
    np.testing.assert_array_equal(read_mask(film), chests()[0].lung_mask)


def test_a_folder_without_masks_or_films_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no lung_masks or masks"):
        list_films(str(tmp_path))
    write_pair(tmp_path / "drawn", tmp_path / "films", "one")
    with pytest.raises(DataError, match=r"no film in .* is called as a mask"):
        list_films(str(tmp_path / "drawn"))


def test_splits_hang_on_the_patient_and_keep_their_shares() -> None:
    films = [
        MaskedFilm("ward", f"{patient}_{number}", str(patient), "", "")
        for patient in range(3000)
        for number in range(2)
    ]
    assert all(one.split == two.split for one, two in zip(films[::2], films[1::2], strict=True))
    shares = {name: count / 6000 for name, count in Counter(one.split for one in films).items()}
    assert shares == pytest.approx(
        {features.TRAIN: 0.85, features.EVAL: 0.05, features.TEST: 0.1}, abs=0.02
    )


def test_fields_are_told_apart_by_their_place() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:30, 5:22], mask[5:30, 35:55] = True, True
    mask[34:36, 8:10] = True  # a piece that was cut off stays with its lung
    left, right = np.moveaxis(separate_fields(mask), -1, 0)
    np.testing.assert_array_equal(left[:, :30], mask[:, :30])
    np.testing.assert_array_equal(right[:, 30:], mask[:, 30:])
    assert not left[:, 30:].any() and not right[:, :30].any()


def test_a_lone_lung_belongs_to_the_half_it_lies_in() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:30, 35:55] = True
    np.testing.assert_array_equal(separate_fields(mask)[..., 1], mask)
    assert not separate_fields(np.zeros_like(mask)).any()


def test_films_and_fields_are_read_at_the_size_of_the_network(folder: Path) -> None:
    films = list_films(str(folder))[:3]
    pixels, fields = read_all(films)
    assert pixels.shape == (3, SIDE_PX, SIDE_PX, 1)
    np.testing.assert_array_equal(pixels[1, ..., 0], read_pixels(films[1]))
    drawn = np.stack([read_mask(film) for film in films])
    np.testing.assert_allclose(fields.sum(-1).mean((1, 2)) / 255, drawn.mean((1, 2)), atol=0.002)
