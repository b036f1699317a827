"""The label audit: which films to look at first, because those of other patients disagree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.label_auditor.doubts import find_doubts
from components.label_auditor.films import SPLIT, groups
from components.label_auditor.out_of_fold import LEAST_PATIENTS, out_of_fold, too_few
from components.radiograph_example_gen.film_list import PATH
from models import features
from models.hyperparameters import Task

GIVEN, SUGGESTED = "given_label", "suggested_label"
QUALITY = "label_quality"  # in [0, 1], probability of the given label by films of others
DOUBTFUL = "doubtful"

# Of the labels that naming the largest class every time would get wrong, the share that has to be
# judged right before any label is called doubtful. Below it, of planted errors among few films
# hardly more were found than by chance (benchmarks/label_noise.py on 160 phantoms).
_LEAST_SKILL = 0.3

_NAMES = {features.SUBTYPE_NONE: features.NORMAL}  # of classes, for people


@dataclass(frozen=True, eq=False)
class LabelAudit:
    """What was found.

    Attributes:
        summary: Counts and estimates, as JSON has them; its `reason` says why there are none.
        films: A row a film, the most doubtful one first, under the index of the facts.
    """

    summary: dict[str, Any]
    films: pd.DataFrame = field(default_factory=pd.DataFrame)


def audit_labels(
    facts: pd.DataFrame, descriptions: npt.NDArray[np.float16], task: Task, folds: int
) -> LabelAudit:
    """Holds the label of each film against what films of others say.

    Args:
        facts: A row a film, of `RunFilms.facts`.
        descriptions: `[films, length]`.
        task: Which classes there are.
        folds: Parts that films are judged in.

    Returns:
        The audit; without films where a class has too few patients.
    """
    names = features.classes_of(task)
    column = features.LABEL if task == "binary" else features.SUBTYPE
    known = facts[column].isin(names).to_numpy()
    films, described = facts[known], descriptions[known]
    classes = films[column].map(names.index).to_numpy(np.int64)
    together = groups(films)
    shown = [_NAMES.get(name, name) for name in names]
    few = too_few(classes, together, len(names))
    if few:
        return not_possible(_too_few_sentence(shown, classes, together, few))
    probabilities = out_of_fold(described, classes, together, folds)
    doubts = find_doubts(classes, probabilities)
    counts = np.bincount(classes)
    agreement, guess = float(np.mean(doubts.suggested == classes)), float(counts.max() / len(films))
    weak = agreement - guess < _LEAST_SKILL * (1 - guess)
    doubtful = doubts.doubtful & (not weak)
    table = films[[PATH, features.SHA256, SPLIT, features.SITE, features.STYLE]].assign(
        **{
            GIVEN: np.array(shown)[classes],
            SUGGESTED: np.array(shown)[doubts.suggested],
            QUALITY: doubts.quality,
            DOUBTFUL: doubtful,
        },
        **{
            f"{features.PROBABILITY}_{name.lower()}": one
            for name, one in zip(shown, probabilities.T, strict=True)
        },
    )
    errors = doubts.joint.sum(axis=1) - doubts.joint.diagonal()
    summary = {
        "reason": "",
        "films": len(films),
        "patients": len(np.unique(together)),
        "left_out": int(np.sum(~known)),
        "agreement": agreement,
        "guess": {"class": shown[int(counts.argmax())], "agreement": guess},
        "weak": weak,
        "doubtful": int(doubtful.sum()),
        "classes": shown,
        "given": dict(zip(shown, counts.tolist(), strict=True)),
        "estimated_errors": dict(zip(shown, errors.tolist(), strict=True)),
        "joint": doubts.joint.tolist(),
    }
    # By path where the quality is the same, so that the list is the same again.
    return LabelAudit(summary, table.sort_values([QUALITY, PATH, features.SHA256]))


def not_possible(reason: str) -> LabelAudit:
    """Returns an audit that says why there is none."""
    return LabelAudit({"reason": reason})


def _too_few_sentence(
    names: list[str],
    classes: npt.NDArray[np.int64],
    together: npt.NDArray[np.int64],
    few: list[int],
) -> str:
    counts = ", ".join(f"{names[one]} {len(np.unique(together[classes == one])):,}" for one in few)
    return f"too few patients to judge by ({counts}; each class needs {LEAST_PATIENTS})"
