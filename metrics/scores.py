"""What a model said of films, as arrays, and the names of what is measured of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AUC = "auc"
RECALL = "recall"
SPECIFICITY = "specificity"
PRECISION = "precision"
F1 = "f1_score"
ACCURACY = "binary_accuracy"
BRIER = "brier_score"
CALIBRATION_ERROR = "expected_calibration_error"
METRICS = (
    AUC, RECALL, SPECIFICITY, PRECISION, F1, ACCURACY, BRIER, CALIBRATION_ERROR,
)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """What a model said of films, each array `[films]`.

    Attributes:
        patients: Pseudonyms.
        labels: 1 for pneumonia, 0 for normal.
        probabilities: P(pneumonia), or any score that rises with it for the AUC alone.
        decisions: 1 where the model says pneumonia at its operating point, else 0.
    """

    patients: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    decisions: np.ndarray

    def where(self, chosen: np.ndarray) -> Scores:
        """Returns some of the films, by a mask `[films]` or by indices."""
        return Scores(
            self.patients[chosen],
            self.labels[chosen],
            self.probabilities[chosen],
            self.decisions[chosen],
        )
