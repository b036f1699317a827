"""preprocessing: copies are other files of the same film, and rows say what was measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import preprocessing
from benchmarks.comparison import Part


@pytest.fixture(name="root")
def make_root(tmp_path: Path) -> Path:
    root = tmp_path / "films"
    for number, label in enumerate(("NORMAL", "PNEUMONIA")):
        (root / label).mkdir(parents=True)
        noise = np.random.default_rng(number).integers(0, 256, (80, 90), np.uint8)
        cv2.imwrite(str(root / label / "film.jpeg"), noise)
    return root


def test_copies_are_other_files_with_the_same_pixels(root: Path, tmp_path: Path) -> None:
    copies = preprocessing.copy_films(root, 3, tmp_path / "copies")
    assert len({file.read_bytes() for file in copies}) == len(copies) == 6
    for file in copies:
        original = root / file.parent.name / "film.jpeg"
        assert np.array_equal(cv2.imread(str(file)), cv2.imread(str(original)))


def test_a_row_has_the_speeds_their_ratio_and_the_peaks(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [Part("RadiographExampleGen", 3.0, 1200.4), Part("Transform", 1.0, 900.0)]
    monkeypatch.setattr(preprocessing, "_components", lambda folder, flags: parts)
    monkeypatch.setattr(preprocessing, "opencv_loop", lambda files, size_px: 10.0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert preprocessing.main(["--data-root", str(root), "--copies", "1", "8"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    # 16 films in 4 seconds on two cores are 2 a second a core.
    assert rows == [
        "| 2 | 0 | 10 | 0.2 | 0.03 | 1,200 | 900 |",
        "| 16 | 0 | 10 | 2.0 | 0.20 | 1,200 | 900 |",
    ]
