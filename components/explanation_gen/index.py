"""The index of explained films: what is known of each, and where its pictures are."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from models.remote_files import write_text

INDEX_FILE = "index.json"


@dataclass(frozen=True, kw_only=True)
class ExplainedFilm:
    """One film of the sample.

    Attributes:
        sha256: Of the file that it came from; names the pictures.
        patient_id: Pseudonym.
        label: What it is: `NORMAL` or `PNEUMONIA`.
        forced_label: What the model calls it at the operating point.
        answer: What a client is told: the same, or `UNCERTAIN`.
        probability: Calibrated P(pneumonia); NaN where the film was not judged.
        quality: `ok`, or why it was not judged.
        out_of_distribution: Distance to the films trained on; above 1 is unlike them.
        outcome: `TP`, `FP`, `TN`, `FN`, or empty where the film was not judged.
        reasons: Why it is in the sample, in words: `false negative`, `least certain`.
        slices: Value by slice feature: `{"view": "PA", "style": "1"}`.
        boxes: `[top, left, bottom, right]` each, as shares of the sides, strongest first.
        box_scores: Of each box, in [0, 1].
        lung_opacity: Probability times the hot share of the lung on the left of the film, and of
            the other; empty where no lungs are found.
        film: Picture of the film, below the folder of the index, or empty where it cannot be drawn.
        heat: The same film under its heat, or empty.
        feature_maps: Montage of its feature maps, or empty.
    """

    sha256: str
    patient_id: str
    label: str
    forced_label: str
    answer: str
    probability: float
    quality: str
    out_of_distribution: float
    outcome: str
    reasons: tuple[str, ...]
    slices: dict[str, str]
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    box_scores: tuple[float, ...] = ()
    lung_opacity: tuple[float, ...] = ()
    film: str = ""
    heat: str = ""
    feature_maps: str = ""


def write_index(films: list[ExplainedFilm], uri: str) -> None:
    """Writes the index; what is undefined is null.

    Args:
        films: In the order of the sample.
        uri: Folder of the artifact, which may be remote.
    """
    rows = [{name: _or_null(value) for name, value in asdict(film).items()} for film in films]
    write_text(f"{uri}/{INDEX_FILE}", json.dumps({"films": rows}, indent=1))


def read_index(uri: str) -> list[ExplainedFilm]:
    """Reads what `write_index` wrote.

    Args:
        uri: Folder of the artifact.

    Returns:
        The films, in the order of the sample.
    """
    with tf.io.gfile.GFile(f"{uri}/{INDEX_FILE}") as file:
        return [_film(row) for row in json.load(file)["films"]]


def _film(row: dict[str, Any]) -> ExplainedFilm:
    numbers = {name: math.nan for name in ("probability", "out_of_distribution")}
    values = {name: value for name, value in row.items() if value is not None}
    tuples = {name: tuple(values[name]) for name in ("reasons", "box_scores", "lung_opacity")}
    boxes = tuple(tuple(box) for box in values["boxes"])
    return ExplainedFilm(**{**numbers, **values, **tuples, "boxes": boxes})


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
