"""The sample against what has to hold of any, on drawn groups and drawn films."""

from __future__ import annotations

import math

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from components.explanation_gen.sampling import sample
from components.explanation_gen.strata import Stratum, strata_of
from tests.unit.components.explanation_gen.films import THRESHOLD, scored, scored_film

orders = st.lists(st.integers(0, 12), unique=True, max_size=8)
drawn_strata = st.lists(orders, max_size=7).map(
    lambda drawn: [(f"reason {place}", order) for place, order in enumerate(drawn)]
)


def test_groups_take_turns() -> None:
    strata = [("a", [0, 1, 2]), ("b", [3, 1]), ("c", [0, 4])]
    assert sample(strata, 2) == {0: ("a", "c"), 3: ("b",)}
    assert sample(strata, 4) == {0: ("a", "c"), 3: ("b",), 1: ("a", "b"), 4: ("c",)}


@given(drawn_strata, st.integers(0, 20))
def test_it_is_as_large_as_there_are_room_and_films(strata: list[Stratum], at_most: int) -> None:
    films = {film for _, order in strata for film in order}
    chosen = sample(strata, at_most)
    assert len(chosen) == min(at_most, len(films))
    assert set(chosen) <= films


@given(drawn_strata, st.integers(0, 20))
def test_every_film_has_reasons_and_only_its_own(strata: list[Stratum], at_most: int) -> None:
    members = dict(strata)
    for film, reasons in sample(strata, at_most).items():
        assert len(set(reasons)) == len(reasons) > 0
        assert all(film in members[reason] for reason in reasons)


@given(drawn_strata, st.integers(0, 20))
def test_no_group_goes_away_empty_where_there_is_room_for_all(
    strata: list[Stratum], beyond: int
) -> None:
    chosen = sample(strata, len(strata) + beyond)
    assert all(order[0] in chosen for _, order in strata if order)


@given(drawn_strata, st.integers(0, 19))
def test_a_larger_sample_holds_the_smaller_one(strata: list[Stratum], at_most: int) -> None:
    smaller, larger = sample(strata, at_most), sample(strata, at_most + 1)
    assert list(larger)[: len(smaller)] == list(smaller)


def films_of(rows: list[tuple[float, bool, str, float]]) -> pd.DataFrame:
    return scored(
        *(
            scored_film(
                number,
                probability,
                label="PNEUMONIA" if ill else "NORMAL",
                subtype="bacteria" if ill else "none",
                style=style,
                out_of_distribution=distance if probability == probability else math.nan,
            )
            for number, (probability, ill, style, distance) in enumerate(rows)
        )
    )


drawn_films = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 1), st.just(math.nan)),
        st.booleans(),
        st.sampled_from(["1", "2", "3", "unknown"]),
        st.floats(0, 2),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(drawn_films, st.integers(0, 2**31))
def test_every_kind_of_film_is_in_the_sample_whatever_order_they_come_in(
    rows: list[tuple[float, bool, str, float]], seed: int
) -> None:
    films = films_of(rows)
    strata = strata_of(films, THRESHOLD)
    chosen = sample(strata, len(strata))
    shown = films.loc[list(chosen)]
    for column in ("outcome", "reason", "style", "subtype", "label"):
        assert set(shown[column]) == set(films[column]), column
    judged = films[films.probability.notna()]
    if len(judged):
        assert shown.probability.max() == judged.probability.max()
        assert shown.probability.min() == judged.probability.min()
    if (films.out_of_distribution > 1).any():
        assert shown.out_of_distribution.max() == films.out_of_distribution.max()
    shuffled = films.sample(frac=1, random_state=seed)
    again = films.loc[list(sample(strata_of(shuffled, THRESHOLD), len(strata)))]
    assert again.sha256.tolist() == shown.sha256.tolist()
