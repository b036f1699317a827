"""Reads TFMA's result: metrics a slice, with the intervals that the Auditor found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import tensorflow_model_analysis as tfma

from models.features import SLICES

OVERALL = "overall"
CHANGE = "_change"  # ends the name of a difference to the last blessed model

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


@dataclass(frozen=True)
class SliceMetrics:
    """What the model reached on the films of a slice.

    Attributes:
        feature: Dimension of the slice, or `OVERALL`.
        value: Which films of that dimension, or an empty string.
        metrics: Value by name; NaN where a slice does not define it. Where there is a last
            blessed model, `<name>_change` is the difference to it on films that are new to it.
        intervals: 95 % interval by name, for the metrics that have one.
    """

    feature: str
    value: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    @property
    def name(self) -> str:
        """`overall`, or `view=AP`."""
        return f"{self.feature}={self.value}" if self.value else self.feature

    @property
    def films(self) -> int:
        """Films in the slice."""
        return int(sum(self.metrics[name] for name in _COUNTS))

    @property
    def positives(self) -> int:
        """Pneumonia films in the slice."""
        return int(self.metrics["true_positives"] + self.metrics["false_negatives"])

    @property
    def negatives(self) -> int:
        """Normal films in the slice."""
        return self.films - self.positives

    @property
    def comparable_positives(self) -> int:
        """Pneumonia films in the slice that are known to be new to the last blessed model."""
        return self._comparable("true_positives", "false_negatives")

    @property
    def comparable_negatives(self) -> int:
        """Normal films in the slice that are known to be new to the last blessed model."""
        return self._comparable("true_negatives", "false_positives")

    def _comparable(self, *counts: str) -> int:
        return int(sum(self.metrics[f"comparable_{name}"] for name in counts))


def load_slices(
    evaluation_uri: str, intervals: Mapping[str, Mapping[str, Sequence[float]]]
) -> list[SliceMetrics]:
    """Reads the candidate's metrics from an Evaluator's output.

    Args:
        evaluation_uri: Folder of the `evaluation` artifact.
        intervals: By name of the slice and metric, as the Auditor writes them.

    Returns:
        The overall slice first, then the dimensions in the order of `SLICES`.
    """
    errors = dict(_calibration_errors(evaluation_uri))
    slices = [
        _read_slice(of_slice, errors, intervals) for of_slice in tfma.load_metrics(evaluation_uri)
    ]
    order = (OVERALL, *SLICES)
    return sorted(slices, key=lambda one: (order.index(one.feature), one.value))


def slice_of(key: tfma.proto.metrics_for_slice_pb2.SliceKey) -> tuple[str, str]:
    """Returns the feature and value of a slice as TFMA names it."""
    keys = key.single_slice_keys
    return (keys[0].column, keys[0].bytes_value.decode()) if keys else (OVERALL, "")


def _read_slice(
    of_slice: tfma.proto.metrics_for_slice_pb2.MetricsForSlice,
    calibration_errors: dict[tuple[str, str], float],
    intervals: Mapping[str, Mapping[str, Sequence[float]]],
) -> SliceMetrics:
    feature, value = slice_of(of_slice.slice_key)
    metrics = dict(_read_metrics(of_slice))
    metrics["expected_calibration_error"] = calibration_errors.get((feature, value), math.nan)
    tp, fp, tn, fn = (int(metrics[name]) for name in _COUNTS)
    one_class = not (tp + fn and tn + fp)
    if one_class:  # TFMA answers 0
        metrics["auc"] = metrics["auc_precision_recall"] = math.nan
    of_name = intervals.get(f"{feature}={value}" if value else feature, {})
    known = {name: (low, high) for name, (low, high) in of_name.items()}
    return SliceMetrics(feature, value, metrics, known)


def _read_metrics(
    of_slice: tfma.proto.metrics_for_slice_pb2.MetricsForSlice,
) -> Iterator[tuple[str, float]]:
    for metric in of_slice.metric_keys_and_values:
        own = metric.key.model_name != tfma.BASELINE_KEY
        # A difference on films that one of the two may have been trained on says nothing.
        if own and (metric.key.example_weighted.value or not metric.key.is_diff):
            name = metric.key.name + (CHANGE if metric.key.is_diff else "")
            yield name, metric.value.double_value.value


def _calibration_errors(evaluation_uri: str) -> Iterator[tuple[tuple[str, str], float]]:
    """Yields the expected calibration error of each slice.

    The distance between confidence and frequency, averaged over ten bins of equal width
    (Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015).
    """
    for of_slice in tfma.load_plots(evaluation_uri):
        for plot in of_slice.plot_keys_and_values:
            if plot.key.model_name == tfma.BASELINE_KEY:
                continue
            buckets = plot.value.calibration_histogram_buckets.buckets
            films = sum(bucket.num_weighted_examples.value for bucket in buckets)
            distance = sum(
                abs(
                    bucket.total_weighted_label.value
                    - bucket.total_weighted_refined_prediction.value
                )
                for bucket in buckets
            )
            yield slice_of(of_slice.slice_key), distance / films
