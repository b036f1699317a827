"""A TFMA metric for gates on slices: recall that a tiny slice cannot decide."""

from __future__ import annotations

from typing import Any

from tensorflow_model_analysis.metrics import binary_confusion_matrices, metric_types
from tensorflow_model_analysis.metrics.confusion_matrix_metrics import Recall


class GatedRecall(Recall):
    """Recall where a slice holds enough pneumonia films, otherwise 1.

    TFMA applies a threshold to every slice and fails a slice whose metric is
    undefined. A slice with fewer than `min_positives` films of pneumonia would decide
    by chance, so it passes; its plain recall is still reported beside.
    """

    def __init__(self, min_positives: int = 1, source: str = "", **kwargs: Any):
        """Sets the smallest slice.

        Args:
            min_positives: Pneumonia films from which a slice can decide.
            source: Fingerprint of the code; it only tells TFX's cache that this has changed.
            **kwargs: Of TFMA's Recall.
        """
        super().__init__(min_positives=min_positives, source=source, **kwargs)

    def _default_name(self) -> str:
        return "gated_recall"

    def _metric_value(
        self,
        key: metric_types.MetricKey,
        matrices: binary_confusion_matrices.Matrices,
        min_positives: int = 1,
        source: str = "",
    ) -> float:
        if matrices.tp[0] + matrices.fn[0] < min_positives:
            return 1.0
        return float(super()._metric_value(key, matrices))


metric_types.register_metric(GatedRecall)
