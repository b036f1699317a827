"""What Keras reports while it trains: of P(pneumonia), whatever the classes.

The metrics that a model is judged by are TFMA's, of the served model: see
`pipeline.evaluation`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def _is_pneumonia(values: tf.Tensor) -> tf.Tensor:
    """Returns the part of targets or probabilities that stands for pneumonia.

    Args:
        values: `[batch, 1]`, or `[batch, classes]` whose first column is normal.

    Returns:
        `[batch, 1]`.
    """
    return values if values.shape[-1] == 1 else 1.0 - values[:, :1]


class _OfPneumonia:
    """Reduces the classes to two before a metric sees them."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        super().update_state(_is_pneumonia(y_true), _is_pneumonia(y_pred), sample_weight)  # type: ignore[misc]


class _OfLabels(_OfPneumonia):
    """Takes a mixed film for the larger of its parts; Keras would take it for pneumonia."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        super().update_state(tf.round(y_true), y_pred, sample_weight)


class AUC(_OfLabels, keras.metrics.AUC):
    """Area under the ROC curve."""


class Precision(_OfLabels, keras.metrics.Precision):
    """Precision at a probability of one half."""


class Recall(_OfLabels, keras.metrics.Recall):
    """Recall at a probability of one half."""


class LogLoss(_OfPneumonia, keras.metrics.BinaryCrossentropy):
    """Mean negative log-likelihood, which neither smoothing nor focusing changes."""


def pneumonia_metrics() -> list[keras.metrics.Metric]:
    """Returns the metrics of a training."""
    return [
        LogLoss(name="log_loss"),
        AUC(name="auc"),
        Precision(name="precision"),
        Recall(name="recall"),
    ]
