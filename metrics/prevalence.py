"""How many of some films are pneumonia, from what a model says of them and nobody's labels.

A model's probabilities assume the prevalence of the films that it was calibrated on. Where
films of a class look the same in another place and only their share differs, that share is what
makes the probabilities of its films most likely (Saerens, Latinne and Decaestecker, Adjusting the
Outputs of a Classifier to New a Priori Probabilities, Neural Computation 14, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.bootstrap import bootstrap, percentile_interval
from metrics.score_intervals import Interval

# Corrected for a share beyond these, the probabilities of all films are 0 or 1 in float32.
LEAST, MOST = 1e-4, 1 - 1e-4

_TOLERANCE = 1e-7
_MOST_STEPS = 10_000


@dataclass(frozen=True)
class Prevalence:
    """A share of films that are pneumonia.

    Attributes:
        share: In [0, 1].
        interval: 95 % interval by a bootstrap over patients.
    """

    share: float
    interval: Interval


def estimate_prevalence(
    probabilities: np.ndarray, assumed: float, patients: np.ndarray, samples: int
) -> Prevalence:
    """Estimates how many films are pneumonia.

    Args:
        probabilities: `[films]` calibrated, in [0, 1]; at least one.
        assumed: Prevalence that they assume, in (0, 1).
        patients: `[films]` pseudonyms.
        samples: Draws of patients.

    Returns:
        The share and its interval, which does not tell of films that look otherwise than those
        that the model was calibrated on.
    """
    once = np.ones((1, len(probabilities)))
    share = most_likely_prevalence(once, probabilities, assumed)[0]
    drawn = bootstrap(
        lambda weights: most_likely_prevalence(weights, probabilities, assumed), patients, samples
    )
    return Prevalence(float(share), percentile_interval(drawn))


def most_likely_prevalence(
    weights: np.ndarray, probabilities: np.ndarray, assumed: float
) -> np.ndarray:
    """Finds the share by expectation maximisation.

    Each step corrects the probabilities for the share that was found before (equation 2.4 of the
    paper), and takes their mean for the next (equation 2.10).

    Args:
        weights: `[draws, films]`, at least 0, of which each draw has some above it.
        probabilities: `[films]` calibrated, in [0, 1].
        assumed: Prevalence that they assume, in (0, 1).

    Returns:
        `[draws]` shares in [0, 1].
    """
    # Of each class the likelihood of a film, but for a factor that both have.
    ill = probabilities.astype(np.float64) / assumed
    well = (1 - probabilities.astype(np.float64)) / (1 - assumed)
    total = weights.sum(axis=1)
    shares = np.full(len(weights), float(assumed))
    for _ in range(_MOST_STEPS):
        of_pneumonia = shares[:, np.newaxis] * ill
        corrected = of_pneumonia / (of_pneumonia + (1 - shares[:, np.newaxis]) * well)
        found = (weights * corrected).sum(axis=1) / total
        moved = np.abs(found - shares).max()
        shares = found
        if moved < _TOLERANCE:
            break
    return shares
