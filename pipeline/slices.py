"""Reads TFMA's result: metrics a slice, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow_model_analysis as tfma
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from pipeline.evaluation import SLICES

OVERALL = "overall"
CONFIDENCE = 0.95
CHANGE = "_change"  # ends the name of a difference to the last blessed model

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


@dataclass(frozen=True)
class SliceMetrics:
    """What the model reached on the films of a slice.

    Attributes:
        feature: Dimension of the slice, or `OVERALL`.
        value: Which films of that dimension, or an empty string.
        metrics: Value by name; NaN where a slice does not define it. Where there is a last
            blessed model, `<name>_change` is the difference to it.
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


def load_slices(evaluation_uri: str) -> list[SliceMetrics]:
    """Reads the candidate's metrics from an Evaluator's output.

    Args:
        evaluation_uri: Folder of the `evaluation` artifact.

    Returns:
        The overall slice first, then the dimensions in the order of `SLICES`.
    """
    errors = dict(_calibration_errors(evaluation_uri))
    slices = [_read_slice(of_slice, errors) for of_slice in tfma.load_metrics(evaluation_uri)]
    order = (OVERALL, *SLICES)
    return sorted(slices, key=lambda one: (order.index(one.feature), one.value))


def slice_of(key: tfma.proto.metrics_for_slice_pb2.SliceKey) -> tuple[str, str]:
    """Returns the feature and value of a slice as TFMA names it."""
    keys = key.single_slice_keys
    return (keys[0].column, keys[0].bytes_value.decode()) if keys else (OVERALL, "")


def auc_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """Returns the 95 % interval of a ROC AUC.

    The bounds are the values from which the measured one lies 1.96 standard errors away,
    each with its own standard error (score method: Newcombe, Confidence intervals for an
    effect size measure based on the Mann-Whitney statistic, 2006; standard error: Hanley
    and McNeil, Radiology 143, 1982). So a perfect AUC on few films has a wide interval.

    Args:
        auc: In [0, 1].
        positives: Pneumonia films, at least 1.
        negatives: Normal films, at least 1.

    Returns:
        Lower and upper bound, within [0, 1].
    """
    quantile = float(norm.ppf((1 + CONFIDENCE) / 2))

    def beyond(bound: float) -> float:
        return abs(auc - bound) - quantile * _auc_standard_error(bound, positives, negatives)

    step = 1e-9  # the measured value itself solves the equation where it is 0 or 1
    low = brentq(beyond, 0.0, auc - step) if auc > step else 0.0
    high = brentq(beyond, auc + step, 1.0) if auc < 1 - step else 1.0
    return float(low), float(high)


def _auc_standard_error(auc: float, positives: int, negatives: int) -> float:
    both_positive = auc / (2 - auc)
    both_negative = 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (positives - 1) * (both_positive - auc**2)
        + (negatives - 1) * (both_negative - auc**2)
    ) / (positives * negatives)
    return math.sqrt(max(variance, 0.0))


def proportion_interval(successes: int, trials: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a proportion; `trials` is at least 1."""
    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _read_slice(
    of_slice: tfma.proto.metrics_for_slice_pb2.MetricsForSlice,
    calibration_errors: dict[tuple[str, str], float],
) -> SliceMetrics:
    feature, value = slice_of(of_slice.slice_key)
    metrics = dict(_read_metrics(of_slice))
    metrics["expected_calibration_error"] = calibration_errors.get((feature, value), math.nan)
    tp, fp, tn, fn = (int(metrics[name]) for name in _COUNTS)
    one_class = not (tp + fn and tn + fp)
    if one_class:  # TFMA answers 0
        metrics["auc"] = metrics["auc_precision_recall"] = math.nan
    return SliceMetrics(feature, value, metrics, dict(_intervals(metrics["auc"], tp, fp, tn, fn)))


def _read_metrics(
    of_slice: tfma.proto.metrics_for_slice_pb2.MetricsForSlice,
) -> Iterator[tuple[str, float]]:
    for metric in of_slice.metric_keys_and_values:
        if metric.key.model_name != tfma.BASELINE_KEY:
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


def _intervals(
    auc: float, tp: int, fp: int, tn: int, fn: int
) -> Iterator[tuple[str, tuple[float, float]]]:
    if not math.isnan(auc):
        yield "auc", auc_interval(auc, tp + fn, tn + fp)
    for name, successes, trials in (
        ("recall", tp, tp + fn),
        ("specificity", tn, tn + fp),
        ("precision", tp, tp + fp),
        ("binary_accuracy", tp + tn, tp + fp + tn + fn),
    ):
        if trials:
            yield name, proportion_interval(successes, trials)
