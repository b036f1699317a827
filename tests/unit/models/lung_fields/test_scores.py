"""Agreement with drawn fields, against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from models.lung_fields.scores import between_the_lungs, dice, interval, jaccard


def test_dice_and_jaccard_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    found, drawn = rng.random((2, 40, 30)) < 0.4
    assert dice(found, drawn) == pytest.approx(f1_score(drawn.ravel(), found.ravel()))
    assert jaccard(found, drawn) == pytest.approx(jaccard_score(drawn.ravel(), found.ravel()))


def test_nothing_found_where_nothing_is() -> None:
    nothing, everything = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert dice(nothing, nothing) == jaccard(nothing, nothing) == 1
    assert dice(nothing, everything) == jaccard(nothing, everything) == 0


def test_what_lies_between_is_told_row_by_row() -> None:
    rows = ["L..R.", "LL..R", ".L...", "...R.", ".....", ".L.R."]
    drawn = np.stack([np.array([list(row) for row in rows]) == side for side in "LR"], axis=-1)
    expected = [".xx..", "..xx.", ".....", ".....", ".....", "..x.."]
    expected[1] = "..xx."
    between = between_the_lungs(drawn)
    assert ["".join("x" if pixel else "." for pixel in row) for row in between] == expected


def test_an_interval_resamples_patients_not_films() -> None:
    rng = np.random.default_rng(1)
    of_patient = rng.normal(0.9, 0.05, 200)
    once = interval(list(of_patient), [str(patient) for patient in range(200)])
    standard_error = of_patient.std() / np.sqrt(200)
    assert once[0] == pytest.approx(of_patient.mean() - 1.96 * standard_error, abs=0.001)
    assert once[1] == pytest.approx(of_patient.mean() + 1.96 * standard_error, abs=0.001)
    assert np.isnan(interval([0.9, 0.8], ["one", "one"])).all()
    # Ten copies of every film tell nothing new.
    copies = interval(list(np.repeat(of_patient, 10)), [str(film // 10) for film in range(2000)])
    assert copies == pytest.approx(once)
