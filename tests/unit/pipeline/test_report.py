"""What a user reads at the end of a run: gates, where the model went, or why it did not."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from components.evaluation.comparison import Comparison
from components.evaluation.slices import SliceMetrics
from components.verdicts import Verdict
from pipeline.report import COLUMNS, show, slice_frame
from pipeline.summary import Summary

SERVING_ROOT = Path("/work/serving_model/cxr")
PASSED = Verdict("overall", "AUC", 0.98, 0.95, True, "AUC is 0.9800, the floor is 0.9500")
FAILED = Verdict("view=AP", "recall", 0.8, 0.85, False, "recall on view=AP is 0.8000, 0.0500 below")
OVERRULED = Verdict(
    "frame of the other class", "AUC", 0.3, 0.8, True, "AUC is 0.3000; accepted: a pilot", "a pilot"
)
OVERALL = SliceMetrics(
    "overall", "",
    {
        **dict.fromkeys(COLUMNS.values(), 0.5),
        "auc": math.nan,
        "true_positives": 8, "false_positives": 1, "true_negatives": 9, "false_negatives": 2,
    },
    {"recall": (0.25, 0.75)},
)  # fmt: skip
DATA = {"images": {"train": 1200, "eval": 20, "test": 10}, "rejected": 3}
UNFAIR = Comparison(10, 4, False, "no fair comparison is possible: 4 of 10")
SUMMARY = Summary("1", "pushed", True, True, "42", DATA, slices=[OVERALL], verdicts=[PASSED])


def shown(summary: Summary) -> str:
    screen = io.StringIO()
    show(summary, Console(file=screen, width=160), SERVING_ROOT, Path("/work/index.html"))
    return screen.getvalue()


class TestShow:
    def test_pushed(self) -> None:
        text = shown(SUMMARY)
        assert "films: train 1,200, eval 20, test 10; quarantined 3\n" in text
        assert "1 of 1 gates passed\n" in text
        assert f"pushed {SERVING_ROOT}/42\n" in text
        assert "report /work/index.html\n" in text

    def test_what_was_set_aside_is_said(self) -> None:
        data = {
            **DATA, "ignored": 80, "ignored_reasons": {"not in a class folder": 80},
            "ignored_folders": {"test_set": 80},
        }  # fmt: skip
        line = "ignored 80 files: 80 not in a class folder; most in test_set (80)"
        assert f"quarantined 3\n{line}\n" in shown(dataclasses.replace(SUMMARY, data=data))
        assert "ignored" not in shown(SUMMARY)

    def test_how_far_halves_agree_on_styles_is_said_and_written(self) -> None:
        rows = [{"style": name, "films": 8, "NORMAL": 2, "PNEUMONIA": 6} for name in "12"]
        data = {**DATA, "styles": rows, "style_agreement": 0.8125}
        summary = dataclasses.replace(SUMMARY, data=data)
        assert "halves of the films that each find 2 styles agree at 0.81 (" in shown(summary)
        one = dataclasses.replace(
            SUMMARY, data={**data, "styles": rows[:1], "style_agreement": None}
        )
        assert "halves agree on one is not defined\n" in shown(one)
        assert "style" not in shown(SUMMARY)

    def test_a_failed_gate_says_why(self) -> None:
        text = shown(
            dataclasses.replace(
                SUMMARY, blessed=False, pushed_version="", verdicts=[FAILED, PASSED]
            )
        )
        assert f"gate failed: {FAILED.why}\n" in text
        assert "1 of 2 gates passed\n" in text
        assert f"not pushed: a gate failed; {SERVING_ROOT} is as it was\n" in text

    def test_an_overruled_gate_is_said_and_counted_apart(self) -> None:
        text = shown(dataclasses.replace(SUMMARY, verdicts=[OVERRULED, PASSED]))
        assert f"gate overruled: {OVERRULED.why}\n" in text
        assert "1 of 2 gates passed, 1 overruled\n" in text

    def test_a_model_that_cannot_be_served_is_told_apart(self) -> None:
        text = shown(dataclasses.replace(SUMMARY, servable=False, pushed_version=""))
        assert f"not pushed: it cannot be served, see the log; {SERVING_ROOT} is as it" in text

    def test_what_the_comparison_rests_on_is_said(self) -> None:
        assert "no earlier blessed model to compare with\n" in shown(SUMMARY)
        text = shown(dataclasses.replace(SUMMARY, comparison=UNFAIR))
        assert f"{UNFAIR.why}\n" in text
        assert "no earlier blessed model" not in text

    def test_an_undefined_metric_is_a_dash(self) -> None:
        (row,) = (line.split("│") for line in shown(SUMMARY).splitlines() if "overall" in line)
        assert [cell.strip() for cell in row[1:6]] == ["overall", "20", "10", "-", row[5].strip()]
        assert row[5].split()[0] == "0.500"
        assert "0.250-0.750" in row[5]


def test_frame_has_interval_bounds_beside_the_metric() -> None:
    (row,) = slice_frame([OVERALL]).to_dict("records")
    assert (row["slice"], row["films"], row["pneumonia"]) == ("overall", 20, 10)
    assert (row["recall low"], row["recall"], row["recall high"]) == (0.25, 0.5, 0.75)
    assert math.isnan(row["AUC"])
    assert "AUC low" not in row


@pytest.mark.parametrize("comparison", [None, UNFAIR])
def test_summary_tells_what_the_comparison_rests_on(comparison: Comparison | None) -> None:
    written = dataclasses.replace(SUMMARY, comparison=comparison).to_json()["comparison"]
    expected = {"films": 10, "comparable": 4, "fair": False, "why": UNFAIR.why}
    assert written == (expected if comparison else None)
