"""Another site is read like any data root, and every file is accounted for."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from components.auditor.external import audit_external_site, fingerprint
from radiographs.errors import DataError
from radiographs.options import IngestOptions
from tests.support import encode
from tests.unit.components.auditor.films import film_of

OPTIONS = IngestOptions(patient_pattern=r"^(p\d+)")


@pytest.fixture(name="root")
def write_site(tmp_path: Path) -> Path:
    """Six films of three patients; the model is wrong about one."""
    films = {
        "NORMAL/p1_a.png": 60, "NORMAL/p1_b.png": 70, "NORMAL/p2_a.png": 200,
        "train/PNEUMONIA/p3_a.png": 190, "train/PNEUMONIA/p3_b.png": 180,
        "test/PNEUMONIA/p3_c.png": 210,
    }  # fmt: skip
    for seed, (path, mean) in enumerate(films.items()):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(film_of(seed, mean)))
    return tmp_path


def test_all_films_are_scored_whatever_their_split(mean_model: Any, root: Path) -> None:
    site = audit_external_site(mean_model, str(root), OPTIONS, samples=100)
    assert (site.estimate.films, site.estimate.patients, site.rejected) == (6, 3, 0)
    assert site.estimate.metrics["recall"] == 1
    assert site.estimate.metrics["specificity"] == pytest.approx(2 / 3)
    assert site.estimate.metrics["auc"] == pytest.approx(7 / 9)


def test_an_unusable_file_is_counted_and_named(
    mean_model: Any, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "NORMAL" / "p9.png").write_bytes(b"")
    with caplog.at_level(logging.INFO):
        site = audit_external_site(mean_model, str(root), OPTIONS, samples=100)
    assert (site.estimate.films, site.rejected) == (6, 1)
    assert "external film NORMAL/p9.png is left out: the file is empty" in caplog.text


def test_a_missing_folder_is_named(mean_model: Any, tmp_path: Path) -> None:
    root = str(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"evaluation\.external_data_root: .*nowhere is not a fold"):
        audit_external_site(mean_model, root, OPTIONS, samples=100)


def test_a_folder_without_films_is_explained(mean_model: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no film", encoding="utf-8")
    with pytest.raises(DataError, match=r"^evaluation\.external_data_root: .* no class folders"):
        audit_external_site(mean_model, str(tmp_path), OPTIONS, samples=100)


@pytest.mark.parametrize("label", ["NORMAL", "PNEUMONIA"])
def test_a_class_without_usable_films_is_named(mean_model: Any, root: Path, label: str) -> None:
    for file in root.glob(f"**/{label}/*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=f"has no usable film of {label}"):
        audit_external_site(mean_model, str(root), OPTIONS, samples=100)


def test_no_usable_film_at_all(mean_model: Any, root: Path) -> None:
    for file in root.glob("**/*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="has no usable film of NORMAL"):
        audit_external_site(mean_model, str(root), OPTIONS, samples=100)


def test_a_label_conflict_is_named_or_left_out(
    mean_model: Any, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = sorted(root.glob("**/NORMAL/*.png"))[0]
    (next(root.glob("**/PNEUMONIA")) / "twin.png").write_bytes(film.read_bytes())
    with pytest.raises(DataError, match=r"^evaluation\.external_data_root: .* label conflict: "):
        audit_external_site(mean_model, str(root), OPTIONS, samples=100)
    drop = OPTIONS.model_copy(update={"label_conflicts": "drop"})
    with caplog.at_level(logging.INFO):
        site = audit_external_site(mean_model, str(root), drop, samples=100)
    assert (site.estimate.films, site.rejected) == (5, 0)
    assert "external site: ignored 2 files: 2 label conflict" in caplog.text


def test_the_fingerprint_changes_with_the_films(root: Path) -> None:
    before = fingerprint(str(root))
    assert fingerprint(str(root)) == before
    (root / "NORMAL" / "p1_a.png").write_bytes(b"changed")
    assert fingerprint(str(root)) != before


def test_no_fingerprint_of_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        fingerprint(str(tmp_path / "nowhere"))
