"""Marked lesions against drawn ones, of a model whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score

from components.auditor.lesions import (
    DICE,
    DRAWN_SHARE,
    HEAT_POINTING,
    MARKED_NORMALS,
    POINTING,
    audit_lesions,
    dice,
)
from components.report_gen.audit_words import audit_lines
from models import features
from tests.support import draw_film, encode
from tests.unit.components.auditor.films import example_of

SIDE_PX = 80  # of the films, and of what the model answers
RANDOM = np.random.default_rng(0)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[top:bottom, left:right] = True
    return mask


DRAWN = [box(10, 10, 30, 50), box(0, 0, 40, 80), box(60, 60, 80, 80)]
MARKED = [box(10, 10, 30, 50), box(20, 0, 60, 80), box(0, 0, 10, 10)]


def example(number: int, label: str, drawn: np.ndarray | None, patient: str) -> tf.train.Example:
    made = example_of(draw_film(number, SIDE_PX), label, patient_id=patient)
    mask = b"" if drawn is None else encode(drawn.astype(np.uint8) * 255)
    made.features.feature[features.LESION_MASK].bytes_list.value[:] = [mask]
    return made


def served(maps: Sequence[np.ndarray], heat: np.ndarray | None = None) -> Any:
    """A model that answers film after film with these maps."""
    left = iter(maps)

    def explain(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        lesions = np.stack([next(left) for _ in range(len(image_bytes))]).astype(np.float32)
        heatmap = lesions if heat is None else np.broadcast_to(heat, lesions.shape)
        return {"lesions": tf.constant(lesions), "heatmap": tf.constant(heatmap, tf.float32)}

    return SimpleNamespace(signatures={features.EXPLAIN_IMAGES: explain})


ILL = [example(n, "PNEUMONIA", drawn, f"p{n}") for n, drawn in enumerate(DRAWN)]


def test_dice_is_the_f1_score_of_pixels() -> None:
    for _ in range(5):
        one, other = RANDOM.random((2, 30, 40)) > RANDOM.random((2, 1, 1))
        assert dice(one, other) == pytest.approx(f1_score(other.ravel(), one.ravel()))
    assert dice(box(0, 0, 1, 1), box(1, 1, 2, 2)) == 0
    assert dice(box(0, 0, 0, 0), box(0, 0, 0, 0)) == 1


def test_means_are_over_films_with_a_lesion() -> None:
    found = audit_lesions(served(MARKED), ILL, 10, 50)
    assert (found.films, found.normal_films) == (3, 0)
    assert found.metrics[DICE] == pytest.approx((1 + 0.5 + 0) / 3)
    shares = [800 / 6400, 3200 / 6400, 400 / 6400]
    assert found.metrics[DRAWN_SHARE] == pytest.approx(np.mean(shares))
    assert MARKED_NORMALS not in found.metrics


def test_a_place_is_pointed_at_by_the_surest_and_by_the_hottest() -> None:
    """The hottest place is in the first two lesions, the surest in the first alone."""
    heat = 0.5 * box(10, 10, 40, 50) + 0.5 * box(15, 15, 16, 16)
    sure = [0.6 * MARKED[0] + 0.3 * box(11, 11, 12, 12), 0.6 * box(70, 70, 80, 80), MARKED[0]]
    found = audit_lesions(served(sure, heat), ILL, 10, 50)
    assert found.metrics[POINTING] == pytest.approx(1 / 3)
    assert found.metrics[HEAT_POINTING] == pytest.approx(2 / 3)


def test_what_is_faint_is_not_marked() -> None:
    found = audit_lesions(served([0.49 * one for one in DRAWN]), ILL, 10, 50)
    assert found.metrics[DICE] == 0
    assert found.metrics[POINTING] == 1


def test_a_map_is_laid_on_the_film_of_its_own_size() -> None:
    """A map of a fourth of the side, and a film twice as high as it is wide."""
    drawn = np.zeros((160, 80), bool)
    drawn[80:, 40:] = True
    tall = example_of(np.vstack([draw_film(1, 80), draw_film(2, 80)]), "PNEUMONIA")
    mask = encode(drawn.astype(np.uint8) * 255)
    tall.features.feature[features.LESION_MASK].bytes_list.value[:] = [mask]
    marked = np.zeros((20, 20))
    marked[10:, 10:] = 1
    found = audit_lesions(served([marked]), [tall], 10, 50)
    assert found.metrics[DICE] > 0.97
    assert found.metrics[POINTING] == 1


def test_films_of_which_nothing_is_known_or_judged_are_left_out() -> None:
    nothing = np.full((SIDE_PX, SIDE_PX), np.nan)
    films = [
        *ILL,
        example(3, "PNEUMONIA", None, "p3"),  # no mask
        example(4, "PNEUMONIA", box(0, 0, 0, 0), "p4"),  # a mask without a lesion
        example(5, "NORMAL", None, "p5"),
        example(6, "NORMAL", box(0, 0, 0, 0), "p6"),
        example(7, "NORMAL", None, "p7"),
    ]
    answers = [*MARKED[:2], nothing, 0.4 * DRAWN[0], DRAWN[0], nothing]
    found = audit_lesions(served(answers), films, 10, 50)
    assert (found.films, found.normal_films) == (2, 2)
    assert found.metrics[MARKED_NORMALS] == 0.5
    assert found.metrics[DICE] == pytest.approx(0.75)
    few = audit_lesions(served(MARKED * 2), films, 1, 50)
    assert (few.films, few.normal_films) == (1, 1)


def test_intervals_draw_patients_and_not_films() -> None:
    """Films of two patients, one found and one not: a draw holds both, or one of them twice."""
    films = [example(n, "PNEUMONIA", DRAWN[0], f"p{n % 2}") for n in range(20)]
    found = audit_lesions(served([DRAWN[0], DRAWN[2]] * 10), films, 50, 200)
    assert found.metrics[DICE] == 0.5
    assert found.intervals[DICE] == (0, 1)


def test_what_is_said() -> None:
    found = audit_lesions(
        served([*MARKED, DRAWN[0]]), [*ILL, example(9, "NORMAL", None, "p")], 9, 50
    )
    lines = list(audit_lines({"lesions": asdict(found)}))
    assert lines[0].startswith("lesions marked against lesions drawn on 3 test films: Dice 0.500 (")
    assert "by chance 0.229" in lines[0]
    assert lines[1].startswith("normal test films with a lesion marked: 1.000 (")
    without = audit_lesions(served([]), [], 9, 50)
    assert list(audit_lines({"lesions": asdict(without)})) == [
        "lesions are marked, but no test film has one drawn to compare with"
    ]
