"""Whether an uncertain band keeps its word on films: `python -m benchmarks.selective WORKDIR`.

Of the eval and test films of the latest run some are drawn by patient, time and again, and the band
is chosen on them, as a training chooses it on eval. The network has learnt from none of these
films, though eval chose its epoch.

What is promised is of the true shares. Where all films are taken for the films to come, and those
to choose by are drawn from them with replacement, the shares of all films are the true ones. Where
the films are divided in two halves, those of the other half are counted as well: shares of a few
hundred films, which pass a bound now and then that the true ones keep.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from benchmarks.out_of_distribution import newest_model
from components.auditor.scoring import judged, read_examples, score_examples
from models import features
from models.calibration import OperatingPoint
from models.hyperparameters import Selective
from models.selective import with_uncertain_band
from models.served_facts import read_facts
from pipeline.flags import positive
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory

MISSED, FALSE_ALARMS, ANSWERED = "missed", "false alarms", "answered"
_COLUMNS = (
    "missed at most", "false alarms at most", "films", "both kept", MISSED, FALSE_ALARMS, ANSWERED,
)  # fmt: skip
_BOUNDS = ((0.02, 0.05), (0.05, 0.1), (0.1, 0.2))  # missed pneumonia and false alarms at most

# Places of the films that a band is chosen on, and of those that are answered.
Draw = Callable[[pd.DataFrame, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, scores the films and prints a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.selective", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("workdir", type=Path, help="of a run that pushed a model")
    parser.add_argument("--draws", type=positive, default=200, help="of each kind (200)")
    given = parser.parse_args(arguments)
    work = WorkDirectory(given.workdir.resolve())
    model = str(newest_model(work))
    films = unseen_films(work, model)
    point = replace(read_facts(model).operating_point, normal_below=None, pneumonia_from=None)
    print(f"| {' | '.join(_COLUMNS)} |")
    print(f"|---:|---:|---|{'---:|' * (len(_COLUMNS) - 3)}")
    for missed, false_alarms in _BOUNDS:
        wished = Selective(enabled=True, max_missed=missed, max_false_alarms=false_alarms)
        for name, draw in (("drawn again", draw_again), ("halves", divide)):
            print(row(name, tried(films, point, wished, draw, given.draws), wished), flush=True)
    print(
        f"\n{len(films)} films, {given.draws} draws of each kind, confidence {wished.confidence}; "
        "shares of pneumonia films, of normal films and of all."
    )


def unseen_films(work: WorkDirectory, model: str) -> pd.DataFrame:
    """Returns the judged eval and test films of the latest run, scored by a model.

    Args:
        work: Of the run.
        model: Folder of the SavedModel.
    """
    outputs = run_outputs(work.metadata, os.readlink(work.runs / "latest"))
    uri = outputs["RadiographExampleGen", "examples"].uri
    uris = [f"{uri}/Split-{split}" for split in (features.EVAL, features.TEST)]
    return judged(score_examples(tf.saved_model.load(model), read_examples(uris)))


def draw_again(films: pd.DataFrame, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns places of films of half as many patients, drawn with replacement, and of all."""
    of_patients = list(films.groupby(features.PATIENT_ID).indices.values())
    drawn = random.integers(len(of_patients), size=len(of_patients) // 2)
    return np.concatenate([of_patients[one] for one in drawn]), np.arange(len(films))


def divide(films: pd.DataFrame, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns places of the films of one half of the patients, and of the other."""
    patients = films[features.PATIENT_ID].unique()
    chosen = random.choice(patients, len(patients) // 2, replace=False)
    first = films[features.PATIENT_ID].isin(chosen).to_numpy()
    return np.flatnonzero(first), np.flatnonzero(~first)


def tried(
    films: pd.DataFrame, point: OperatingPoint, wished: Selective, draw: Draw, draws: int
) -> pd.DataFrame:
    """Chooses bands on some of the films and counts their answers on others.

    Args:
        films: Scored, of `unseen_films`.
        point: Where the forced answer turns.
        wished: Bounds of the band.
        draw: `draw_again` or `divide`.
        draws: How often.

    Returns:
        A row a draw: share of pneumonia films called NORMAL, of normal films called PNEUMONIA,
        and of all that were answered.
    """
    random = np.random.default_rng(0)
    ill = (films[features.LABEL] == features.PNEUMONIA).to_numpy()
    probabilities = films[features.PROBABILITY].to_numpy()
    rows = []
    title = f"missed at most {wished.max_missed:g}"
    for _ in track(range(draws), title, console=Console(stderr=True), transient=True):
        first, rest = draw(films, random)
        band = with_uncertain_band(point, probabilities[first], ill[first], wished)
        rows.append(answers(band, probabilities[rest], ill[rest]))
    return pd.DataFrame(rows)


def answers(point: OperatingPoint, probabilities: np.ndarray, ill: np.ndarray) -> dict[str, float]:
    """Counts what a band makes of films.

    Args:
        point: With a band.
        probabilities: `[films]` calibrated.
        ill: `[films]` bool, both kinds present.
    """
    _, below, above = point.thresholds
    normal, pneumonia = probabilities < below, probabilities >= above
    return {
        MISSED: float(normal[ill].mean()),
        FALSE_ALARMS: float(pneumonia[~ill].mean()),
        ANSWERED: float((normal | pneumonia).mean()),
    }


def row(name: str, drawn: pd.DataFrame, wished: Selective) -> str:
    """Returns a row of the table: means over the draws, and how often both bounds were kept."""
    kept = (drawn[MISSED] <= wished.max_missed) & (drawn[FALSE_ALARMS] <= wished.max_false_alarms)
    means = " | ".join(f"{drawn[name].mean():.3f}" for name in (MISSED, FALSE_ALARMS, ANSWERED))
    bounds = f"{wished.max_missed:g} | {wished.max_false_alarms:g}"
    return f"| {bounds} | {name} | {kept.mean():.1%} | {means} |"


if __name__ == "__main__":
    main()
