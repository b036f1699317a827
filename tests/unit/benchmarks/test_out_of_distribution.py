"""The mixed set is the same everywhere, and the table counts what a model answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import out_of_distribution as benchmark
from benchmarks.other_pictures import other_pictures, turned_films
from pipeline.locations import WorkDirectory
from tests.support import draw_film, encode


class Fake:
    """Judges files that are long enough, and holds those that end in 1 for strange."""

    def __init__(self) -> None:
        self.signatures = {"predict_images": self._predict}

    def _predict(self, image_bytes: tf.Tensor) -> dict[str, Any]:
        files = image_bytes.numpy()
        judged = [len(file) > 1 for file in files]
        distances = [2.0 if file.endswith(b"1") else 0.5 for file in files]
        return {
            "quality": tf.constant(["ok" if one else "blank" for one in judged]),
            "out_of_distribution": tf.constant(
                [far if one else float("nan") for far, one in zip(distances, judged, strict=True)]
            ),
        }


def test_the_mixed_set_is_made_alike_and_holds_every_kind() -> None:
    first, second = other_pictures(2, seed=3), other_pictures(2, seed=3)
    assert {"noise", "gradient", "text", "photograph", "hand", "lateral chest"} <= set(first)
    for kind, pictures in first.items():
        for one, again in zip(pictures, second[kind], strict=True):
            assert one.dtype == np.uint8 and one.ndim == 2
            np.testing.assert_array_equal(one, again)
    assert len(first["photograph"]) >= 10  # scikit-learn has two, each of five views
    assert not np.array_equal(first["noise"][0], other_pictures(2, seed=4)["noise"][0])


def test_films_are_turned_upended_and_inverted() -> None:
    film = draw_film(0)
    turned = {kind: some[0] for kind, some in turned_films([film]).items()}
    np.testing.assert_array_equal(turned["turned left"], film.T[::-1])
    np.testing.assert_array_equal(turned["turned right"], film.T[:, ::-1])
    np.testing.assert_array_equal(turned["upside down"], film[::-1, ::-1])
    np.testing.assert_array_equal(turned["inverted"], 255 - film)


def test_answers_are_counted() -> None:
    files = [b"a", b"aa", b"a1", b"b1", b"c0"] * 20
    answers = benchmark.ask(Fake(), files)
    assert answers == benchmark.Answers(pictures=100, not_judged=20, strange=40)
    assert answers.set_aside == 0.6


def test_the_table_ends_in_all_kinds_together() -> None:
    answers = {"text": benchmark.Answers(4, 1, 2), "hand": benchmark.Answers(6, 0, 6)}
    rows = benchmark.table("other pictures", answers).splitlines()
    assert rows[2:5] == [
        "| text | 4 | 1 | 2 | 75.0% |",
        "| hand | 6 | 0 | 6 | 100.0% |",
        "| all | 10 | 1 | 8 | 90.0% |",
    ]


def test_films_of_every_site_are_turned() -> None:
    sites = {name: [encode(draw_film(seed)) for seed in range(90)] for name in ("a", "b")}
    made = benchmark.pictures(sites, each=1)
    assert len(made["inverted"]) == 80
    assert len(made["noise"]) == 1


def test_the_newest_model_is_the_highest_number_and_has_to_be_there(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    with pytest.raises(SystemExit, match="holds no model; give the work directory of a run"):
        benchmark.newest_model(work)
    for name in ("9", "10", "unfinished"):
        (work.serving_root / name).mkdir(parents=True)
    assert benchmark.newest_model(work) == work.serving_root / "10"
