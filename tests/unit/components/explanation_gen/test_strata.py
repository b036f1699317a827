"""Groups of films against the same counted from plain rows."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sklearn.metrics import confusion_matrix

from components.explanation_gen.strata import strata_of
from tests.unit.components.explanation_gen.films import THRESHOLD, scored, scored_film

PNEUMONIA = {"label": "PNEUMONIA", "subtype": "virus"}


def groups(*rows: dict[str, Any]) -> dict[str, list[int]]:
    found = strata_of(scored(*rows), THRESHOLD)
    assert len(dict(found)) == len(found)
    return dict(found)


def test_outcomes_are_those_of_a_confusion_matrix() -> None:
    probabilities = [0.1, 0.9, 0.2, 0.8, 0.3, 0.29, 0.7, 0.05]
    labels = [0, 0, 1, 1, 1, 0, 0, 0]
    rows = [
        scored_film(number, probability, **(PNEUMONIA if label else {}))
        for number, (probability, label) in enumerate(zip(probabilities, labels, strict=True))
    ]
    films = groups(*rows)
    called = [probability >= THRESHOLD for probability in probabilities]
    tn, fp, fn, tp = confusion_matrix(labels, called).ravel()
    names = ("true negative", "false positive", "false negative", "true positive")
    assert [len(films[name]) for name in names] == [tn, fp, fn, tp]
    assert set(films["false negative"]) == {2}
    assert set(films["false positive"]) == {1, 6}


def test_certainty_is_the_distance_from_the_operating_point_in_log_odds() -> None:
    # Odds of 3 to 7 at the threshold. 0.1 is 3.9 times less likely than that, 0.6 only 3.5 times
    # more, although it is further away; 0.99 is 231 times more, 0.001 429 times less.
    films = groups(
        scored_film(0, 0.6), scored_film(1, 0.1), scored_film(2, 0.99), scored_film(3, 0.001),
        scored_film(4, 0.31),
    )  # fmt: skip
    assert films["least certain"] == [4, 0, 1, 2, 3]
    assert films["most certain of those called PNEUMONIA"] == [2, 0, 4]
    assert films["most certain of those called NORMAL"] == [3, 1]
    assert films["most certain of the wrong"] == [2, 0, 4]  # all films are normal


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_an_operating_point_at_the_end_of_the_scale_orders_films_as_well(threshold: float) -> None:
    films = scored(*(scored_film(number, number / 4) for number in range(5)))
    order = dict(strata_of(films, threshold))["least certain"]
    assert order == ([0, 1, 2, 3, 4] if threshold == 0 else [4, 3, 2, 1, 0])


def test_films_that_were_not_judged_have_a_group_of_their_own_and_no_outcome() -> None:
    nothing = math.nan
    films = groups(
        scored_film(0, nothing), scored_film(1, nothing),
        scored_film(2, nothing, reason="too dark"), scored_film(3, 0.9),
    )  # fmt: skip
    assert set(films["not judged"]) == {0, 1, 2}
    assert 2 in films["not judged"][:2]  # every reason comes before one comes again
    of_others = set(films) - {"not judged"}
    assert {name for name in of_others if {0, 1, 2} & set(films[name])} == {
        "subtype=none", "view=PA", "sex=F", "age_band=5-17", "site=here", "style=1",
    }  # fmt: skip


def test_only_what_is_further_away_than_the_train_films_is_unlike_them() -> None:
    films = groups(
        scored_film(0, 0.5, out_of_distribution=1.2), scored_film(1, 0.5),
        scored_film(2, 0.5, out_of_distribution=3.0), scored_film(3, math.nan),
        scored_film(4, 0.5, out_of_distribution=1.0),
    )  # fmt: skip
    assert films["unlike the films trained on"] == [2, 0]


def test_groups_without_a_film_are_left_out() -> None:
    assert set(groups(scored_film(0, 0.1))) == {
        "true negative", "least certain", "most certain of those called NORMAL", "subtype=none",
        "view=PA", "sex=F", "age_band=5-17", "site=here", "style=1",
    }  # fmt: skip


def test_a_slice_shows_each_outcome_before_one_comes_again_the_wrong_ones_first() -> None:
    right = [scored_film(number, 0.05) for number in range(6)]
    rows = [*right, scored_film(6, 0.9), scored_film(7, 0.1, **PNEUMONIA)]
    order = groups(*rows)["site=here"]
    assert order[:2] == [7, 6]
    assert sorted(order[2:]) == [0, 1, 2, 3, 4, 5]


def test_features_take_turns_and_larger_slices_come_first() -> None:
    rows = [scored_film(n, 0.1, site="small" if n == 0 else f"site {n % 2}") for n in range(8)]
    names = [name for name in groups(*rows) if "=" in name]
    assert names[:6] == [
        "subtype=none", "view=PA", "sex=F", "age_band=5-17", "site=site 1", "style=1",
    ]  # fmt: skip
    assert names[6:] == ["site=site 0", "site=small"]
