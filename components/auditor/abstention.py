"""When a model does not answer: what it holds for no film, and where it is uncertain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from components.auditor.scoring import ANSWER
from models import features


@dataclass(frozen=True)
class Abstention:
    """How often a client gets an answer to rely on, and how often that is wrong.

    Attributes:
        out_of_distribution: Share of the judged films that are unlike the train films; NaN for a
            model without that measure.
        coverage: Share of the judged films whose label is not UNCERTAIN.
        missed: Share of the pneumonia films that are called NORMAL.
        false_alarms: Share of the normal films that are called PNEUMONIA.
        wrong_of_answered: Share of wrong labels among those that are not UNCERTAIN.
    """

    out_of_distribution: float
    coverage: float
    missed: float
    false_alarms: float
    wrong_of_answered: float


def abstention_of(films: pd.DataFrame) -> Abstention:
    """Counts answers.

    Args:
        films: Judged films, of `scoring.score_examples`.

    Returns:
        The shares; NaN where there is no film to count.
    """
    ill = films[features.LABEL] == features.PNEUMONIA
    answered = films[ANSWER] != features.UNCERTAIN
    distances = films[features.OUT_OF_DISTRIBUTION].dropna()
    return Abstention(
        out_of_distribution=_share(distances > 1),
        coverage=_share(answered),
        missed=_share(films[ANSWER][ill] == features.NORMAL),
        false_alarms=_share(films[ANSWER][~ill] == features.PNEUMONIA),
        wrong_of_answered=_share((films[ANSWER] != films[features.LABEL])[answered]),
    )


def _share(which: pd.Series) -> float:
    return float(which.mean()) if len(which) else math.nan
