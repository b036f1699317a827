"""How far films have moved from others: TFDV's distances, held against the schema's thresholds.

Thresholds are for many patients. Where a split is small, chance alone moves a share or a
histogram, and a threshold is raised to what two samples of one source stay below but once in ten
thousand times. A sample is of patients: a further film of one says little that is new.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import tensorflow_data_validation as tfdv
from scipy import stats
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.data_gate.histograms import align_histograms
from models.features import PATIENT_ID

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList

DRIFT: Final = "drift"
SKEW: Final = "skew"
Kind = Literal["drift", "skew"]

L_INFINITY = "L-infinity distance"
JENSEN_SHANNON = "Jensen-Shannon divergence"

_MEASURES = {
    anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: L_INFINITY,
    anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE: JENSEN_SHANNON,
}
_OTHERS = {DRIFT: "the data accepted before", SKEW: "what was served"}
_CHANCE = 1e-4  # that samples of one source exceed what chance is granted
_CELLS = 20  # of two histograms of ten buckets, each cut at the bounds of the other


@dataclass(frozen=True)
class Distance:
    """How far one feature of a split lies from the same feature of other films.

    Attributes:
        kind: `drift`, from the data accepted before, or `skew`, from what was served.
        split: Of the run.
        feature: That was compared.
        measure: `L_INFINITY` of shares or `JENSEN_SHANNON` of histograms, in bits; both in [0, 1].
        value: What was measured.
        threshold: What is allowed to that many patients.
        films: Of the split.
        other_films: It was compared with.
        shown: What moved most, such as `mean 0.48, was 0.29`.
    """

    kind: Kind
    split: str
    feature: str
    measure: str
    value: float
    threshold: float
    films: int
    other_films: int
    shown: str

    @property
    def is_exceeded(self) -> bool:
        """Whether the films have moved too far."""
        return self.value > self.threshold

    def __str__(self) -> str:
        """Returns a sentence with the numbers."""
        return (
            f"the {self.measure} from {_OTHERS[self.kind]} is {self.value:.3f}, allowed is "
            f"{self.threshold:.3f} ({self.shown}; {self.films:,} films and {self.other_films:,})"
        )


def distances(
    kind: Kind,
    statistics: Mapping[str, Statistics],
    others: Mapping[str, Statistics],
    schema: schema_pb2.Schema,
) -> Iterator[Distance]:
    """Measures every feature that has a comparator, split by split.

    Args:
        kind: Which comparators of the schema are meant.
        statistics: Of the run, by split.
        others: Of what it is compared with, by split; a split that is in one of both alone, or
            has no film in one, is left out.
        schema: With its comparators.

    Yields:
        A distance for each split and feature that both have.
    """
    for split, of_split in statistics.items():
        other = others.get(split)
        films, other_films = (
            one.datasets[0].num_examples if one else 0 for one in (of_split, other)
        )
        if other is None or not (films and other_films):
            continue
        compared = _comparing(kind, schema, of_split, other)
        now, before = _aligned(of_split, other)
        given = {"previous_statistics" if kind == DRIFT else "serving_statistics": before}
        found = tfdv.validate_statistics(now, compared, **given)
        for info in found.drift_skew_info:
            (name,) = info.path.step
            for one in info.drift_measurements if kind == DRIFT else info.skew_measurements:
                shown = _shown(_feature(of_split, name), _feature(other, name))
                yield Distance(
                    kind, split, name, _MEASURES[one.type], one.value, one.threshold,
                    films, other_films, shown,
                )  # fmt: skip


def chance_of_share(patients: int, others: int) -> float:
    """Returns how far a share may move by chance.

    Args:
        patients: Of one sample.
        others: Of the other sample.

    Returns:
        Quantile of the normal distribution times the largest standard deviation there is, that
        of a share of one half.
    """
    return float(stats.norm.isf(_CHANCE / 2) * 0.5 * math.sqrt(1 / patients + 1 / others))


def chance_of_histogram(patients: int, others: int) -> float:
    """Returns the Jensen-Shannon divergence, in bits, that chance may bring about.

    Two samples of one source have the chi-squared statistic `8 ln 2` times their divergence, over
    `1 / patients + 1 / others` (J. Lin, IEEE Transactions on Information Theory 37, 1991, gives
    the divergence; its second-order expansion is Pearson's statistic).

    Args:
        patients: Of one sample.
        others: Of the other sample.
    """
    quantile = float(stats.chi2.isf(_CHANCE, _CELLS - 1))
    return quantile * (1 / patients + 1 / others) / (8 * math.log(2))


def _comparing(
    kind: Kind, schema: schema_pb2.Schema, one: Statistics, other: Statistics
) -> schema_pb2.Schema:
    """Returns the features that can be compared, with thresholds that grant what chance does."""
    counts = _patients(one), _patients(other)
    shared = _names(one) & _names(other)
    compared = schema_pb2.Schema(string_domain=schema.string_domain)
    for feature in schema.feature:
        if feature.name not in shared or not feature.HasField(f"{kind}_comparator"):
            continue
        kept = compared.feature.add(name=feature.name, type=feature.type)
        comparator = getattr(kept, f"{kind}_comparator")
        comparator.CopyFrom(getattr(feature, f"{kind}_comparator"))
        for field, chance in (
            ("infinity_norm", chance_of_share),
            ("jensen_shannon_divergence", chance_of_histogram),
        ):
            if comparator.HasField(field):
                norm = getattr(comparator, field)
                norm.threshold = max(norm.threshold, chance(*counts))
    return compared


def _aligned(one: Statistics, other: Statistics) -> tuple[Statistics, Statistics]:
    """Returns copies in which the histograms of a number have the same cells."""
    copies = Statistics(), Statistics()
    for copy, given in zip(copies, (one, other), strict=True):
        copy.CopyFrom(given)
    for name in _names(one) & _names(other):
        pair = [_feature(copy, name) for copy in copies]
        if all(feature.WhichOneof("stats") == "num_stats" for feature in pair):
            align_histograms(*pair)
    return copies


def _patients(of_split: Statistics) -> int:
    """Returns how many patients there are; of what names none, each film is one of its own."""
    if PATIENT_ID in _names(of_split):
        return _feature(of_split, PATIENT_ID).string_stats.unique or 1
    return of_split.datasets[0].num_examples


def _names(of_split: Statistics) -> set[str]:
    return {feature.path.step[0] for feature in of_split.datasets[0].features}


def _feature(of_split: Statistics, name: str) -> statistics_pb2.FeatureNameStatistics:
    return next(one for one in of_split.datasets[0].features if list(one.path.step) == [name])


def _shown(
    now: statistics_pb2.FeatureNameStatistics, before: statistics_pb2.FeatureNameStatistics
) -> str:
    """Says what moved most: the mean of a number, or the share of a value."""
    if now.WhichOneof("stats") == "num_stats":
        return f"mean {now.num_stats.mean:.4g}, was {before.num_stats.mean:.4g}"
    shares = _shares(now), _shares(before)
    value = max(
        sorted({*shares[0], *shares[1]}),
        key=lambda one: abs(shares[0].get(one, 0) - shares[1].get(one, 0)),
        default="",
    )
    return f"{value} {shares[0].get(value, 0):.1%}, was {shares[1].get(value, 0):.1%}"


def _shares(feature: statistics_pb2.FeatureNameStatistics) -> dict[str, float]:
    counts = {
        bucket.label: bucket.sample_count for bucket in feature.string_stats.rank_histogram.buckets
    }
    whole = sum(counts.values())
    return {value: count / whole for value, count in counts.items()}
