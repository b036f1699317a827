"""The montage of augmented films: its layout, its first column, and a picture to look at.

The picture of real films is left in the folder of its test, `augmentation.png`. pytest
keeps the folders of its last three runs below the system's temporary folder;
`--basetemp=work/tests` puts them where git ignores them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import augmentation_montage, montage
from models.features import LABELS, NORMAL, PNEUMONIA
from models.hyperparameters import Augmentation, Preprocessing
from radiographs.films import Film
from tests.support import ROOT, draw_film

REAL_FILMS = ROOT / "../shared/data/kermany224"
SIZE_PX = 64
CELL_PX = SIZE_PX + 2 * montage.FRAME_PX
UNCHANGED = (
    "--set", "preprocessing.contrast=none", "--set", "preprocessing.image_size_px=64",
    "--set", "preprocessing.lungs=none",
)  # fmt: skip
MODERATE = {
    "gamma": 0.5, "contrast": 0.3, "sharpness": 0.8, "aspect": 0.15, "shift": 0.08, "erase": 0.2,
}  # fmt: skip


@pytest.fixture(name="data_root")
def draw_data_root(tmp_path: Path) -> Path:
    """Eight films of each class, of the network's own size."""
    for number in range(8):
        for first_seed, label in ((0, NORMAL), (100, PNEUMONIA)):
            file = tmp_path / "films" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), draw_film(first_seed + number, SIZE_PX))
    return tmp_path / "films"


def draw(data_root: Path, out: Path, *flags: str) -> int:
    return augmentation_montage.main(["--data-root", str(data_root), "--out", str(out), *flags])


def cells_of(picture: np.ndarray, size_px: int) -> np.ndarray:
    """Cuts a montage up: [rows, columns, size, size], without frames."""
    cell_px = size_px + 2 * montage.FRAME_PX
    rows, columns = np.array(picture.shape) // cell_px
    cells = picture.reshape(rows, cell_px, columns, cell_px).transpose(0, 2, 1, 3)
    inside = slice(montage.FRAME_PX, -montage.FRAME_PX)
    return cells[:, :, inside, inside]


def test_each_row_shows_a_film_and_then_its_changes(data_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "montage.png"
    assert draw(data_root, out, "--films", "4", "--changes", "3", *UNCHANGED) == 0
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (4 * CELL_PX, 4 * CELL_PX)
    cells = cells_of(picture, SIZE_PX)
    shown = [draw_film(seed, SIZE_PX) for seed in (0, 100, 4, 104)]  # in turn, evenly spaced
    np.testing.assert_array_equal(cells[:, 0], shown)
    flat = cells.reshape(16, -1).astype(float)
    for one in range(16):
        for another in range(one):
            assert np.abs(flat[one] - flat[another]).mean() > 2
    for row in cells.astype(float):
        for change in row[1:]:
            assert np.abs(change - row[0]).mean() < 100


def test_the_frame_is_white(data_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "montage.png"
    assert draw(data_root, out, "--films", "1", "--changes", "1", *UNCHANGED) == 0
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    framed = np.full((CELL_PX, CELL_PX), 255)
    framed[2:-2, 2:-2] = draw_film(0, SIZE_PX)
    np.testing.assert_array_equal(picture[:, :CELL_PX], framed)


def test_without_strength_all_columns_are_the_film() -> None:
    films = np.stack([draw_film(seed, SIZE_PX) for seed in range(3)])
    cells = cells_of(montage.draw_montage(films, Augmentation(strength=0), 2, 0), SIZE_PX)
    np.testing.assert_array_equal(cells, np.repeat(films[:, None], 3, axis=1))


def test_a_seed_repeats_the_picture_and_another_does_not() -> None:
    films = np.stack([draw_film(seed, SIZE_PX) for seed in range(2)])
    first, again, other = (
        montage.draw_montage(films, Augmentation(), 2, seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_films_are_chosen_from_both_classes_in_turn() -> None:
    films = [
        Film(f"{label}/{number}.png", label, "none", str(number))
        for label, count in zip(LABELS, (10, 2), strict=True)
        for number in range(count)
    ]
    chosen = [film.path for film in montage.choose_films(films, 5)]
    assert chosen == [
        "NORMAL/0.png", "PNEUMONIA/0.png", "NORMAL/3.png", "PNEUMONIA/0.png", "NORMAL/6.png",
    ]  # fmt: skip


def test_an_unusable_film_is_named(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_root / NORMAL / "0.png").write_bytes(b"GIF89a")
    assert draw(data_root, tmp_path / "montage.png") == 2
    assert "the film NORMAL/0.png is unusable" in capsys.readouterr().err
    assert not (tmp_path / "montage.png").exists()


def test_a_wrong_flag_is_explained(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(data_root, tmp_path / "none" / "montage.png") == 2
    assert "make it first" in capsys.readouterr().err
    assert draw(data_root, tmp_path / "montage.png", "--set", "augmentation.gamma=3") == 2
    assert "augmentation.gamma" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        draw(data_root, tmp_path / "montage.png", "--films", "0")
    assert "0 is not at least 1" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "montage.png").mkdir()
    with pytest.raises(montage.DataError, match=r"montage.png cannot be written"):
        montage.write_png(tmp_path / "montage.png", draw_film(0))
    assert [path.name for path in tmp_path.iterdir()] == ["montage.png"]


def test_changed_radiographs_are_still_like_themselves(tmp_path: Path) -> None:
    if not REAL_FILMS.is_dir():
        pytest.skip("needs the radiographs of ../shared/data/kermany224")
    out = tmp_path / "augmentation.png"
    flags = [f"--set=augmentation.{name}={bound}" for name, bound in MODERATE.items()]
    assert draw(REAL_FILMS, out, "--changes", "5", *flags) == 0
    size_px = Preprocessing().image_size_px
    cells = cells_of(cv2.imread(str(out), cv2.IMREAD_UNCHANGED), size_px)
    assert cells.shape == (6, 6, size_px, size_px)
    changes = np.abs(cells[:, 1:].astype(float) - cells[:, :1]).mean(axis=(2, 3))
    assert changes.min() > 5
    assert changes.max() < 90
    saturated = ((cells == 0) | (cells == 255)).mean(axis=(2, 3))
    assert (saturated[:, 1:] - saturated[:, :1]).max() < 0.35
    assert cells[:, 1:].std(axis=(2, 3)).min() > 20  # of 255: no film has faded to grey
