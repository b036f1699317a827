"""The sentence of the verdict: which gate decided, by how much."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.evaluation.slices import SliceMetrics
from components.report_gen.report import DataFacts, Outcome, Report, RunFacts
from components.report_gen.words import decisive, epochs_learned, headline, sentence
from components.verdicts import Verdict

WIDE = Verdict("overall", "AUC", 0.99, 0.9, True, "AUC on overall is 0.99, the floor is 0.9")
NARROW = Verdict("view=AP", "recall", 0.86, 0.85, True, "recall on view=AP is 0.86, the floor 0.85")
UNDECIDED = Verdict("sex=F", "recall", math.nan, 0.85, True, "recall on sex=F cannot decide")
MISSED = Verdict("overall", "AUC", 0.7, 0.9, False, "AUC on overall is 0.7, 0.2 below 0.9")
NEARLY = Verdict("view=AP", "recall", 0.84, 0.85, False, "recall on view=AP is 0.84")
OVERRULED = Verdict("swap", "AUC", 0.1, 0.8, True, "AUC is 0.1; accepted: a pilot", "a pilot")
OVERALL = SliceMetrics(
    "overall", "",
    {"recall": 0.9, "specificity": math.nan, "true_positives": 9, "false_negatives": 1,
     "true_negatives": 0, "false_positives": 0},
    {"recall": (0.6, 0.981)},
)  # fmt: skip
PUSHED = Report(
    outcome=Outcome(True, True, True, "42"), slices=(OVERALL,), verdicts=(WIDE, NARROW, UNDECIDED)
)


def plain(report: Report) -> str:
    return sentence(report).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([WIDE, NARROW, UNDECIDED], NARROW),
        ([MISSED, NEARLY, WIDE], MISSED),
        ([OVERRULED, WIDE], WIDE),
        ([replace(NARROW, value=0.0, bound=0.0), WIDE], WIDE),
        ([UNDECIDED], None),
        ([replace(UNDECIDED, passed=False)], replace(UNDECIDED, passed=False)),
        ([], None),
    ],
)
def test_the_gate_that_decided(verdicts: list[Verdict], expected: Verdict | None) -> None:
    found = decisive(verdicts)
    assert (found and found.why) == (expected and expected.why)


def test_pushed_by_a_narrow_margin() -> None:
    assert headline(PUSHED) == "Pushed as version 42"
    assert plain(PUSHED) == (
        "On 10 test films the model found 90.0 % (60.0 % to 98.1 %) of the pneumonias and left "
        "none, as there are no such films, of the normal films alone. All 3 gates let it pass; "
        "the narrowest by 0.010 (recall on view=AP is 0.86, the floor 0.85)."
    )


@pytest.mark.parametrize(
    ("report", "head", "end"),
    [
        (
            replace(PUSHED, outcome=Outcome(True, False), verdicts=(MISSED, NEARLY, WIDE)),
            "Not pushed: a gate failed",
            "not put into use because AUC on overall is 0.7, 0.2 below 0.9; 1 more of 3 gates "
            "failed.",
        ),
        (
            replace(PUSHED, outcome=Outcome(True, True, False)),
            "Not pushed: the model cannot be served",
            "All 3 gates let it pass, but it cannot be served.",
        ),
        (
            Report(run=RunFacts(error="the disk is full:\nmore")),
            "Not pushed: the run stopped early",
            "No test film was evaluated. The run stopped early: the disk is full.",
        ),
        (
            Report(data=DataFacts(anomalies=({"where": "train"},))),
            "Not pushed: the run stopped early",
            "The data gate stopped the run over 1 anomalies.",
        ),
        (
            replace(PUSHED, verdicts=(WIDE, OVERRULED)),
            "Pushed as version 42",
            "All 2 gates, 1 of them overruled by the user, let it pass; the narrowest by 0.090 "
            "(AUC on overall is 0.99, the floor is 0.9).",
        ),
    ],
)
def test_other_outcomes(report: Report, head: str, end: str) -> None:
    assert headline(report) == head
    assert plain(report).endswith(end)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], "0 epochs"),
        ([{"epoch": 0}, {"epoch": 1}], "2 epochs"),  # of an earlier version
        ([{"epoch": 0, "member": 1}, {"epoch": 1, "member": 1}], "2 epochs"),
        (
            [{"epoch": epoch, "member": one} for one in (1, 2, 3) for epoch in range(2 + one)],
            "3 networks folded into one, of 3, 4, 5 epochs",
        ),
    ],
)
def test_epochs_are_those_of_each_network(history: list[dict[str, float]], expected: str) -> None:
    assert epochs_learned(history) == expected
