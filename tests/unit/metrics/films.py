"""Scored films that the tests of the statistics share."""

from __future__ import annotations

import numpy as np

from metrics.scores import Scores


def draw_scores(films: int = 120, seed: int = 1, decimals: int = 2) -> Scores:
    """Films of as many patients; rounded, so that some probabilities tie."""
    random = np.random.default_rng(seed)
    labels = random.permuted(np.arange(films) % 2)
    probabilities = np.clip(0.5 + 0.2 * (labels - 0.5) + random.normal(0, 0.2, films), 0, 1)
    probabilities = probabilities.round(decimals)
    patients = np.array([f"p{number}" for number in range(films)])
    return Scores(patients, labels, probabilities, (probabilities >= 0.45).astype(int))
