"""A bootstrap over patients.

Films of one patient resemble each other, so an interval that takes them for independent
is too narrow. Patients are drawn with replacement, each with all films (Field and Welsh,
Bootstrapping clustered data, J. R. Stat. Soc. B 69, 2007; for ROC curves of clustered
data see Obuchowski, Biometrics 53, 1997). A drawn patient is a weight on the films, so a
thousand draws are a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metrics.score_intervals import CONFIDENCE, Interval

SEED = 0

_WEIGHTS_AT_ONCE = 4_000_000  # 32 MB for each matrix of draws by films


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    patients: np.ndarray,
    samples: int,
    seed: int = SEED,
) -> np.ndarray:
    """Calls a statistic with patients drawn again and again.

    Args:
        statistic: From weights `[draws, films]` float64 to values `[draws, ...]`.
        patients: `[films]` pseudonyms.
        samples: Draws.
        seed: Of the draws; the same seed draws the same patients, so differences are paired.

    Returns:
        `[samples, ...]` values.
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    random = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // len(patients))
    values = []
    for start in range(0, samples, at_once):
        draws = min(at_once, samples - start)
        counts = random.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
        values.append(statistic(counts[:, patient_of].astype(np.float64)))
    return np.concatenate(values)


def percentile_interval(draws: np.ndarray) -> Interval:
    """Returns the 95 % percentile interval of a bootstrap.

    Args:
        draws: `[samples]`; NaN, where a draw has missed a class, is left out.

    Returns:
        Lower and upper bound.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return float(low), float(high)
