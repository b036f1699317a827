"""What a band makes of films, counted by hand, and that it keeps its word where films are drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from benchmarks.selective import (
    ANSWERED,
    FALSE_ALARMS,
    MISSED,
    Draw,
    answers,
    divide,
    draw_again,
    row,
    tried,
)
from models.calibration import OperatingPoint
from models.hyperparameters import Selective

FORCED = OperatingPoint(0.5, 0.9, 0.9, 0.9)
WISHED = Selective(enabled=True, max_missed=0.1, max_false_alarms=0.2)


def test_answers_are_counted() -> None:
    band = OperatingPoint(0.5, 0.9, 0.9, 0.9, normal_below=0.2, pneumonia_from=0.8)
    probabilities = np.array([0.1, 0.2, 0.5, 0.8, 0.1, 0.1, 0.9, 0.79])
    ill = np.array([True] * 4 + [False] * 4)
    found = answers(band, probabilities, ill)
    assert found == {MISSED: 1 / 4, FALSE_ALARMS: 1 / 4, ANSWERED: 5 / 8}


@pytest.fixture(scope="module", name="films")
def draw_films() -> pd.DataFrame:
    """Two films of each patient, whose logits overlap by class."""
    random = np.random.default_rng(1)
    ill = np.repeat(random.random(1200) < 0.7, 2)
    logits = random.normal(np.where(ill, 1.5, -1.5), 1.0)
    return pd.DataFrame(
        {
            "patient_id": np.repeat([f"p{number}" for number in range(1200)], 2),
            "label": np.where(ill, "PNEUMONIA", "NORMAL"),
            "probability": expit(logits),
        }
    )


def test_halves_are_of_other_patients_and_those_drawn_again_of_some(films: pd.DataFrame) -> None:
    patients = films["patient_id"].to_numpy()
    first, rest = divide(films, np.random.default_rng(0))
    assert set(patients[first]).isdisjoint(patients[rest])
    assert len(first) == len(rest) == 1200
    assert sorted([*first, *rest]) == list(range(2400))
    first, rest = draw_again(films, np.random.default_rng(0))
    assert np.array_equal(rest, np.arange(2400))
    places, counts = np.unique(first, return_counts=True)
    of_patient = pd.Series(counts).groupby(patients[places])
    assert len(first) == 1200 and counts.max() > 1  # with replacement
    assert (of_patient.size() == 2).all() and (of_patient.nunique() == 1).all()  # with all films


@pytest.mark.parametrize("draw", [draw_again, divide])
def test_a_band_keeps_its_bounds_and_leaves_some_films_out(films: pd.DataFrame, draw: Draw) -> None:
    drawn = tried(films, FORCED, WISHED, draw, draws=20)
    assert len(drawn) == 20
    assert drawn[MISSED].mean() <= WISHED.max_missed
    assert drawn[FALSE_ALARMS].mean() <= WISHED.max_false_alarms
    assert 0.5 < drawn[ANSWERED].mean() <= 1
    kept = (drawn[MISSED] <= 0.1) & (drawn[FALSE_ALARMS] <= 0.2)
    assert f"| {kept.mean():.1%} |" in row("halves", drawn, WISHED)


def test_tighter_bounds_answer_less(films: pd.DataFrame) -> None:
    tighter = Selective(enabled=True, max_missed=0.02, max_false_alarms=0.02)
    few, many = (tried(films, FORCED, wished, divide, draws=5) for wished in (tighter, WISHED))
    assert few[ANSWERED].mean() < many[ANSWERED].mean()
    assert few[MISSED].mean() < many[MISSED].mean()
