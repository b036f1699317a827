"""On how many films a comparison with the last blessed model rests, counted by hand."""

from __future__ import annotations

import pytest

from components.evaluation.comparison import Comparison, comparison_of
from components.evaluation.slices import OVERALL, SliceMetrics
from models.audit_settings import Evaluation

GATES = Evaluation(min_slice_positives=20, min_slice_negatives=30)


def overall(positives: int, negatives: int, **more: float) -> SliceMetrics:
    """1,200 test films, of which so many are new to the last blessed model."""
    counts = {
        "true_positives": 600, "false_negatives": 100, "true_negatives": 460,
        "false_positives": 40, "comparable_true_positives": positives // 2,
        "comparable_false_negatives": positives - positives // 2,
        "comparable_true_negatives": negatives // 3,
        "comparable_false_positives": negatives - negatives // 3,
    }  # fmt: skip
    return SliceMetrics(OVERALL, "", {**counts, **more}, {})


@pytest.mark.parametrize(
    ("positives", "negatives", "fair"),
    [(20, 30, True), (19, 30, False), (20, 29, False), (0, 0, False), (700, 500, True)],
)
def test_it_takes_enough_films_of_both_classes(positives: int, negatives: int, fair: bool) -> None:
    found = comparison_of(overall(positives, negatives, comparable_auc_change=0.0), GATES)
    assert found is not None
    assert (found.films, found.comparable, found.fair) == (1200, positives + negatives, fair)


def test_what_it_rests_on_is_said() -> None:
    fair = comparison_of(overall(700, 500, comparable_auc_change=-0.5), GATES)
    assert fair == Comparison(
        1200, 1200, True,
        "compared with the last blessed model on 1,200 of 1,200 test films, those that are new to "
        "it",
    )  # fmt: skip
    unfair = comparison_of(overall(25, 11, comparable_auc_change=0.5), GATES)
    assert unfair is not None
    assert unfair.why == (
        "no fair comparison with the last blessed model is possible: 36 of 1,200 test films are "
        "known to be new to it, 25 with pneumonia and 11 normal, where it takes 20 and 30; keep "
        "data.seed and data.split to compare"
    )


def test_without_an_earlier_model_there_is_none() -> None:
    assert comparison_of(overall(700, 500), GATES) is None
    assert comparison_of(overall(700, 500, auc_change=0.1), GATES) is None
