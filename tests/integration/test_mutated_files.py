"""Good films and spoilt files in one folder, through the whole ingest: no file is lost."""

from __future__ import annotations

import dataclasses
import json
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.mutated_files import account, ingest, write_folder
from components.radiograph_example_gen.film_list import read_film_list
from pipeline.lineage import run_outputs
from radiographs.phantoms import draw_phantom
from tests.dicom_films import dicom_file
from tests.mutated_films import FilmFile, sound_files, spoilt_files
from tests.support import encode

SLOW = "megapixels"  # what is slow to decode is tried by the benchmark


TEXT = "a name burned into the pixels"
COPY = "the same picture, darker"


@pytest.fixture(scope="module", name="sound")
def draw_sound_files() -> list[FilmFile]:
    pixels = np.maximum(draw_phantom(77, 256).pixels, 12)
    cv2.putText(pixels, "JANE DOE 1961", (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    named = [
        FilmFile("PNEUMONIA/named.dcm", dicom_file(pixels, PatientID="named"), TEXT),
        FilmFile("PNEUMONIA/again.dcm", dicom_file(pixels // 2, PatientID="named"), COPY),
        FilmFile("NORMAL/zz.png", encode(np.ascontiguousarray(pixels[:, :250])), TEXT),
    ]
    return [*sound_files(40, seed=1), *named]


@pytest.fixture(scope="module", name="spoilt")
def spoil_files(sound: list[FilmFile]) -> list[FilmFile]:
    spoilt = spoilt_files(sound, 80, seed=1)
    return [file for file in spoilt if SLOW not in file.kind][::2]


@pytest.fixture(scope="module", name="folder")
def run_ingest(
    tmp_path_factory: pytest.TempPathFactory, sound: list[FilmFile], spoilt: list[FilmFile]
) -> Path:
    folder = tmp_path_factory.mktemp("mutated")
    write_folder(folder, [*sound, *spoilt])
    ingest(folder)
    return folder


def report_of(folder: Path) -> Path:
    outputs = run_outputs(folder / "work" / "metadata.sqlite", "once")
    return Path(outputs["RadiographExampleGen", "report"].uri)


def test_every_file_is_accounted_for(
    folder: Path, sound: list[FilmFile], spoilt: list[FilmFile]
) -> None:
    found = account(folder, sound, spoilt)
    assert found.faults == []
    aside = len(found.quarantined) + len(found.ignored)
    assert aside + sum(found.arrived.values()) == len(spoilt)
    assert aside > len(spoilt) / 2
    assert all([*found.quarantined.values(), *found.ignored.values()])


def test_films_with_text_are_kept_and_named(folder: Path, sound: list[FilmFile]) -> None:
    report = report_of(folder)
    told = json.loads((report / "ingest.json").read_text(encoding="utf-8"))
    rows = read_film_list(str(report))
    seen = rows[rows["burned_in_text"] == "seen"]
    named = {sha256(file.data).hexdigest() for file in sound if file.kind in (TEXT, COPY)}
    assert set(seen["sha256"]) == named
    assert told["burned_in_text"] == {"films": 3, "listed": sorted(seen["path"])}
    (note,) = [note for note in told["notes"] if "burned" in note]
    assert note.startswith("3 films show text burned into the pixels, such as 'NORMAL/zz.png'")
    assert "named" not in "".join(seen["path"])


def test_near_copies_are_found_among_files_whose_paths_are_hidden(folder: Path) -> None:
    report = report_of(folder)
    rows = read_film_list(str(report))
    hidden = rows[rows["path"].str.startswith("dicom/") & (rows["copies"] != "")]
    assert hidden["copies"].value_counts().max() >= 2


def test_a_file_that_is_nowhere_is_noticed(folder: Path, sound: list[FilmFile]) -> None:
    gone = FilmFile("NORMAL/gone.png", b"", "gone")
    (fault,) = account(folder, sound, [gone]).faults
    assert fault.startswith("NORMAL/gone.png (gone) is lost")


def test_a_good_film_in_quarantine_is_noticed(
    folder: Path, sound: list[FilmFile], spoilt: list[FilmFile]
) -> None:
    found = account(folder, sound, spoilt)
    path = next(iter(found.quarantined))
    good = next(file for file in spoilt if file.path == path)
    (fault,) = account(folder, [*sound, good], []).faults
    assert path in fault and "is set aside" in fault


def test_an_example_of_other_bytes_is_noticed(folder: Path, sound: list[FilmFile]) -> None:
    changed = [dataclasses.replace(sound[0], data=b"other bytes"), *sound[1:]]
    (fault,) = account(folder, changed, []).faults
    assert sound[0].path in fault and "do not decode" in fault
