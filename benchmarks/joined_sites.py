"""Several sites as one data root, and each site against a model of the others."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.ablations import LEAN_SETTINGS
from benchmarks.quality_runs import Bench, Films, Record, Variant
from components.radiograph_example_gen.listing import read_layout
from models import features
from radiographs.films import Film
from radiographs.options import IngestOptions
from radiographs.pseudonyms import real_path

MANIFEST_COLUMNS = (
    "path", features.LABEL, features.SUBTYPE, features.PATIENT_ID, features.SITE, features.VIEW,
    features.SEX, features.AGE_YEARS,
)  # fmt: skip

# Sites are what both count by, so that the trainings differ in what an epoch draws alone.
_BY_SITE = {**LEAN_SETTINGS, "train.group_by": features.SITE}


@dataclass(frozen=True)
class Training:
    """Models of some sites.

    Attributes:
        sites: That they were trained on.
        balanced: Whether an epoch drew the sites evenly.
        left_out: The site that they have not seen, or an empty string.
        records: One a seed.
    """

    sites: tuple[str, ...]
    balanced: bool
    left_out: str
    records: list[Record]


def join_sites(sites: Mapping[str, Path], folder: Path) -> None:
    """Copies the films of several sites below one folder, with a manifest that tells them apart.

    Splits that are given there are left behind: a split of several sites is carved from all.

    Args:
        sites: Folders of films, by the name that the manifest gives them.
        folder: Made anew.

    Raises:
        DataError: If the films of one cannot be told.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")  # a kill must leave no half behind
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with (unfinished / IngestOptions().manifest).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for name, root in sites.items():
            for film in read_layout(str(root), IngestOptions()).films:
                row = _row(name, film)
                target = unfinished / row["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / real_path(film.path), target)
                writer.writerow(row)
    unfinished.rename(folder)


def leave_one_out(
    sites: Mapping[str, Path],
    variant: Variant,
    seeds: Sequence[int],
    workdir: Path,
    console: Console,
) -> list[Training]:
    """Trains on all sites, evenly drawn and not, and on all but one, for each one.

    Args:
        sites: Folders of films by name, at least two.
        variant: Settings of the trainings.
        seeds: Of the trainings.
        workdir: Keeps the joined films, the runs and their results.
        console: For progress.

    Returns:
        What came of them.

    Raises:
        BenchmarkError: If a run fails.
        DataError: If the films of a site cannot be told.
    """
    trainings = []
    for left_out in ("", *sites):
        joined = {name: root for name, root in sites.items() if name != left_out}
        folder = workdir / "films" / ("+".join(joined))
        if not folder.exists():
            join_sites(joined, folder)
        external = {left_out: sites[left_out]} if left_out else {}
        bench = Bench(Films(folder, external), workdir / "+".join(joined), console)
        for balanced in (True, False) if len(joined) > 1 else (False,):
            settings: dict[str, Any] = {**_BY_SITE, "train.balance_groups": balanced}
            name = f"{' and '.join(joined)}{', evenly drawn' if balanced else ''}"
            records = bench.measure(variant.changed(name, settings), seeds)
            trainings.append(Training(tuple(joined), balanced, left_out, records))
    return trainings


def _row(site: str, film: Film) -> dict[str, Any]:
    known = film.age_years != features.AGE_UNKNOWN
    return {
        "path": f"{site}/{film.path}",
        features.LABEL: film.label,
        features.SUBTYPE: film.subtype if film.label == features.PNEUMONIA else "",
        features.PATIENT_ID: f"{site}-{film.patient_id}",
        features.SITE: site,
        features.VIEW: film.view,
        features.SEX: film.sex,
        features.AGE_YEARS: film.age_years if known else "",
    }
