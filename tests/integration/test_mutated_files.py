"""Good films and spoilt files in one folder, through the whole ingest: no file is lost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.mutated_files import account, ingest, write_folder
from tests.mutated_films import FilmFile, sound_files, spoilt_files

SLOW = "megapixels"  # what is slow to decode is tried by the benchmark


@pytest.fixture(scope="module", name="sound")
def draw_sound_files() -> list[FilmFile]:
    return sound_files(40, seed=1)


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


def test_every_file_is_accounted_for(
    folder: Path, sound: list[FilmFile], spoilt: list[FilmFile]
) -> None:
    found = account(folder, sound, spoilt)
    assert found.faults == []
    aside = len(found.quarantined) + len(found.ignored)
    assert aside + sum(found.arrived.values()) == len(spoilt)
    assert aside > len(spoilt) / 2
    assert all([*found.quarantined.values(), *found.ignored.values()])


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
