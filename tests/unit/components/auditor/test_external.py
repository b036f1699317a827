"""Another site is read like any data root, and every file is accounted for."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from components.auditor import overlap
from components.auditor.external import (
    audit_external_site,
    fingerprint,
    refuse_shared_files,
)
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
    for number, content in ((7, b"no film"), (8, b"neither"), (9, b"")):
        (root / "NORMAL" / f"p{number}.png").write_bytes(content)
    with caplog.at_level(logging.INFO):
        site = audit_external_site(mean_model, str(root), OPTIONS, samples=100)
    assert (site.estimate.films, site.rejected) == (6, 3)
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
    assert re.fullmatch("[0-9a-f]{16}", before)
    (root / "NORMAL" / "p1_a.png").write_bytes(b"changed")
    assert fingerprint(str(root)) != before


def test_no_fingerprint_of_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        fingerprint(str(tmp_path / "nowhere"))


def test_films_that_the_model_does_not_judge_are_counted(reluctant_model: Any, root: Path) -> None:
    site = audit_external_site(reluctant_model, str(root), OPTIONS, samples=100)
    assert (site.estimate.films, site.rejected) == (4, 2)  # means of 60 and 70 are too dark


class TestSharedFiles:
    """Before anything is trained: two folders, of which the second is trained on."""

    @pytest.fixture(name="data_root")
    def write_data_root(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        data_root = tmp_path_factory.mktemp("data")
        for seed, label in enumerate(("NORMAL", "PNEUMONIA", "PNEUMONIA")):
            (data_root / label).mkdir(exist_ok=True)
            film = encode(film_of(100 + seed, 90))
            (data_root / label / f"own{seed}.png").write_bytes(film)
        return data_root

    def refused(self, root: Path, data_root: Path) -> str:
        with pytest.raises(DataError) as error:
            refuse_shared_files(str(root), str(data_root), OPTIONS)
        return str(error.value)

    def test_folders_with_nothing_in_common_pass(self, root: Path, data_root: Path) -> None:
        refuse_shared_files(str(root), str(data_root), OPTIONS)

    def test_films_to_train_on_that_cannot_be_read_are_left_to_the_ingest(
        self, root: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        refuse_shared_files(str(root), str(tmp_path_factory.mktemp("empty")), OPTIONS)

    def test_a_renamed_copy_is_found_whatever_its_label(self, root: Path, data_root: Path) -> None:
        for copy in ("NORMAL/other.png", "test/PNEUMONIA/another.png"):
            (root / copy).write_bytes((data_root / "PNEUMONIA" / "own2.png").read_bytes())
        assert self.refused(root, data_root) == (
            "evaluation.external_data_root: 2 of the 8 films below "
            f"{root} are films of train, eval or test as well, such as 'NORMAL/other.png' (the "
            "same bytes); another site may hold none of them, so take them out or choose another "
            "folder"
        )

    def test_another_film_of_the_same_size_is_none(self, root: Path, data_root: Path) -> None:
        content = bytearray((data_root / "NORMAL" / "own0.png").read_bytes())
        content[-1] ^= 1
        (root / "NORMAL" / "other.png").write_bytes(bytes(content))
        refuse_shared_files(str(root), str(data_root), OPTIONS)

    def test_a_patient_is_found_by_the_pattern(self, root: Path, data_root: Path) -> None:
        (data_root / "NORMAL" / "p3_later.png").write_bytes(encode(film_of(200, 90)))
        assert self.refused(root, data_root).startswith(
            f"evaluation.external_data_root: 1 of the 3 patients below {root} are in train, eval "
            "or test as well, such as 'p3' ('test/PNEUMONIA/p3_c.png'); take them out or, where"
        )

    def test_only_files_of_a_size_in_common_are_read(
        self, root: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []

        def read_bytes(folder: str, path: str) -> bytes:
            read.append(path)
            return (Path(folder) / path).read_bytes()

        monkeypatch.setattr(overlap, "read_bytes", read_bytes)
        copied = (data_root / "NORMAL" / "own0.png").read_bytes()
        (root / "NORMAL" / "other.png").write_bytes(copied)
        self.refused(root, data_root)
        files = [[*one.rglob("*.png")] for one in (root, data_root)]
        sizes = [{file.stat().st_size for file in one} for one in files]
        same = [
            file for one in files for file in one if file.stat().st_size in set.intersection(*sizes)
        ]
        assert 2 <= len(read) == len(same) < 10
