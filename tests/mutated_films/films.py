"""Film files to be: sound ones, and the same ones spoilt by each kind of damage in turn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.features import LABELS
from radiographs.phantoms import draw_patient, draw_phantom
from tests.mutated_films.damages import DAMAGES, GIANTS
from tests.mutated_films.formats import DICOM, FORMATS, SIDE_PX, SUFFIXES
from tests.mutated_films.shipped import shipped_films


@dataclass(frozen=True)
class FilmFile:
    """A file to be.

    Attributes:
        path: Below the data root, in the folder of a class.
        data: Its content.
        kind: What it is, or what was done to it.
    """

    path: str
    data: bytes
    kind: str


def sound_files(count: int, seed: int) -> list[FilmFile]:
    """Draws films, and takes a few from pydicom; no two show the same.

    Args:
        count: How many.
        seed: Of what is drawn.
    """
    shipped = [*shipped_films()][: count // 8]
    kinds = list(FORMATS.items())
    files = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        name = f"{label}/sound{number:05d}"
        if number < len(shipped):
            kind, data = shipped[number]
            files.append(FilmFile(f"{name}{DICOM}", data, kind))
            continue
        kind, (suffix, write) = kinds[number % len(kinds)]
        patient = draw_patient((seed, number), label, patient_id=f"sound{number:05d}")
        pixels = draw_phantom((seed, number, 1), SIDE_PX, patient).pixels
        files.append(FilmFile(f"{name}{suffix}", write(pixels), kind))
    return files


def spoilt_files(sound: Sequence[FilmFile], count: int, seed: int) -> list[FilmFile]:
    """Spoils files, each kind of damage in turn; of `GIANTS`, which take long, two each.

    Args:
        sound: Of every format.
        count: Of the spoilt ones.
        seed: Of the damage.
    """
    by_suffix = {suffix: [f for f in sound if f.path.endswith(suffix)] for suffix in SUFFIXES}
    kinds, others = list(DAMAGES), [kind for kind in DAMAGES if kind not in GIANTS]
    in_turn = itertools.chain(kinds, kinds, itertools.cycle(others))
    files = []
    for number, kind in enumerate(itertools.islice(in_turn, count)):
        suffixes, spoil = DAMAGES[kind]
        random = np.random.default_rng((seed, number))
        suffix = suffixes[number // len(kinds) % len(suffixes)]
        usable = by_suffix[suffix]
        base = usable[random.integers(len(usable))]
        label = base.path.partition("/")[0]
        path = f"{label}/spoilt{number:05d}{suffix}"
        files.append(FilmFile(path, spoil(base.data, random), kind))
    return files


def write_files(root: Path, files: Sequence[FilmFile]) -> None:
    """Writes files below a folder."""
    for file in files:
        target = root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
