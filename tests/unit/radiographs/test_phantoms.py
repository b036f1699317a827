"""Phantoms: reproducible, honest about their labels, and careful with what is on the disk."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models import features
from radiographs import phantoms
from radiographs.errors import DataError
from radiographs.layouts import read_films
from radiographs.options import IngestOptions
from radiographs.phantoms import anatomy, folder, lesions, patients
from radiographs.phantoms.__main__ import main

FILMS = 40
SIZE_PX = 64
ROOT = Path(__file__).parents[3]


def write(root: Path, *, films: int = FILMS, seed: int = 0, workers: int = 1) -> Path:
    console = Console(file=io.StringIO())
    return phantoms.write_phantoms(
        root, films=films, size_px=SIZE_PX, seed=seed, workers=workers, console=console
    )


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def manifest(root: Path) -> list[dict[str, str]]:
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def grey_levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def ill_patient(seed: int, pattern: str) -> patients.Patient:
    return replace(phantoms.draw_patient(seed, patients.PNEUMONIA), pattern=pattern)


def chest_of(seed: int, size_px: int = 128) -> anatomy.Chest:
    rng = np.random.default_rng(seed)
    habitus = phantoms.draw_patient(seed).habitus
    return anatomy.draw_chest(rng, anatomy.make_grid(rng, size_px), habitus, "PA")


def mask_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("drawn") / "phantoms")


# One film


def test_same_seed_gives_the_same_film_and_another_seed_another() -> None:
    first, again, other = (phantoms.draw_phantom(seed, SIZE_PX) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.lesion_mask, again.lesion_mask)
    assert np.abs(first.pixels.astype(int) - other.pixels).mean() > 5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pattern", lesions.PATTERNS)
def test_lesion_lies_in_its_mask_and_the_mask_in_the_lungs(pattern: str, seed: int) -> None:
    chest = chest_of(seed)
    lesion = lesions.draw_lesion(np.random.default_rng(seed), chest, pattern)
    assert lesion.mask.any()
    assert not (lesion.mask & ~chest.lungs).any()
    assert (lesion.attenuation >= 0).all()
    # A Gaussian patch that is cut off at a fifth of its height keeps four fifths of its volume.
    inside, beside = lesion.mask, chest.lungs & ~lesion.mask
    assert lesion.attenuation[inside].sum() > 0.75 * lesion.attenuation.sum()
    assert lesion.attenuation[inside].mean() > 3 * lesion.attenuation[beside].mean()


@pytest.mark.parametrize("pattern", lesions.PATTERNS)
def test_a_lesion_gives_back_no_more_than_the_air_of_the_lungs(pattern: str) -> None:
    chest = chest_of(5)
    lesion = lesions.draw_lesion(np.random.default_rng(5), chest, pattern)
    assert (lesion.attenuation <= chest.air).all()


@pytest.mark.parametrize("pattern", lesions.PATTERNS)
def test_label_changes_the_film_where_the_mask_is(pattern: str) -> None:
    ill = ill_patient(11, pattern)
    healthy = replace(ill, label=patients.NORMAL)
    with_lesion = phantoms.draw_phantom(11, 128, ill)
    without = phantoms.draw_phantom(11, 128, healthy)
    # The tone curve follows the film, so all grey levels move a little; ranks hardly do.
    ranks = [stats.rankdata(film.pixels).reshape(128, 128) for film in (with_lesion, without)]
    rise = (ranks[0] - ranks[1]) / ranks[0].size
    assert rise[with_lesion.lesion_mask].mean() > 0.03
    assert abs(rise[~with_lesion.lesion_mask].mean()) < 0.02
    assert (with_lesion.view, with_lesion.sex) == (without.view, without.sex)


def test_bedside_films_have_the_larger_heart() -> None:
    patient = phantoms.draw_patient(2)
    grid = anatomy.make_grid(np.random.default_rng(2), 128)
    air = {
        view: anatomy.draw_chest(np.random.default_rng(2), grid, patient.habitus, view).air.sum()
        for view in patients.DRAWN_VIEWS
    }
    assert air["AP"] < 0.95 * air["PA"]


def test_grid_finds_its_own_pixels_again() -> None:
    grid = anatomy.make_grid(np.random.default_rng(9), 50)
    for row, column in ((0, 0), (7, 31), (49, 12)):
        point = float(grid.x[row, column]), float(grid.y[row, column])
        np.testing.assert_allclose(grid.to_pixel(point), (column, row), atol=1e-3)


def test_soft_step_is_the_logistic_curve() -> None:
    distance = np.linspace(-1, 1, 21, dtype=np.float32)
    expected = 1 / (1 + np.exp(-distance / 0.2))
    np.testing.assert_allclose(anatomy.soft_step(distance, 0.2), expected, atol=1e-6)


# The folder


def test_bytes_depend_on_the_seed_and_not_on_the_number_of_processes(
    drawn: Path, tmp_path: Path
) -> None:
    assert contents(write(tmp_path / "parallel", workers=2)) == contents(drawn)
    assert contents(write(tmp_path / "other", seed=1)).keys() != contents(drawn).keys()


def test_manifest_lists_every_file(drawn: Path) -> None:
    rows = manifest(drawn)
    listed = {row[column] for row in rows for column in ("path", "lesion_mask", "lung_mask")} - {""}
    assert listed | {"manifest.csv", "phantoms.json"} == contents(drawn).keys()
    assert len(rows) == len({row["path"] for row in rows}) == FILMS
    for row in rows:
        assert row["path"].split("/")[0] == row["label"]
        assert grey_levels(drawn / row["path"]).shape == (SIZE_PX, SIZE_PX)


def test_masks_belong_to_pneumonia_alone(drawn: Path) -> None:
    for row in manifest(drawn):
        assert row["subtype"] in features.SUBTYPES
        assert (row["subtype"] == features.SUBTYPE_NONE) == (row["label"] == features.NORMAL)
        assert bool(row["lesion_mask"]) == (row["label"] == features.PNEUMONIA)
        if row["lesion_mask"]:
            with Image.open(drawn / row["lesion_mask"]) as mask:
                assert mask.size == (SIZE_PX, SIZE_PX)
                assert np.asarray(mask).any()


def test_every_film_has_both_lungs_drawn_and_lesions_lie_in_them(drawn: Path) -> None:
    for row in manifest(drawn):
        lungs = mask_of(drawn / row["lung_mask"])
        film = grey_levels(drawn / row["path"])
        assert lungs[:, : SIZE_PX // 2].any() and lungs[:, SIZE_PX // 2 :].any()
        tall = lungs.sum(axis=1) > SIZE_PX // 4
        between = tall[:, np.newaxis] & ~lungs
        between[:, : SIZE_PX // 3], between[:, -SIZE_PX // 3 :] = False, False
        assert film[lungs].mean() < film[between].mean()  # air is darker than the spine
        if row["lesion_mask"]:
            assert not mask_of(drawn / row["lesion_mask"])[~lungs].any()


def test_lung_masks_are_no_films(drawn: Path) -> None:
    def read(path: str) -> str:
        return (drawn / path).read_text(encoding="utf-8")

    layout = read_films(sorted(contents(drawn)), read, IngestOptions())
    assert len(layout.films) == FILMS
    assert {row["lung_mask"] for row in manifest(drawn)} <= {path for path, _ in layout.ignored}


def test_a_patient_has_one_label_sex_age_and_site_and_up_to_four_films(drawn: Path) -> None:
    films: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in manifest(drawn):
        films[row["patient_id"]].append(row)
    for rows in films.values():
        for column in ("label", "subtype", "sex", "age_years", "site"):
            assert len({row[column] for row in rows}) == 1
    sizes = {len(rows) for rows in films.values()}
    assert sizes <= {1, 2, 3, 4}
    assert len(sizes) > 1


@pytest.mark.parametrize(("fraction", "pneumonias"), [(0.615, 25), (0.25, 10), (0.001, 1)])
def test_classes_have_the_share_that_was_asked_for(fraction: float, pneumonias: int) -> None:
    series = folder._plan(folder.Parameters(FILMS, SIZE_PX, 0, fraction))
    films: dict[str, int] = defaultdict(int)
    for one in series:
        films[one.patient.label] += len(one.seeds)
    assert films == {patients.PNEUMONIA: pneumonias, patients.NORMAL: FILMS - pneumonias}


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    root = write(tmp_path / "phantoms", films=4)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    write(root, films=4)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_lost_film_is_drawn_again(tmp_path: Path) -> None:
    root = write(tmp_path / "phantoms", films=4)
    complete = contents(root)
    (root / manifest(root)[0]["path"]).unlink()
    assert contents(write(root, films=4)) == complete


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    # In a container a process often has the number of the one that was killed before.
    for number in (ended.pid, os.getpid()):
        for kind in ("fresh", "stale"):
            (tmp_path / f".phantoms.{number}.{kind}" / "NORMAL").mkdir(parents=True)
    others = {f".phantoms.{os.getppid()}.fresh", f".phantoms2.{ended.pid}.fresh", ".phantoms.old"}
    for name in others:
        (tmp_path / name).mkdir()
    write(tmp_path / "phantoms", films=4)
    assert {path.name for path in tmp_path.iterdir()} == {"phantoms", *others}


def test_phantoms_of_other_parameters_are_replaced(tmp_path: Path) -> None:
    root = write(tmp_path / "phantoms", films=6)
    write(root, films=4)
    assert len(manifest(root)) == 4
    assert contents(root) == contents(write(tmp_path / "fresh", films=4))
    assert {path.name for path in tmp_path.iterdir()} == {"phantoms", "fresh"}


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "NORMAL").mkdir()
    (tmp_path / "NORMAL" / "film.jpeg").write_bytes(b"precious")
    with pytest.raises(DataError, match=r"film\.jpeg is not a phantom"):
        write(tmp_path)
    assert contents(tmp_path) == {"NORMAL/film.jpeg": b"precious"}


def test_a_file_added_to_phantoms_is_not_lost(tmp_path: Path) -> None:
    root = write(tmp_path / "phantoms", films=4)
    (root / "PNEUMONIA" / "own.png").write_bytes(b"precious")
    before = contents(root)
    with pytest.raises(DataError, match=r"own\.png is not a phantom"):
        write(root, films=6)
    assert contents(root) == before


def test_an_interrupted_drawing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "_write_manifest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "phantoms", films=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--films", "1"], "at least 2 films"),
        (["--size-px", "8"], "at least 32 px"),
        (["--seed", "-1"], "a seed of 0 or more"),
        (["--pneumonia-fraction", "1"], "between 0 and 1"),
    ],
)
def test_bad_parameters_get_one_sentence(
    flags: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path / "phantoms"), *flags]) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_runs_as_a_module(drawn: Path, tmp_path: Path) -> None:
    output = tmp_path / "phantoms"
    flags = ["--output", str(output), "--films", str(FILMS), "--size-px", str(SIZE_PX)]
    command = [sys.executable, "-m", "radiographs.phantoms", *flags, "--workers", "2"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{FILMS} phantoms are in {output}" in finished.stdout
    assert contents(output) == contents(drawn)


# What gives the label away


def ten_statistics(pixels: np.ndarray) -> list[float]:
    values = pixels.ravel() / 255
    shares = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    percentiles = np.percentile(values, (5, 25, 50, 75, 95))
    moments = values.mean(), values.std(), stats.skew(values), stats.kurtosis(values)
    return [*moments, *percentiles, stats.entropy(shares)]


@pytest.fixture(scope="module")
def many() -> list[phantoms.Phantom]:
    """Films at the size where they are cheap; intensity statistics hardly depend on it."""
    series = folder._plan(folder.Parameters(400, SIZE_PX, 7, 0.5))
    return [
        phantoms.draw_phantom(seed, SIZE_PX, one.patient) for one in series for seed in one.seeds
    ]


def cross_validated_auc(table: np.ndarray, films: list[phantoms.Phantom]) -> float:
    is_ill = np.array([film.label == patients.PNEUMONIA for film in films])
    scores = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        table,
        is_ill,
        groups=[film.patient_id for film in films],
        cv=GroupKFold(5),
        method="predict_proba",
    )
    return roc_auc_score(is_ill, scores[:, 1])


def test_ten_intensity_statistics_do_not_give_the_label_away(
    many: list[phantoms.Phantom],
) -> None:
    auc = cross_validated_auc(np.array([ten_statistics(film.pixels) for film in many]), many)
    print(f"AUC of ten intensity statistics: {auc:.3f}")  # shown by pytest -s
    assert auc < 0.7


def test_metadata_does_not_give_the_label_away(many: list[phantoms.Phantom]) -> None:
    sites = sorted({film.site for film in many})
    table = np.array(
        [
            [film.age_years, film.sex == "M", film.view == "AP", *(film.site == s for s in sites)]
            for film in many
        ],
        float,
    )
    assert cross_validated_auc(table, many) < 0.65


def test_the_frame_does_not_give_the_label_away(many: list[phantoms.Phantom]) -> None:
    frame = np.ones((SIZE_PX, SIZE_PX), bool)
    frame[6:-6, 6:-6] = False
    blocks = np.array([film.pixels[frame].reshape(-1, 12).mean(axis=1) for film in many])
    assert cross_validated_auc(blocks, many) < 0.65


def test_the_mask_does_tell_the_label(many: list[phantoms.Phantom]) -> None:
    """The check on the checks: the same regression sees what is there to be seen."""
    area = np.array([[film.lesion_mask.mean()] for film in many])
    assert cross_validated_auc(area, many) > 0.99
