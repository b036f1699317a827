"""Confidence that means something: calibration and the operating point.

Both are fitted on the eval split, which the weights have not seen, and travel inside
the served model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_curve

PLATT, BETA = "platt", "beta"  # any other method is temperature scaling


@dataclass(frozen=True)
class Calibration:
    """From the pneumonia logit z to the calibrated probability.

    The probability is `sigmoid(slope_above * log(1 + e^z) - slope_below * log(1 + e^-z) +
    intercept)`: beta calibration of `sigmoid(z)` (Kull et al., Beta calibration, AISTATS
    2017). Where both slopes are the same it is `sigmoid(slope * z + intercept)`, Platt
    scaling; without an intercept besides, temperature scaling.

    Attributes:
        slope_below: Slope that is approached as z falls.
        slope_above: Slope that is approached as z rises.
        intercept: Shift of the logit.
    """

    slope_below: float
    slope_above: float
    intercept: float

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns P(pneumonia) for logits of any shape."""
        below, above = -np.logaddexp(0, -logits), np.logaddexp(0, logits)
        return expit(self.slope_below * below + self.slope_above * above + self.intercept)


@dataclass(frozen=True)
class OperatingPoint:
    """Where the answer turns from NORMAL to PNEUMONIA.

    Attributes:
        threshold: Calibrated probability from which a film is called PNEUMONIA.
        sensitivity: Share of pneumonia films found on the eval split, in [0, 1].
        specificity: Share of normal films left alone on the eval split, in [0, 1].
        target_sensitivity: What was asked for, unless a cost ratio was.
        cost_ratio: Cost of a missed pneumonia over that of a false alarm; 0 where the
            sensitivity decided.
        normal_below: Probability below which a film is called NORMAL, the threshold at most; None
            where every film gets an answer.
        pneumonia_from: Probability from which a film is called PNEUMONIA, the threshold at least,
            2 where none is; None likewise. Between the two the label is UNCERTAIN.
    """

    threshold: float
    sensitivity: float
    specificity: float
    target_sensitivity: float
    cost_ratio: float = 0.0
    normal_below: float | None = None
    pneumonia_from: float | None = None


def fit_calibration(logits: np.ndarray, labels: np.ndarray, method: str = PLATT) -> Calibration:
    """Fits the calibration by the likelihood of Platt's smoothed targets.

    The smoothing keeps the slopes finite where the classes separate (Platt, Probabilistic
    Outputs for Support Vector Machines, 1999). The intercept undoes the shift that class
    weights and resampling put into the logits; temperature scaling (Guo et al., On
    Calibration of Modern Neural Networks, 2017) has none.

    Args:
        logits: `[films]` float, before the sigmoid.
        labels: `[films]` of 0 and 1, both present.
        method: `platt`, `temperature` or `beta`.

    Returns:
        Slopes and intercept.
    """
    ones = np.ones_like(logits)
    if method == BETA:
        columns = [-np.logaddexp(0, -logits), np.logaddexp(0, logits), ones]
    else:
        columns = [logits, ones] if method == PLATT else [logits]
    weights = _fit_logistic(np.stack(columns, axis=-1), labels, monotonic=method == BETA)
    if method == BETA:
        below, above, intercept = weights
        return Calibration(below, above, intercept)
    slope, intercept = weights if method == PLATT else (*weights, 0.0)
    return Calibration(slope, slope, intercept)


def _fit_logistic(columns: np.ndarray, labels: np.ndarray, monotonic: bool) -> list[float]:
    """Returns the weight of each column; the slopes of a monotonic map are not negative."""
    positives = float(np.sum(labels))
    negatives = len(labels) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = np.where(labels == 1, high, low)

    def loss_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = columns @ weights
        loss = np.mean(np.logaddexp(0, scores) - targets * scores)
        return float(loss), columns.T @ (expit(scores) - targets) / len(labels)

    width = columns.shape[1]
    start = np.ones(width) if width == 1 else np.append(np.ones(width - 1), 0.0)
    bounds = [(0, None)] * (width - 1) + [(None, None)] if monotonic else None
    method = "L-BFGS-B" if monotonic else "BFGS"
    fitted = minimize(loss_and_gradient, x0=start, jac=True, method=method, bounds=bounds)
    return [float(weight) for weight in fitted.x]


def choose_operating_point(
    probabilities: np.ndarray,
    labels: np.ndarray,
    target_sensitivity: float,
    cost_ratio: float = 0.0,
) -> OperatingPoint:
    """Chooses the threshold that reaches a sensitivity, or the one that costs least.

    Of the thresholds whose sensitivity is at least the target, the one with the
    largest sum of sensitivity and specificity (Youden, Index for Rating Diagnostic
    Tests, 1950) is taken. With a cost ratio it is the one where `cost_ratio * missed +
    false alarms` is smallest on these films. It is moved to the middle of the gap
    between two films.

    Args:
        probabilities: `[films]` calibrated, in [0, 1].
        labels: `[films]` of 0 and 1, both present.
        target_sensitivity: In (0, 1).
        cost_ratio: Cost of a missed pneumonia over that of a false alarm, or 0.

    Returns:
        The threshold and what it reaches on these films.
    """
    false_positive_rate, sensitivity, thresholds = roc_curve(
        labels, probabilities, drop_intermediate=False
    )
    if cost_ratio:
        positives = np.sum(labels)
        missed = (1 - sensitivity) * positives
        merit = -(cost_ratio * missed + false_positive_rate * (len(labels) - positives))
    else:
        merit = np.where(sensitivity >= target_sensitivity, sensitivity - false_positive_rate, -1)
    best = int(np.argmax(merit))
    threshold = min(float(thresholds[best]), 1.0)  # infinite where no film is called PNEUMONIA
    below = probabilities[probabilities < threshold]
    floor = below.max() if below.size else 0.0
    return OperatingPoint(
        threshold=float((threshold + floor) / 2),
        sensitivity=float(sensitivity[best]),
        specificity=float(1 - false_positive_rate[best]),
        target_sensitivity=target_sensitivity,
        cost_ratio=cost_ratio,
    )
