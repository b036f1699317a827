"""How features are spread over the splits, from TFDV's statistics: counts, no film."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2

from models import features

CATEGORIES = (features.LABEL, features.SEX, features.VIEW, features.SITE, features.STYLE)
NUMBERS = (
    features.AGE_YEARS, features.WIDTH_PX, features.HEIGHT_PX, features.MEAN_INTENSITY,
)  # fmt: skip
SHOWN = (*CATEGORIES, *NUMBERS)


@dataclass(frozen=True)
class Distribution:
    """A feature in a split.

    Attributes:
        feature: Its name.
        split: `train`, `eval` or `test`.
        names: `[bins]` values of a category; empty for a number.
        edges: `[bins + 1]` of a number; empty for a category.
        counts: `[bins]` films.
    """

    feature: str
    split: str
    names: tuple[str, ...]
    edges: tuple[float, ...]
    counts: tuple[float, ...]


def read_distributions(uri: str) -> Iterator[Distribution]:
    """Reads the statistics of every split.

    Args:
        uri: Folder of the artifact, which may be remote.

    Yields:
        One for each of `SHOWN` and each split that has it.
    """
    for split, statistics in read_statistics(uri).items():
        yield from distributions_of(statistics, split, SHOWN)


def read_statistics(uri: str) -> dict[str, statistics_pb2.DatasetFeatureStatistics]:
    """Reads what StatisticsGen put out.

    Args:
        uri: Folder of the artifact, which may be remote.

    Returns:
        The statistics by split, of the splits that have some.
    """
    files = {split: tf.io.gfile.glob(f"{uri}/Split-{split}/*") for split in features.SPLITS}
    return {
        split: tfdv.load_stats_binary(found[0]).datasets[0]
        for split, found in files.items()
        if found
    }


def distributions_of(
    statistics: statistics_pb2.DatasetFeatureStatistics, split: str, shown: Iterable[str]
) -> Iterator[Distribution]:
    """Yields how features are spread over a split.

    Args:
        statistics: Of the split.
        split: Its name.
        shown: Names of features; what the split lacks is left out.
    """
    by_name: Mapping[str, statistics_pb2.FeatureNameStatistics] = {
        ".".join(one.path.step): one for one in statistics.features
    }
    for name in shown:
        found = by_name.get(name)
        if found is not None and found.HasField("string_stats"):
            buckets = found.string_stats.rank_histogram.buckets
            names = tuple(bucket.label for bucket in buckets)
            yield Distribution(
                name, split, names, (), tuple(bucket.sample_count for bucket in buckets)
            )
        elif found is not None and found.num_stats.histograms:
            buckets = found.num_stats.histograms[0].buckets  # of equal width; quantiles are next
            edges = (*(bucket.low_value for bucket in buckets), buckets[-1].high_value)
            yield Distribution(
                name, split, (), edges, tuple(bucket.sample_count for bucket in buckets)
            )
