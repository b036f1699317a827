"""A folder of phantoms: planned, drawn by several processes, complete or not there at all.

This module owns what lies on the disk: `manifest.csv`, the films in `NORMAL/` and
`PNEUMONIA/`, the lesion masks in `masks/`, the lung fields in `lung_masks/`, and the parameters
in `phantoms.json`.
"""

from __future__ import annotations

import csv
import json
import logging
import multiprocessing
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rich import progress
from rich.console import Console

from models.features import NORMAL, PNEUMONIA
from radiographs.errors import DataError
from radiographs.phantoms.patients import Patient, Seed, draw_patient, draw_phantom

logger = logging.getLogger(__name__)

MANIFEST = "manifest.csv"
PARAMETERS = "phantoms.json"
MASKS = "masks"
LUNG_MASKS = "lung_masks"
COLUMNS = (
    "path", "label", "subtype", "patient_id", "site", "view", "sex", "age_years", "lesion_mask",
    "lung_mask",
)  # fmt: skip
DRAWING_VERSION = 4  # raise it when the same seed writes other files than before
PNEUMONIA_FRACTION = 0.615  # 1.6 pneumonias to a normal film
MAX_FILMS_PER_PATIENT = 4

Row = dict[str, str | int]  # of the manifest, by column


@dataclass(frozen=True)
class Parameters:
    """What a folder of phantoms was drawn from."""

    films: int
    size_px: int
    seed: int
    pneumonia_fraction: float
    drawing_version: int = DRAWING_VERSION

    def __post_init__(self) -> None:
        """Refuses what cannot be drawn."""
        if self.films < 2 or self.size_px < 32 or self.seed < 0:
            raise DataError(
                f"cannot draw {self.films} phantoms of {self.size_px} px from seed {self.seed}; "
                "ask for at least 2 films of at least 32 px, and a seed of 0 or more"
            )
        if not 0 < self.pneumonia_fraction < 1:
            raise DataError(
                f"a pneumonia fraction of {self.pneumonia_fraction} leaves a class without films; "
                "choose a value between 0 and 1"
            )

    def to_json(self) -> str:
        """Returns the content of phantoms.json."""
        return json.dumps(asdict(self), indent=2) + "\n"


def write_phantoms(
    root: Path,
    *,
    films: int,
    size_px: int = 256,
    seed: int = 0,
    pneumonia_fraction: float = PNEUMONIA_FRACTION,
    workers: int | None = None,
    console: Console | None = None,
) -> Path:
    """Fills a folder with phantoms, unless it holds exactly these already.

    The folder appears only when it is complete. Phantoms drawn from other parameters are
    replaced; anything else is left alone.

    Args:
        root: The folder; those above it are made if need be.
        films: Number of films.
        size_px: Height and width of a film.
        seed: Of everything that is drawn.
        pneumonia_fraction: Share of the films that show pneumonia, between 0 and 1.
        workers: Processes that draw; None takes one a processor. A script that asks for
            more than one needs the usual `if __name__ == "__main__"`.
        console: Where the progress bar goes; None is the standard error stream.

    Returns:
        The folder.

    Raises:
        DataError: If the folder holds a file that was not drawn here, or the parameters
            cannot be drawn. Nothing is changed then.
    """
    parameters = Parameters(films, size_px, seed, pneumonia_fraction)
    if _holds(root, parameters):
        logger.info("%s holds these %d phantoms already", root, films)
        return root
    _refuse_foreign_files(root)
    logger.info("Drawing %d phantoms of %d px in %s", films, size_px, root)
    with _replacing(root) as folder:
        rows = _draw_all(folder, parameters, workers or os.cpu_count() or 1, console)
        _write_manifest(folder / MANIFEST, rows)
        (folder / PARAMETERS).write_text(parameters.to_json(), encoding="utf-8")
    return root


@dataclass(frozen=True)
class _Series:
    """The films to draw of one patient."""

    patient: Patient
    seeds: tuple[Seed, ...]


def _plan(parameters: Parameters) -> list[_Series]:
    """Fills each class with patients; their numbers do not tell the class."""
    rng = np.random.default_rng(parameters.seed)
    pneumonias = round(parameters.films * parameters.pneumonia_fraction)
    pneumonias = min(max(pneumonias, 1), parameters.films - 1)
    patients = [(NORMAL, size) for size in _partition(rng, parameters.films - pneumonias)]
    patients += [(PNEUMONIA, size) for size in _partition(rng, pneumonias)]
    series = []
    for number, place in enumerate(rng.permutation(len(patients))):
        label, size = patients[place]
        seed = (parameters.seed, number)
        patient = draw_patient(seed, label, patient_id=f"phantom{number:05d}")
        series.append(_Series(patient, tuple((*seed, film) for film in range(1, size + 1))))
    return series


def _partition(rng: np.random.Generator, films: int) -> Iterator[int]:
    while films > 0:
        size = min(films, int(rng.integers(1, MAX_FILMS_PER_PATIENT + 1)))
        yield size
        films -= size


def _draw_all(
    folder: Path, parameters: Parameters, workers: int, console: Console | None
) -> list[Row]:
    for name in (NORMAL, PNEUMONIA, MASKS, LUNG_MASKS):
        (folder / name).mkdir()
    draw = partial(_draw_series, folder, parameters.size_px)
    series = _plan(parameters)
    if workers == 1:
        return _collect(map(draw, series), parameters.films, console)
    # Forking a process that runs threads, as TensorFlow's does, may hang; spawning does not.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(series)), mp_context=spawn) as pool:
        return _collect(pool.map(draw, series, chunksize=4), parameters.films, console)


def _collect(drawn: Iterable[list[Row]], films: int, console: Console | None) -> list[Row]:
    """Gathers the rows of the manifest while a bar shows how many films there are."""
    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )
    rows: list[Row] = []
    with bar:
        task = bar.add_task("Drawing phantoms", total=films)
        for of_patient in drawn:
            rows += of_patient
            bar.advance(task, len(of_patient))
    return sorted(rows, key=lambda row: row["path"])


def _draw_series(folder: Path, size_px: int, series: _Series) -> list[Row]:
    """Draws and stores the films of a patient; runs in a process of its own."""
    site = series.patient.site
    rows: list[Row] = []
    for number, seed in enumerate(series.seeds, start=1):
        phantom = draw_phantom(seed, size_px, series.patient)
        name = f"{phantom.patient_id}_{number}"
        path = f"{phantom.label}/{name}{site.suffix}"
        mask = f"{MASKS}/{name}.png" if phantom.lesion_mask.any() else ""
        Image.fromarray(phantom.pixels).save(folder / path, **site.save_options)
        if mask:
            Image.fromarray(phantom.lesion_mask).save(folder / mask)
        lung_mask = f"{LUNG_MASKS}/{name}.png"
        Image.fromarray(phantom.lung_mask).save(folder / lung_mask)
        known = {column: getattr(phantom, column) for column in COLUMNS[1:-2]}
        rows.append({"path": path, **known, "lesion_mask": mask, "lung_mask": lung_mask})
    return rows


def _write_manifest(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _holds(root: Path, parameters: Parameters) -> bool:
    listed = _listed_files(root)
    complete = bool(listed) and all(path.is_file() for path in listed)
    return complete and (root / PARAMETERS).read_text(encoding="utf-8") == parameters.to_json()


def _refuse_foreign_files(root: Path) -> None:
    if not root.exists():
        return
    found = {path for path in root.rglob("*") if not path.is_dir()} if root.is_dir() else {root}
    foreign = sorted(found - _listed_files(root))
    if foreign:
        raise DataError(
            f"{foreign[0]} is not a phantom ({len(foreign)} such in all), and drawing phantoms "
            f"would replace {root}; nothing was changed, choose another folder"
        )


def _listed_files(root: Path) -> set[Path]:
    """What a folder of phantoms is made of; nothing, where there is no such folder."""
    if not (root / PARAMETERS).is_file() or not (root / MANIFEST).is_file():
        return set()
    with (root / MANIFEST).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ("path", "mask", "lesion_mask", "lung_mask")  # `mask` up to drawing version 3
    names = {row.get(column) or "" for row in rows for column in columns} - {""}
    return {root / name for name in (PARAMETERS, MANIFEST, *names)}


@contextmanager
def _replacing(root: Path) -> Iterator[Path]:
    """Yields a new folder beside `root` that takes its place if all goes well."""
    root = root.absolute()
    root.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(root)
    fresh = root.with_name(f".{root.name}.{os.getpid()}.fresh")
    stale = root.with_name(f".{root.name}.{os.getpid()}.stale")
    fresh.mkdir()
    try:
        yield fresh
        if root.exists():
            root.rename(stale)
        fresh.rename(root)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(stale, ignore_errors=True)


def _remove_leftovers(root: Path) -> None:
    """Removes what killed processes left beside `root`; in a container all have the same number."""
    name = re.compile(rf"\.{re.escape(root.name)}\.(\d+)\.(fresh|stale)")
    for folder in list(root.parent.iterdir()):
        match = name.fullmatch(folder.name)
        if match and (int(match[1]) == os.getpid() or not _is_running(int(match[1]))):
            shutil.rmtree(folder)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
