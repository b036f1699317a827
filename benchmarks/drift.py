"""Measures what the thresholds of drift rest on: halves of one hospital, and planted changes.

`python -m benchmarks.drift ../shared/data/kermany224 --other ../shared/data/nih_adult` prints a
table. No model is trained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tensorflow_data_validation as tfdv

from components.data_gate.drift import DRIFT, Distance, Statistics, distances
from models import features
from pipeline.locations import PACKAGED_SCHEMA
from radiographs.manifest_columns import PATH, SPLIT

SIZES = (None, 300, 100, 50)  # films of a half; None for all
SHARES, BRIGHTNESS = (0.5, 0.3), (0.6, 0.8)
_READ = (features.LABEL, features.PATIENT_ID, features.SITE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and returns 0, or 1 where halves drift."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift")
    parser.add_argument("root", type=Path, help="folder with manifest.csv")
    parser.add_argument("--other", type=Path, help="the same of another hospital")
    parser.add_argument("--halvings", type=int, default=20)
    flags = parser.parse_args(arguments)
    films = read_facts(flags.root)
    failed = False
    for size in SIZES:
        runs = [measured(*halves(films, size, seed)) for seed in range(flags.halvings)]
        failed |= any(one.is_exceeded for run in runs for one in run)
        print(f"halves of {size or 'all'} films, {len(runs)} times: {_largest(runs)}")
        for name, changed, before in _planted(*halves(films, size, 0)):
            print(f"  {name}: {_largest([measured(changed, before)])}")
    if flags.other:
        print(f"another hospital: {_largest([measured(read_facts(flags.other), films)])}")
    return int(failed)


def read_facts(root: Path) -> pd.DataFrame:
    """Reads what the ingest notes of films, of the split to train on where there are several.

    Args:
        root: With `manifest.csv`.

    Returns:
        A row a film.
    """
    rows = pd.read_csv(root / "manifest.csv")
    if SPLIT in rows:
        rows = rows[rows[SPLIT] == features.TRAIN]
    films = rows[[name for name in _READ if name in rows]].copy()
    greys = [cv2.imread(str(root / path), cv2.IMREAD_GRAYSCALE) for path in rows[PATH]]
    films["height_px"] = [grey.shape[0] for grey in greys]
    films["width_px"] = [grey.shape[1] for grey in greys]
    films["mean_intensity"] = np.array([grey.mean() / 255 for grey in greys], np.float32)
    return films


def halves(films: pd.DataFrame, size: int | None, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divides films by patient, and takes as many as asked for of each side."""
    patients = np.random.default_rng(seed).permutation(films[features.PATIENT_ID].unique())
    is_first = films[features.PATIENT_ID].isin(patients[: len(patients) // 2])
    one, other = films[is_first], films[~is_first]
    if size is None:
        return one, other
    return one.sample(size, random_state=seed), other.sample(size, random_state=seed)


def measured(films: pd.DataFrame, before: pd.DataFrame) -> list[Distance]:
    """Returns the distances of the gate between two sets of films."""
    schema = tfdv.load_schema_text(str(PACKAGED_SCHEMA))
    return list(distances(DRIFT, {"": _statistics(films)}, {"": _statistics(before)}, schema))


def _statistics(films: pd.DataFrame) -> Statistics:
    return tfdv.generate_statistics_from_dataframe(films, n_jobs=1)


def _planted(
    films: pd.DataFrame, before: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    for factor in BRIGHTNESS:
        darker = films.assign(mean_intensity=films["mean_intensity"] * np.float32(factor))
        yield f"brightness x {factor}", darker, before
    for share in SHARES:
        normal = films[films[features.LABEL] == features.NORMAL]
        ill = films[films[features.LABEL] == features.PNEUMONIA]
        count = min(len(ill), int(len(normal) * share / (1 - share)))
        mixed = pd.concat([normal, ill.sample(count, random_state=0)])
        yield f"pneumonia {share:.0%}", mixed, before


def _largest(runs: Sequence[Sequence[Distance]]) -> str:
    """Returns the largest distance of each feature, those that drift marked."""
    by_feature: dict[str, Distance] = {}
    for one in (one for run in runs for one in run):
        if one.value >= by_feature.get(one.feature, one).value:
            by_feature[one.feature] = one
    return ", ".join(
        f"{name} {one.value:.3f}/{one.threshold:.3f}{' DRIFT' if one.is_exceeded else ''}"
        for name, one in sorted(by_feature.items())
    )


if __name__ == "__main__":
    sys.exit(main())
