"""Sentences and bounds of verdicts, from metrics and failures as TFMA words them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation.gates import read_verdicts
from components.evaluation.slices import SliceMetrics
from components.verdicts import Verdict
from pipeline.config import Evaluation

GATES = Evaluation(
    min_auc=0.9, min_recall=0.8, min_specificity=0.7, min_slice_positives=20,
    min_slice_negatives=10, max_auc_drop=0.01, max_recall_drop=0.05, max_specificity_drop=0.04,
)  # fmt: skip


def slice_metrics(
    name: str = "", positives: int = 20, negatives: int = 10, more: dict[str, float] | None = None
) -> SliceMetrics:
    counts = {
        "true_positives": positives, "false_negatives": 0,
        "true_negatives": negatives, "false_positives": 0,
    }  # fmt: skip
    metrics = {
        "auc": 0.95, "recall": 0.85, "specificity": 0.75,
        **counts, **{f"comparable_{count}": value for count, value in counts.items()},
        **(more or {}),
    }  # fmt: skip
    return SliceMetrics("view" if name else "overall", name, metrics, {})


def failure(metric: str, value: float | None, **bounds: float) -> dict[str, Any]:
    """A failure in TFMA's words; `floor` or `change` is what it was held against."""
    (kind, bound), *_ = bounds.items()
    threshold = {
        "floor": {"value_threshold": {"lower_bound": {"value": bound}}},
        "change": {"change_threshold": {"absolute": {"value": bound}}},
    }[kind]
    found = {} if value is None else {"metric_value": {"double_value": {"value": value}}}
    return {"metric_key": {"name": metric}, "metric_threshold": threshold, **found}


def result(view: str = "", *failures: dict[str, Any]) -> Any:
    keys = [{"column": "view", "bytes_value": view.encode()}] if view else []
    of_slice = {"slice_key": {"single_slice_keys": keys}, "failures": failures}
    return validation_result_pb2.ValidationResult(
        metric_validations_per_slice=[of_slice] if failures else []
    )


@pytest.fixture(name="read")
def make_read(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads verdicts with this for TFMA's result."""

    def read(found: Any, *slices: SliceMetrics, audit: Any = None) -> list[Verdict]:
        monkeypatch.setattr(tfma, "load_validation_result", {"evaluation": found}.__getitem__)
        return read_verdicts("evaluation", slices, GATES, audit or {})

    return read


def test_every_floor_of_all_films_has_a_sentence(read: Any) -> None:
    assert read(result(), slice_metrics(positives=1, negatives=1)) == [
        Verdict("overall", "AUC", 0.95, 0.9, True, "AUC on overall is 0.9500, the floor is 0.9000"),
        Verdict(
            "overall", "recall", 0.85, 0.8, True,
            "recall on overall is 0.8500, the floor is 0.8000",
        ),
        Verdict(
            "overall", "specificity", 0.75, 0.7, True,
            "specificity on overall is 0.7500, the floor is 0.7000",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("positives", "negatives", "sentences"),
    [
        (20, 10, ["recall on view=AP is 0.8500, the floor is 0.8000",
                  "specificity on view=AP is 0.7500, the floor is 0.7000"]),
        (19, 10, ["recall on view=AP cannot decide, it has 19 pneumonia films where it takes 20",
                  "specificity on view=AP is 0.7500, the floor is 0.7000"]),
        (20, 9, ["recall on view=AP is 0.8500, the floor is 0.8000",
                 "specificity on view=AP cannot decide, it has 9 normal films where it takes 10"]),
    ],
)  # fmt: skip
def test_a_small_slice_cannot_decide(
    read: Any, positives: int, negatives: int, sentences: list[str]
) -> None:
    found = read(result(), slice_metrics("AP", positives, negatives))
    assert [verdict.why for verdict in found] == sentences
    assert all(verdict.passed for verdict in found)


def test_changes_are_listed_where_there_is_an_earlier_model(read: Any) -> None:
    changes = {
        "comparable_auc_change": -0.005, "comparable_recall_change": 0.02,
        "comparable_specificity_change": -0.04,
    }  # fmt: skip
    overall = read(result(), slice_metrics(more=changes))
    assert [(one.metric, one.value, one.bound) for one in overall[3:]] == [
        ("AUC change", -0.005, -0.01),
        ("recall change", 0.02, -0.05),
        ("specificity change", -0.04, -0.04),
    ]
    assert overall[3].why == (
        "AUC on overall fell by 0.0050 against the last blessed model, a fall of 0.0100 is allowed"
    )
    assert overall[4].why.startswith("recall on overall rose by 0.0200 against ")
    assert {one.slice for one in overall} == {"overall"}
    of_slice = read(result(), slice_metrics("AP", more={**changes, "comparable_recall_change": 0}))
    assert [(one.slice, one.metric) for one in of_slice] == [
        ("view=AP", "recall"), ("view=AP", "specificity"),
        ("view=AP", "recall change"), ("view=AP", "specificity change"),
    ]  # fmt: skip
    assert of_slice[2].why.startswith("recall on view=AP rose by 0.0000 against ")


def test_what_is_not_compared_has_no_value(read: Any) -> None:
    few = {"comparable_true_positives": 7, "comparable_false_negatives": 12,
           "comparable_true_negatives": 4, "comparable_false_positives": 5}  # fmt: skip
    changes = {f"comparable_{name}_change": 0.0 for name in ("auc", "recall", "specificity")}
    found = read(result(), slice_metrics(more={**few, **changes}))[3:]
    assert all(math.isnan(one.value) and one.passed for one in found)
    begins = "on overall is not compared with the last blessed model: known to be new to that are"
    assert [one.why for one in found] == [
        f"AUC {begins} 19 pneumonia films where it takes 20 and 9 normal films where it takes 10",
        f"recall {begins} 19 pneumonia films where it takes 20",
        f"specificity {begins} 9 normal films where it takes 10",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gated_recall", "recall"),
        ("gated_specificity", "specificity"),
        ("auc", "AUC"),
        ("recall", "recall"),
    ],
)
def test_a_failed_floor_says_by_how_much(read: Any, name: str, shown: str) -> None:
    found = read(result("AP", failure(name, 0.5, floor=0.75)), slice_metrics("AP"))
    assert found[0] == Verdict(
        "view=AP", shown, 0.5, 0.75, False,
        f"{shown} on view=AP is 0.5000, 0.2500 below the floor of 0.7500",
    )  # fmt: skip
    assert [one.metric for one in found[1:]] == [
        metric for metric in ("recall", "specificity") if metric != shown
    ]


@pytest.mark.parametrize("metric", ["auc", "recall", "specificity"])
def test_a_failed_change_says_by_how_much(read: Any, metric: str) -> None:
    found = read(result("", failure(f"comparable_{metric}", -0.25, change=-0.125)))
    shown = "AUC" if metric == "auc" else metric
    assert found == [
        Verdict(
            "overall", f"{shown} change", -0.25, -0.125, False,
            f"{shown} on overall fell by 0.2500 against the last blessed model, a fall of 0.1250 "
            "is allowed",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("value", [None, math.nan])
@pytest.mark.parametrize(("bound", "ending"), [("floor", ""), ("change", " change")])
def test_what_is_not_defined_fails_and_says_so(
    read: Any, value: float | None, bound: str, ending: str
) -> None:
    (found,) = read(result("AP", failure("recall", value, **{bound: 0.5})))
    assert (found.metric, found.passed, found.bound) == (f"recall{ending}", False, 0.5)
    assert math.isnan(found.value)
    assert found.why == "recall on view=AP is not defined, since a class has no film; add some"


def test_missing_slices_are_named(read: Any) -> None:
    missing = validation_result_pb2.ValidationResult(
        missing_slices=[{"feature_keys": ["view", "sex"]}, {}]
    )
    assert read(missing) == [
        Verdict("view, sex", "slice", 0, 0, False, "no test film has view, sex"),
        Verdict("overall", "slice", 0, 0, False, "no test film has overall"),
    ]


def test_failures_come_first_the_audits_last(read: Any) -> None:
    gate = {"slice": "external", "metric": "AUC", "bound": 0.9, "why": "so"}
    audit = {"gates": [{**gate, "value": 0.95, "passed": True},
                       {**gate, "value": None, "passed": False}]}  # fmt: skip
    found = read(result("AP", failure("gated_recall", 0.5, floor=0.8)), slice_metrics("AP"),
                 audit=audit)  # fmt: skip
    assert [(one.slice, one.metric, one.passed) for one in found] == [
        ("view=AP", "recall", False),
        ("external", "AUC", False),
        ("view=AP", "specificity", True),
        ("external", "AUC", True),
    ]
    assert math.isnan(found[1].value)
    assert found[3] == Verdict("external", "AUC", 0.95, 0.9, True, "so")
