"""The index: what is written is read, and any JSON reader understands it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.explanation_gen.index import INDEX_FILE, ExplainedFilm, read_index, write_index


def film(**known: Any) -> ExplainedFilm:
    values: dict[str, Any] = {
        "sha256": "ab", "patient_id": "Zoë <b>", "label": "NORMAL", "forced_label": "PNEUMONIA",
        "answer": "UNCERTAIN", "probability": 0.25, "quality": "ok", "out_of_distribution": 1.5,
        "outcome": "FP", "reasons": ("false positive", "view=PA"), "slices": {"view": "PA"},
    }  # fmt: skip
    return ExplainedFilm(**{**values, **known})


def drawn() -> ExplainedFilm:
    return film(
        boxes=((0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 1.0, 1.0)), box_scores=(0.9, 0.8),
        lung_opacity=(0.25, 0.0), film="films/ab.jpg", heat="heat/ab.jpg",
    )  # fmt: skip


@pytest.mark.parametrize("films", [[], [drawn()], [film(), drawn()]])
def test_what_is_written_is_read(tmp_path: Path, films: list[ExplainedFilm]) -> None:
    write_index(films, str(tmp_path))
    assert read_index(str(tmp_path)) == films


def test_what_is_not_known_is_null_and_nan_again(tmp_path: Path) -> None:
    unjudged = film(probability=math.nan, out_of_distribution=math.nan, outcome="")
    write_index([unjudged], str(tmp_path))
    (row,) = json.loads(
        (tmp_path / INDEX_FILE).read_text(), parse_constant=lambda name: pytest.fail(name)
    )["films"]
    assert row["probability"] is row["out_of_distribution"] is None
    (again,) = read_index(str(tmp_path))
    assert math.isnan(again.probability) and math.isnan(again.out_of_distribution)
    same = {"probability": 0, "out_of_distribution": 0}
    assert {**asdict(again), **same} == {**asdict(unjudged), **same}


def test_it_may_be_remote() -> None:
    tf.io.gfile.makedirs("ram://index")
    write_index([drawn()], "ram://index")
    assert read_index("ram://index") == [drawn()]
