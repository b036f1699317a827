"""Reads the plots of TFMA's result: calibration and confusion at thresholds, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from sklearn import metrics as sklearn_metrics

from components.evaluation.slices import OVERALL, slice_of
from models.features import SLICES

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SlicePlots:
    """What TFMA plots of a slice.

    Attributes:
        feature: Dimension of the slice, or `OVERALL`.
        value: Which films of that dimension, or an empty string.
        films: `[buckets]` films by predicted probability, in buckets of equal width over [0, 1].
        positives: `[buckets]` pneumonia films among them.
        predicted: `[buckets]` their mean probability; NaN in an empty bucket.
        thresholds: `[thresholds]`, rising; empty in a result of an earlier version.
        counts: `[thresholds, 4]` films at each: true positives, false positives, true negatives
            and false negatives.
    """

    feature: str
    value: str
    films: Numbers
    positives: Numbers
    predicted: Numbers
    thresholds: Numbers
    counts: Numbers

    @property
    def name(self) -> str:
        """`overall`, or `view=AP`."""
        return f"{self.feature}={self.value}" if self.value else self.feature

    @property
    def observed(self) -> Numbers:
        """`[buckets]` share of pneumonia; NaN in an empty bucket."""
        return _shares(self.positives, self.films)

    @property
    def sensitivity(self) -> Numbers:
        """`[thresholds]`, NaN without pneumonia."""
        return _shares(self.counts[:, 0], self.counts[:, 0] + self.counts[:, 3])

    @property
    def specificity(self) -> Numbers:
        """`[thresholds]`, NaN without normal films."""
        return _shares(self.counts[:, 2], self.counts[:, 2] + self.counts[:, 1])

    @property
    def precision(self) -> Numbers:
        """`[thresholds]`, NaN where no film is called pneumonia."""
        return _shares(self.counts[:, 0], self.counts[:, 0] + self.counts[:, 1])

    @property
    def has_both_classes(self) -> bool:
        """Whether curves are defined."""
        return 0 < self.positives.sum() < self.films.sum()

    @property
    def auc(self) -> float:
        """Area under the ROC curve through these thresholds."""
        return float(sklearn_metrics.auc(1 - self.specificity, self.sensitivity))


def read_plots(evaluation_uri: str) -> list[SlicePlots]:
    """Reads the candidate's plots from an Evaluator's output.

    Args:
        evaluation_uri: Folder of the `evaluation` artifact.

    Returns:
        The overall slice first, then the dimensions in the order of `SLICES`, then those that only
        an earlier version had.
    """
    order = {name: place for place, name in enumerate((OVERALL, *SLICES))}
    plots = [plot for of_slice in tfma.load_plots(evaluation_uri) for plot in _read(of_slice)]
    return sorted(
        plots, key=lambda one: (order.get(one.feature, len(order)), one.feature, one.value)
    )


def _read(of_slice: tfma.proto.metrics_for_slice_pb2.PlotsForSlice) -> Iterator[SlicePlots]:
    for plot in of_slice.plot_keys_and_values:
        if plot.key.model_name == tfma.BASELINE_KEY:
            continue
        buckets = plot.value.calibration_histogram_buckets.buckets
        films = _inside([one.num_weighted_examples.value for one in buckets])
        predicted = _inside([one.total_weighted_refined_prediction.value for one in buckets])
        matrices = plot.value.confusion_matrix_at_thresholds.matrices
        counts = [
            (one.true_positives, one.false_positives, one.true_negatives, one.false_negatives)
            for one in matrices
        ]
        yield SlicePlots(
            *slice_of(of_slice.slice_key),
            films,
            _inside([one.total_weighted_label.value for one in buckets]),
            _shares(predicted, films),
            np.array([one.threshold for one in matrices], np.float64),
            np.array(counts, np.float64).reshape(-1, 4),
        )


def _inside(sums: list[float]) -> Numbers:
    """Counts what TFMA keeps beside [0, 1) with the outermost buckets: 1 itself is there."""
    inside = np.array(sums[1:-1], np.float64)
    inside[0] += sums[0]
    inside[-1] += sums[-1]
    return inside


def _shares(part: Numbers, whole: Numbers) -> Numbers:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
