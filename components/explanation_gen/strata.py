"""What is worth looking at among scored films: groups with a reason each, the best example first.

Within a group the order is by the digest of the file, which is as good as drawn by lot and always
the same; what goes by a number goes by that first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.auditor.scoring import DECISION, REASON
from metrics.slices import slices_of
from models import features

OUTCOME = "outcome"  # column of scored films: one of OUTCOMES, empty where a film was not judged
OUTCOMES = {
    "FN": "false negative",
    "FP": "false positive",
    "TN": "true negative",
    "TP": "true positive",
}
LEAST_CERTAIN = "least certain"
MOST_CERTAIN = "most certain of those called {label}"
MOST_CERTAIN_WRONG = "most certain of the wrong"
NOT_JUDGED = "not judged"
UNLIKE_TRAIN = "unlike the films trained on"

_UNLIKE = 1.0  # distance from which a film is unlike those trained on
_LEAST_PROBABILITY = 1e-7  # and the least distance from 1, for the logit

Stratum = tuple[str, list[int]]  # the reason, and positions of films


def with_outcomes(scored: pd.DataFrame) -> pd.DataFrame:
    """Adds the column `OUTCOME`.

    Args:
        scored: Of `score_examples`.

    Returns:
        A copy with the column.
    """
    is_right = scored[DECISION] == scored[features.LABEL]
    is_called = scored[DECISION] == features.PNEUMONIA
    names = [
        f"{'T' if right else 'F'}{'P' if called else 'N'}"
        for right, called in zip(is_right, is_called, strict=True)
    ]
    judged = scored[features.PROBABILITY].notna().to_numpy(bool)
    return scored.assign(**{OUTCOME: np.where(judged, np.array(names, object), "")})


def strata_of(films: pd.DataFrame, threshold: float) -> list[Stratum]:
    """Groups films by the reasons to look at them.

    Args:
        films: Of `with_outcomes`, each film once; its index goes into the strata.
        threshold: Probability from which a film is called PNEUMONIA.

    Returns:
        Groups that are not empty: outcomes, certainty, what was not judged, what is unlike the
        train films, and every value of every slice feature. Each film is in at least one.
    """
    by_lot = films.sort_values(features.SHA256, kind="stable")
    found = [
        *_outcomes(by_lot),
        *_by_certainty(by_lot, threshold),
        (NOT_JUDGED, _in_turn(by_lot[by_lot[OUTCOME] == ""], REASON)),
        (UNLIKE_TRAIN, _unlike(by_lot)),
        *_slices(by_lot),
    ]
    return [(reason, order) for reason, order in found if order]


def _outcomes(films: pd.DataFrame) -> Iterator[Stratum]:
    for outcome, reason in OUTCOMES.items():
        yield reason, films.index[films[OUTCOME] == outcome].tolist()


def _by_certainty(films: pd.DataFrame, threshold: float) -> Iterator[Stratum]:
    """Yields films by how far their log-odds lie from those of the operating point."""
    judged = films[films[OUTCOME] != ""]
    probability = judged[features.PROBABILITY].to_numpy(float)
    distance = np.abs(_logit(probability) - _logit(threshold))
    yield LEAST_CERTAIN, judged.index[np.argsort(distance, kind="stable")].tolist()
    surest = judged.iloc[np.argsort(-distance, kind="stable")]
    for label in features.LABELS:
        called = surest[DECISION] == label
        yield MOST_CERTAIN.format(label=label), surest.index[called].tolist()
    wrong = surest[DECISION] != surest[features.LABEL]
    yield MOST_CERTAIN_WRONG, surest.index[wrong].tolist()


def _unlike(films: pd.DataFrame) -> list[int]:
    unlike = films[films[features.OUT_OF_DISTRIBUTION].astype(float) > _UNLIKE]
    distance = unlike[features.OUT_OF_DISTRIBUTION].to_numpy(float)
    return unlike.index[np.argsort(-distance, kind="stable")].tolist()


def _slices(films: pd.DataFrame) -> Iterator[Stratum]:
    """Yields the slices of every feature in turn, the largest of each first.

    Where a feature has more values than there is room for, the others still have theirs.
    """
    by_feature = [
        sorted(list(slices_of(films, [name]))[1:], key=lambda one: -one[1].sum())
        for name in features.SLICES
    ]
    for rank in range(max(map(len, by_feature))):
        for of_feature in by_feature:
            for reason, mask in of_feature[rank : rank + 1]:
                yield reason, _in_turn(films[mask], OUTCOME)


def _in_turn(films: pd.DataFrame, column: str) -> list[int]:
    """Orders films so that every value of a column comes before one comes again.

    The values are in alphabetical order: of outcomes, the wrong ones come first.
    """
    rank = films.groupby(column).cumcount()
    return films.assign(rank=rank).sort_values(["rank", column], kind="stable").index.tolist()


def _logit(probability: npt.ArrayLike) -> npt.NDArray[np.floating]:
    inside = np.clip(probability, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.log(inside / (1 - inside))
