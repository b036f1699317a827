"""Whether a model could be compared with the last blessed one, and on how many films."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.metric_names import COMPARABLE_AUC
from components.evaluation.slices import CHANGE, SliceMetrics
from models.audit_settings import Evaluation


@dataclass(frozen=True)
class Comparison:
    """What the comparison with the last blessed model rests on.

    A film that one model was trained on and the other was not gives the first an advantage.

    Attributes:
        films: Test films.
        comparable: Those known to be new to the last blessed model.
        fair: Whether they are enough of both classes to compare on.
        why: A sentence.
    """

    films: int
    comparable: int
    fair: bool
    why: str


def comparison_of(overall: SliceMetrics, gates: Evaluation) -> Comparison | None:
    """Tells what the gates on changes rest on.

    Args:
        overall: Metrics of all test films.
        gates: How many films of a class it takes.

    Returns:
        None if there is no earlier blessed model.
    """
    if COMPARABLE_AUC + CHANGE not in overall.metrics:
        return None
    positives, negatives = overall.comparable_positives, overall.comparable_negatives
    comparable = positives + negatives
    fair = positives >= gates.min_slice_positives and negatives >= gates.min_slice_negatives
    of_films = f"{comparable:,} of {overall.films:,} test films"
    why = f"compared with the last blessed model on {of_films}, those that are new to it"
    if not fair:
        why = (
            f"no fair comparison with the last blessed model is possible: {of_films} are known to "
            f"be new to it, {positives} with pneumonia and {negatives} normal, where it takes "
            f"{gates.min_slice_positives} and {gates.min_slice_negatives}; keep data.seed and "
            "data.split to compare"
        )
    return Comparison(overall.films, comparable, fair, why)
