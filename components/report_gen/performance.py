"""What the model says of the test films: scikit-learn's numbers from the Auditor's predictions."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import metrics as sklearn_metrics

from components.auditor.scoring import DECISION, REASON, judged, scores_of
from metrics.curves import (
    Curve,
    DecisionCurve,
    ReliabilityBin,
    decision_curve,
    precision_recall_curve,
    reliability,
    roc_curve,
)
from metrics.scores import Scores
from models import features

BAND_SAMPLES = 500  # draws of patients behind a band, which is drawn and not judged


@dataclass(frozen=True)
class Performance:
    """The films' scores and what they amount to.

    Attributes:
        scores: Of the films that the model judged.
        sha256: `[films]` digests of their files.
        not_judged: Test films without a probability.
        confusion: Films at the operating point: `true_positives` and so on.
        brier: Mean squared error of the probabilities; NaN without a film.
        roc: None where a class has no film.
        precision_recall: None likewise.
        reliability: Bins with films.
        decision: None without a film.
    """

    scores: Scores
    sha256: tuple[str, ...]
    not_judged: int
    confusion: dict[str, int]
    brier: float
    roc: Curve | None
    precision_recall: Curve | None
    reliability: tuple[ReliabilityBin, ...]
    decision: DecisionCurve | None

    @property
    def films(self) -> int:
        """How many were judged."""
        return len(self.scores.labels)

    @property
    def patients(self) -> int:
        """Of whom they are."""
        return len(np.unique(self.scores.patients))

    @property
    def prevalence(self) -> float:
        """Share of pneumonia among them."""
        return float(np.mean(self.scores.labels)) if self.films else 0.0


def read_predictions(text: str) -> pd.DataFrame:
    """Returns the Auditor's table of scored films.

    Args:
        text: Content of its file.

    Returns:
        A row a film; `probability` is NaN where it was not judged.
    """
    texts = {features.PATIENT_ID: str, features.SHA256: str, DECISION: str}
    return pd.read_csv(io.StringIO(text), dtype=texts, keep_default_na=False, na_values=[""])


def performance_of(predictions: pd.DataFrame, samples: int) -> Performance:
    """Measures.

    Args:
        predictions: Of `read_predictions`.
        samples: Draws of patients behind the bands.

    Returns:
        Numbers and curves; what a missing class leaves undefined is None.
    """
    films = judged(predictions).assign(**{REASON: ""})  # of which the table has no column
    scores = scores_of(films)
    both = len(set(scores.labels.tolist())) == len(features.LABELS)
    tn, fp, fn, tp = sklearn_metrics.confusion_matrix(
        scores.labels, scores.decisions, labels=[0, 1]
    ).ravel() if len(films) else (0, 0, 0, 0)  # fmt: skip
    return Performance(
        scores=scores,
        sha256=tuple(films[features.SHA256]),
        not_judged=len(predictions) - len(films),
        confusion={
            "true_positives": int(tp),
            "false_positives": int(fp),
            "true_negatives": int(tn),
            "false_negatives": int(fn),
        },
        brier=float(sklearn_metrics.brier_score_loss(scores.labels, scores.probabilities))
        if len(films)
        else np.nan,
        roc=roc_curve(scores, samples) if both else None,
        precision_recall=precision_recall_curve(scores, samples) if both else None,
        reliability=tuple(reliability(scores)) if len(films) else (),
        decision=decision_curve(scores) if len(films) else None,
    )
