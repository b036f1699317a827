"""TFMA metrics for gates: recall, specificity and AUC that a few films cannot decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tensorflow_model_analysis.metrics import binary_confusion_matrices, metric_types
from tensorflow_model_analysis.metrics.confusion_matrix_metrics import (
    AUC,
    ConfusionMatrixMetricBase,
    Recall,
    Specificity,
)


class _Gated(ConfusionMatrixMetricBase):
    """A metric where there are enough films of the classes it counts, otherwise 1.

    TFMA applies a threshold to every slice and fails a slice whose metric is undefined. With
    fewer films a slice would decide by chance, so it passes; the plain metric is still
    reported beside.
    """

    _settings: ClassVar[Mapping[str, str]] = {}  # of TFMA's metric

    def __init__(
        self,
        name: str | None = None,
        min_positives: int = 0,
        min_negatives: int = 0,
        source: str = "",
    ):
        """Sets how many films it takes.

        Args:
            name: Of the metric.
            min_positives: Pneumonia films, or their weight, from which it can decide.
            min_negatives: The same of normal films.
            source: Fingerprint of the code; it only tells TFX's cache that this has changed.
        """
        # Past the metric that is gated: it would refuse arguments it does not know.
        ConfusionMatrixMetricBase.__init__(
            self,
            name=name,
            min_positives=min_positives,
            min_negatives=min_negatives,
            source=source,
        )

    def _metric_value(
        self,
        key: metric_types.MetricKey,
        matrices: binary_confusion_matrices.Matrices,
        min_positives: int = 0,
        min_negatives: int = 0,
        source: str = "",
    ) -> float:
        positives = matrices.tp[0] + matrices.fn[0]
        negatives = matrices.tn[0] + matrices.fp[0]
        if positives < min_positives or negatives < min_negatives:
            return 1.0
        return float(super()._metric_value(key=key, matrices=matrices, **self._settings))


class GatedRecall(_Gated, Recall):
    """Recall where there are enough pneumonia films, otherwise 1."""

    def _default_name(self) -> str:
        return "gated_recall"


class GatedSpecificity(_Gated, Specificity):
    """Specificity where there are enough normal films, otherwise 1."""

    def _default_name(self) -> str:
        return "gated_specificity"


class GatedAUC(_Gated, AUC):
    """ROC AUC where there are enough films of both classes, otherwise 1."""

    _settings: ClassVar[Mapping[str, str]] = {"curve": "ROC", "summation_method": "interpolation"}

    def _default_name(self) -> str:
        return "gated_auc"


for _metric in (GatedRecall, GatedSpecificity, GatedAUC):
    metric_types.register_metric(_metric)
