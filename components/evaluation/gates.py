"""Reads what TFMA and the AuditGate decided: which gate passed, which failed, by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation.metric_names import (
    COMPARABLE_AUC,
    COMPARABLE_RECALL,
    COMPARABLE_SPECIFICITY,
    GATED_RECALL,
    GATED_SPECIFICITY,
)
from components.evaluation.slices import CHANGE, OVERALL, SliceMetrics, slice_of
from components.verdicts import Verdict
from models.audit_settings import Evaluation

_SHOWN_NAME = {
    "auc": "AUC",
    COMPARABLE_AUC: "AUC",
    GATED_RECALL: "recall",
    COMPARABLE_RECALL: "recall",
    GATED_SPECIFICITY: "specificity",
    COMPARABLE_SPECIFICITY: "specificity",
}
_POSITIVES, _NEGATIVES = "pneumonia", "normal"


@dataclass(frozen=True)
class _Gate:
    """What is asked of a metric.

    Attributes:
        metric: Name that TFMA gives it.
        compared: Name that TFMA gives it on the films new to the last blessed model.
        floor: Smallest value.
        drop: What may be lost against the last blessed model.
        takes: Films from which it can decide, by class.
    """

    metric: str
    compared: str
    floor: float
    drop: float
    takes: Mapping[str, int]

    @property
    def shown(self) -> str:
        return _SHOWN_NAME.get(self.metric, self.metric)

    def lacks(self, films: Mapping[str, int]) -> str:
        """Returns which films are too few to decide, or nothing."""
        return " and ".join(
            f"{films[name]} {name} films where it takes {least}"
            for name, least in self.takes.items()
            if films[name] < least
        )


def read_verdicts(
    evaluation_uri: str,
    slices: Sequence[SliceMetrics],
    gates: Evaluation,
    audit: Mapping[str, Any],
) -> list[Verdict]:
    """Lists every gate with its decision, failures first.

    Args:
        evaluation_uri: Folder of the `evaluation` artifact.
        slices: Of `load_slices`, for the values.
        gates: What was asked for.
        audit: Content of the audit and, as `gates`, the verdicts of the AuditGate.

    Returns:
        The verdicts; the model is blessed if all have passed.
    """
    failures = list(_failures(tfma.load_validation_result(evaluation_uri)))
    failed = {(verdict.slice, verdict.metric) for verdict in failures}
    passed = [
        verdict
        for verdict in (*_floors(slices, gates), *_changes(slices, gates))
        if (verdict.slice, verdict.metric) not in failed
    ]
    audited = [_audited(gate) for gate in audit.get("gates", [])]
    return sorted([*failures, *passed, *audited], key=lambda verdict: verdict.passed)


def _audited(gate: Mapping[str, Any]) -> Verdict:
    value = math.nan if gate["value"] is None else gate["value"]
    return Verdict(**{**gate, "value": value})


def _failures(result: validation_result_pb2.ValidationResult) -> Iterator[Verdict]:
    for of_slice in result.metric_validations_per_slice:
        feature, value = slice_of(of_slice.slice_key)
        name = f"{feature}={value}" if value else feature
        for failure in of_slice.failures:
            yield _failed(name, failure)
    for missing in result.missing_slices:
        name = ", ".join(missing.feature_keys) or OVERALL
        yield Verdict(name, "slice", 0, 0, False, f"no test film has {name}")


def _failed(slice_name: str, failure: validation_result_pb2.ValidationFailure) -> Verdict:
    metric = _SHOWN_NAME.get(failure.metric_key.name, failure.metric_key.name)
    found = failure.HasField("metric_value")  # TFMA says 'Metric not found.' otherwise
    value = failure.metric_value.double_value.value if found else math.nan
    threshold = failure.metric_threshold
    changed = threshold.HasField("change_threshold")
    if changed:
        bound = threshold.change_threshold.absolute.value
        why = _fell(metric, slice_name, value, -bound)
    else:
        bound = threshold.value_threshold.lower_bound.value
        why = (
            f"{metric} on {slice_name} is {value:.4f}, {bound - value:.4f} below the floor of "
            f"{bound:.4f}"
        )
    if math.isnan(value):
        why = f"{metric} on {slice_name} is not defined, since a class has no film; add some"
    return Verdict(slice_name, f"{metric} change" if changed else metric, value, bound, False, why)


def _floors(slices: Sequence[SliceMetrics], gates: Evaluation) -> Iterator[Verdict]:
    for one in slices:
        films = {_POSITIVES: one.positives, _NEGATIVES: one.negatives}
        for gate in _gates_on(one, gates):
            value = one.metrics[gate.metric]
            lacking = gate.lacks(films) if one.name != OVERALL else ""
            why = f"{gate.shown} on {one.name} is {value:.4f}, the floor is {gate.floor:.4f}"
            if lacking:
                why = f"{gate.shown} on {one.name} cannot decide, it has {lacking}"
            yield Verdict(one.name, gate.shown, value, gate.floor, True, why)


def _changes(slices: Sequence[SliceMetrics], gates: Evaluation) -> Iterator[Verdict]:
    for one in slices:
        for gate in _gates_on(one, gates):
            change = one.metrics.get(gate.compared + CHANGE)
            if change is None:  # no earlier blessed model
                continue
            lacking = gate.lacks(
                {_POSITIVES: one.comparable_positives, _NEGATIVES: one.comparable_negatives}
            )
            why = _fell(gate.shown, one.name, change, gate.drop)
            if lacking:
                change = math.nan
                why = (
                    f"{gate.shown} on {one.name} is not compared with the last blessed model: "
                    f"known to be new to that are {lacking}"
                )
            yield Verdict(one.name, f"{gate.shown} change", change, -gate.drop, True, why)


def _gates_on(one: SliceMetrics, gates: Evaluation) -> Iterator[_Gate]:
    """Yields what is asked of a slice; ranking is judged overall only."""
    positives = {_POSITIVES: gates.min_slice_positives}
    negatives = {_NEGATIVES: gates.min_slice_negatives}
    if one.name == OVERALL:
        both = {**positives, **negatives}
        yield _Gate("auc", COMPARABLE_AUC, gates.min_auc, gates.max_auc_drop, both)
    yield _Gate("recall", COMPARABLE_RECALL, gates.min_recall, gates.max_recall_drop, positives)
    yield _Gate(
        "specificity",
        COMPARABLE_SPECIFICITY,
        gates.min_specificity,
        gates.max_specificity_drop,
        negatives,
    )


def _fell(metric: str, slice_name: str, change: float, drop: float) -> str:
    course = "fell" if change < 0 else "rose"
    return (
        f"{metric} on {slice_name} {course} by {abs(change):.4f} against the last blessed model, "
        f"a fall of {drop:.4f} is allowed"
    )
