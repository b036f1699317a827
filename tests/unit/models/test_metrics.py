"""Training metrics of P(pneumonia), against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from models.metrics import pneumonia_metrics

RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.random(400) < 0.6).astype(np.float32)
SCORES = np.clip(0.3 * LABELS + 0.7 * RANDOM.random(400), 0.01, 0.99).astype(np.float32)


def measured(targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    found = {}
    for metric in pneumonia_metrics():
        metric.update_state(targets, answers)
        found[metric.name] = float(metric.result())
    return found


def test_agree_with_scikit_learn_whatever_the_classes() -> None:
    expected = {
        "log_loss": metrics.log_loss(LABELS, SCORES),
        "auc": metrics.roc_auc_score(LABELS, SCORES),
        "precision": metrics.precision_score(LABELS, SCORES > 0.5),
        "recall": metrics.recall_score(LABELS, SCORES > 0.5),
    }
    assert measured(LABELS[:, None], SCORES[:, None]) == pytest.approx(expected, abs=2e-3)
    share = RANDOM.random(400)
    targets = np.stack([1 - LABELS, LABELS * (share > 0.5), LABELS * (share <= 0.5)], axis=1)
    answers = np.stack([1 - SCORES, SCORES * share, SCORES * (1 - share)], axis=1)
    of_three = measured(targets.astype(np.float32), answers.astype(np.float32))
    assert of_three == pytest.approx(expected, abs=2e-3)


def test_a_mixed_film_counts_as_what_most_of_it_is() -> None:
    mixed = np.where(LABELS == 1, 0.8, 0.2)[:, None].astype(np.float32)
    found, plain = measured(mixed, SCORES[:, None]), measured(LABELS[:, None], SCORES[:, None])
    for name in ("auc", "precision", "recall"):
        assert found[name] == plain[name]
    assert found["log_loss"] != plain["log_loss"]
