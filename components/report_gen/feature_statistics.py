"""TFDV's statistics of every feature as tables: what Facets would show, without its script.

Facets comes in no package; TFDV's own HTML loads it from the network whenever it is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import statistics_pb2

from models import features

NUMBERS = ("mean", "std dev", "zeros", "min", "median", "max")
CATEGORIES = ("unique", "top", "films of it", "mean length")
BYTES = ("mean bytes", "least bytes", "most bytes")

# Of these the values stand for patients and files, one by one, and are not for a page.
IDENTIFIERS = (features.PATIENT_ID, features.SHA256)


@dataclass(frozen=True)
class FeatureStatistics:
    """A feature in a split.

    Attributes:
        feature: Its name.
        split: `train`, `eval` or `test`.
        films: That have it.
        missing: Films that have not.
        values: By the words of `NUMBERS`, `CATEGORIES` or `BYTES`; NaN where not known.
    """

    feature: str
    split: str
    films: int
    missing: int
    values: Mapping[str, float | str]

    @property
    def columns(self) -> tuple[str, ...]:
        """`NUMBERS`, `CATEGORIES` or `BYTES`."""
        return tuple(self.values)


def feature_statistics(
    by_split: Mapping[str, statistics_pb2.DatasetFeatureStatistics],
) -> list[FeatureStatistics]:
    """Returns every feature in every split.

    Args:
        by_split: Of `components.report_gen.distributions.read_statistics`.

    Returns:
        In the order of the features' names, then of the splits.
    """
    found = [
        one
        for split, statistics in by_split.items()
        for feature in statistics.features
        for one in _of_feature(feature, split)
    ]
    order = list(by_split)
    return sorted(found, key=lambda one: (one.feature, order.index(one.split)))


def _of_feature(
    feature: statistics_pb2.FeatureNameStatistics, split: str
) -> Iterator[FeatureStatistics]:
    name, kind = ".".join(feature.path.step), feature.WhichOneof("stats")
    values: dict[str, float | str]
    if kind == "num_stats":
        of = feature.num_stats
        moments = (of.mean, of.std_dev, of.num_zeros, of.min, of.median, of.max)
        values = dict(zip(NUMBERS, moments, strict=True))
    elif kind == "string_stats":
        words = feature.string_stats
        top = words.top_values[:1]
        known = top and name not in IDENTIFIERS
        most = (top[0].value, top[0].frequency) if known else ("-", math.nan)
        values = dict(zip(CATEGORIES, (words.unique, *most, words.avg_length), strict=True))
    elif kind == "bytes_stats":
        of_bytes = feature.bytes_stats
        sizes = (of_bytes.avg_num_bytes, of_bytes.min_num_bytes, of_bytes.max_num_bytes)
        values = dict(zip(BYTES, sizes, strict=True))
    else:
        return
    common = getattr(feature, kind).common_stats
    yield FeatureStatistics(name, split, common.num_non_missing, common.num_missing, values)
