"""Histograms of two samples over the same cells, from the quantiles that TFDV keeps.

TFDV compares equal-width histograms from the least value to the largest. One odd film among
thousands makes their buckets so wide that the rest fall into one, and a size that all films have
is a bucket without width, which resembles no other: either looks like drift. Quantiles do not
follow the odd film.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

from tensorflow_metadata.proto.v0 import statistics_pb2

Feature: TypeAlias = statistics_pb2.FeatureNameStatistics
Bucket: TypeAlias = statistics_pb2.Histogram.Bucket


def align_histograms(one: Feature, other: Feature) -> int:
    """Puts the histograms of a number in two samples over the same cells, in place.

    Cells are each inner quantile of either sample, where many films may have one value, and the
    gaps between them; below the first and above the last they have no end.

    Args:
        one: Statistics of a number.
        other: The same in other films.

    Returns:
        How many cells hold films of either.
    """
    quantiles = _quantiles(one), _quantiles(other)
    edges = sorted({bucket.low_value for of in quantiles for bucket in of[1:]})
    masses = [_masses(of, edges) for of in quantiles]
    used = [cell for cell, both in enumerate(zip(*masses, strict=True)) if any(both)]
    for feature, mass in zip((one, other), masses, strict=True):
        _replace(feature, [mass[cell] for cell in used])
    return len(used)


def _quantiles(feature: Feature) -> Sequence[Bucket]:
    """Returns buckets of equal counts; of a histogram of none, nothing."""
    kind = statistics_pb2.Histogram.QUANTILES
    return next((list(h.buckets) for h in feature.num_stats.histograms if h.type == kind), [])


def _masses(buckets: Sequence[Bucket], edges: Sequence[float]) -> list[float]:
    """Returns the films in each cell: gap, edge, gap, edge, ..., gap."""
    masses = [0.0] * (2 * len(edges) + 1)
    bounds = [float("-inf"), *edges, float("inf")]
    for bucket in buckets:
        low, high = bucket.low_value, bucket.high_value
        if low == high and low in edges:
            masses[2 * edges.index(low) + 1] += bucket.sample_count
            continue
        for gap, (start, end) in enumerate(itertools.pairwise(bounds)):
            if low == high:
                share = float(start < low < end)
            else:
                share = max(0.0, min(high, end) - max(low, start)) / (high - low)
            masses[2 * gap] += share * bucket.sample_count
    return masses


def _replace(feature: Feature, masses: Sequence[float]) -> None:
    del feature.num_stats.histograms[:]
    histogram = feature.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    for cell, mass in enumerate(masses):
        histogram.buckets.add(low_value=cell, high_value=cell + 1, sample_count=mass)
