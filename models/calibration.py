"""Confidence that means something: Platt scaling and the operating point.

Both are fitted on the eval split, which the weights have not seen, and travel inside
the served model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_curve


@dataclass(frozen=True)
class Calibration:
    """Calibrated probability = sigmoid(slope * logit + intercept)."""

    slope: float
    intercept: float

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns P(pneumonia) for logits of any shape."""
        return expit(self.slope * logits + self.intercept)


@dataclass(frozen=True)
class OperatingPoint:
    """Where the answer turns from NORMAL to PNEUMONIA.

    Attributes:
        threshold: Calibrated probability from which a film is called PNEUMONIA.
        sensitivity: Share of pneumonia films found on the eval split, in [0, 1].
        specificity: Share of normal films left alone on the eval split, in [0, 1].
        target_sensitivity: What was asked for.
    """

    threshold: float
    sensitivity: float
    specificity: float
    target_sensitivity: float


def fit_calibration(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fits Platt scaling with Platt's smoothed targets.

    The smoothing keeps the slope finite where the classes separate (Platt,
    Probabilistic Outputs for Support Vector Machines, 1999). The intercept undoes the
    shift that class weights and resampling put into the logits.

    Args:
        logits: `[films]` float, before the sigmoid.
        labels: `[films]` of 0 and 1, both present.

    Returns:
        Slope and intercept.
    """
    positives = float(np.sum(labels))
    negatives = len(labels) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = np.where(labels == 1, high, low)

    def loss_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scores = parameters[0] * logits + parameters[1]
        loss = np.mean(np.logaddexp(0, scores) - targets * scores)
        error = (expit(scores) - targets) / len(logits)
        return float(loss), np.array([np.dot(error, logits), np.sum(error)])

    fitted = minimize(loss_and_gradient, x0=np.array([1.0, 0.0]), jac=True, method="BFGS")
    return Calibration(slope=float(fitted.x[0]), intercept=float(fitted.x[1]))


def choose_operating_point(
    probabilities: np.ndarray, labels: np.ndarray, target_sensitivity: float
) -> OperatingPoint:
    """Chooses the threshold with the best balance that reaches the target sensitivity.

    Of the thresholds whose sensitivity is at least the target, the one with the
    largest sum of sensitivity and specificity (Youden, Index for Rating Diagnostic
    Tests, 1950) is taken, and moved to the middle of the gap between two films.

    Args:
        probabilities: `[films]` calibrated, in [0, 1].
        labels: `[films]` of 0 and 1, both present.
        target_sensitivity: In (0, 1).

    Returns:
        The threshold and what it reaches on these films.
    """
    false_positive_rate, sensitivity, thresholds = roc_curve(
        labels, probabilities, drop_intermediate=False
    )
    balance = np.where(sensitivity >= target_sensitivity, sensitivity - false_positive_rate, -1)
    best = int(np.argmax(balance))
    below = probabilities[probabilities < thresholds[best]]
    floor = below.max() if below.size else 0.0
    return OperatingPoint(
        threshold=float((thresholds[best] + floor) / 2),
        sensitivity=float(sensitivity[best]),
        specificity=float(1 - false_positive_rate[best]),
        target_sensitivity=target_sensitivity,
    )
