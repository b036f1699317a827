"""Reads what TFMA and the AuditGate decided: which gate passed, which failed, by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma

from components.verdicts import Verdict
from pipeline.config import Evaluation
from pipeline.evaluation import GATED_RECALL
from pipeline.slices import CHANGE, OVERALL, SliceMetrics, slice_of

_SHOWN_NAME = {"auc": "AUC", GATED_RECALL: "recall"}


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
        audit: Of `pipeline.summary.read_audit`.

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


def _failures(result: tfma.proto.validation_result_pb2.ValidationResult) -> Iterator[Verdict]:
    for of_slice in result.metric_validations_per_slice:
        feature, value = slice_of(of_slice.slice_key)
        name = f"{feature}={value}" if value else feature
        for failure in of_slice.failures:
            yield _failed(name, failure)
    for missing in result.missing_slices:
        name = ", ".join(missing.feature_keys) or OVERALL
        yield Verdict(name, "slice", 0, 0, False, f"no test film has {name}")


def _failed(
    slice_name: str, failure: tfma.proto.validation_result_pb2.ValidationFailure
) -> Verdict:
    metric = _SHOWN_NAME.get(failure.metric_key.name, failure.metric_key.name)
    value = failure.metric_value.double_value.value
    threshold = failure.metric_threshold
    if threshold.HasField("change_threshold"):
        bound = threshold.change_threshold.absolute.value
        why = _fell(metric, slice_name, value, -bound)
        metric = f"{metric} change"
    else:
        bound = threshold.value_threshold.lower_bound.value
        why = (
            f"{metric} on {slice_name} is {value:.4f}, {bound - value:.4f} below the floor of "
            f"{bound:.4f}"
        )
    return Verdict(slice_name, metric, value, bound, False, why)


def _floors(slices: Sequence[SliceMetrics], gates: Evaluation) -> Iterator[Verdict]:
    for one in slices:
        recall = one.metrics["recall"]
        why = f"recall on {one.name} is {recall:.4f}, the floor is {gates.min_recall:.4f}"
        if one.name == OVERALL:
            auc = one.metrics["auc"]
            auc_why = f"AUC is {auc:.4f}, the floor is {gates.min_auc:.4f}"
            yield Verdict(one.name, "AUC", auc, gates.min_auc, True, auc_why)
        elif one.positives < gates.min_slice_positives:
            why = (
                f"{one.name} has {one.positives} pneumonia films and cannot decide, that takes "
                f"{gates.min_slice_positives}"
            )
        yield Verdict(one.name, "recall", recall, gates.min_recall, True, why)


def _changes(slices: Sequence[SliceMetrics], gates: Evaluation) -> Iterator[Verdict]:
    for one in slices:
        compared = [("recall", GATED_RECALL, gates.max_recall_drop)]
        if one.name == OVERALL:
            compared = [
                ("AUC", "auc", gates.max_auc_drop),
                ("recall", "recall", gates.max_recall_drop),
            ]
        for metric, name, drop in compared:
            change = one.metrics.get(name + CHANGE)
            if change is not None:
                why = _fell(metric, one.name, change, drop)
                yield Verdict(one.name, f"{metric} change", change, -drop, True, why)


def _fell(metric: str, slice_name: str, change: float, drop: float) -> str:
    course = "fell" if change < 0 else "rose"
    return (
        f"{metric} on {slice_name} {course} by {abs(change):.4f} against the last blessed model, "
        f"a fall of {drop:.4f} is allowed"
    )
