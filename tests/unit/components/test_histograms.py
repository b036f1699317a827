"""Histograms over the same cells, against shares counted by hand."""

from __future__ import annotations

import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.data_gate.histograms import Feature, align_histograms


def feature(*buckets: tuple[float, float, float]) -> Feature:
    """A number with quantile buckets `(low, high, films)`, and a histogram to be replaced."""
    made = Feature()
    standard = made.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    standard.buckets.add(sample_count=9)
    quantiles = made.num_stats.histograms.add(type=statistics_pb2.Histogram.QUANTILES)
    for low, high, films in buckets:
        quantiles.buckets.add(low_value=low, high_value=high, sample_count=films)
    return made


def masses(made: Feature) -> list[float]:
    (histogram,) = made.num_stats.histograms
    assert [(one.low_value, one.high_value) for one in histogram.buckets] == [
        (cell, cell + 1) for cell in range(len(histogram.buckets))
    ]
    return [one.sample_count for one in histogram.buckets]


def test_buckets_are_cut_at_the_bounds_of_the_other() -> None:
    # Inner bounds 10 and 20: cells are below 10, 10 to 20, above 20.
    one, other = feature((0, 10, 4), (10, 30, 4)), feature((0, 20, 6), (20, 90, 6))
    assert align_histograms(one, other) == 3
    assert masses(one) == [4, 2, 2]
    assert masses(other) == [3, 3, 6]


def test_what_lies_far_out_is_in_the_outer_cells() -> None:
    one, other = feature((0, 10, 5), (10, 20, 5)), feature((-999, 10, 5), (10, 9999, 5))
    assert align_histograms(one, other) == 2
    assert masses(one) == masses(other) == [5, 5]


def test_a_value_that_many_films_have_is_a_cell_of_its_own() -> None:
    one, other = feature((5, 5, 3), (5, 5, 3)), feature((4, 5, 3), (5, 6, 3))
    assert align_histograms(one, other) == 3
    assert (masses(one), masses(other)) == ([0, 6, 0], [3, 0, 3])


def test_a_value_of_many_films_may_be_any_of_the_bounds() -> None:
    # Bounds 5 and 7: cells are below 5, 5 to 7, 7 itself, above 7; no film is at 5.
    one, other = feature((0, 5, 4), (5, 9, 4)), feature((0, 7, 7), (7, 7, 6))
    assert align_histograms(one, other) == 4
    assert masses(one) == [4, 2, 0, 2]
    assert masses(other) == pytest.approx([5, 2, 6, 0])


def test_a_value_that_is_no_bound_lies_in_one_gap_alone() -> None:
    # The lowest bucket gives no bound. Bounds 5 and 6: below 5, 5 to 6, above 6.
    one, other = feature((4, 4, 3), (5, 6, 3)), feature((5, 6, 2), (6, 7, 2))
    assert align_histograms(one, other) == 3
    assert (masses(one), masses(other)) == ([3, 3, 0], [0, 2, 2])


@pytest.mark.parametrize("far", [4, 6])
def test_values_without_a_bound_between_them_share_no_cell(far: int) -> None:
    one, other = feature((5, 5, 3), (5, 5, 3)), feature((far, far, 3), (far, far, 3))
    assert align_histograms(one, other) == 2
    assert sorted([masses(one), masses(other)]) == [[0, 6], [6, 0]]
