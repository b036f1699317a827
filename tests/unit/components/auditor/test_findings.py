"""What an audit writes, key by key, and that it is read as it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from components.auditor.abstention import Abstention
from components.auditor.findings import Control, ExternalSite, Findings, FrameSwaps, Shift
from components.auditor.lesions import Lesions
from metrics.estimates import Estimate

INTERVALS = {"auc": (0.8, 0.96), "recall": (0.7, 0.9)}
REACHED = Estimate(
    40, 30, 25, {"auc": 0.9, "recall": 0.85, "specificity": 0.75, "precision": math.nan}, INTERVALS
)
SMALLER = Estimate(9, 8, 7, {"auc": 0.6, "recall": 0.5, "specificity": math.nan}, {})
ABSTENTION = Abstention(0.1, 0.9, 0.2, 0.3, math.nan)
CONTROL = Control(
    name="outer frame", auc=0.7, auc_interval=(0.6, 0.8), margin=0.2, margin_interval=(0.1, 0.3)
)
SHIFT = Shift("blur", REACHED, {"auc": -0.01, "recall": math.nan, "specificity": 0.125}, 2.5, 6)
FINDINGS = Findings(
    slices={"overall": REACHED, "view=AP": SMALLER},
    subtype_auc=(0.75, (0.5, 0.875)),
    shifts=[SHIFT],
    external=ExternalSite("/there", 3, SMALLER, ABSTENTION),
    controls=[CONTROL],
    unscored={"too dark": 2},
    frame_swaps=FrameSwaps(4, 36, {"own frame": REACHED}, [CONTROL], b"picture"),
    abstention=ABSTENTION,
    missing_controls={"age, sex and view": "of no train film is age, sex or view known"},
    lesions=Lesions(12, 9, {"dice": 0.5}, {"dice": (0.25, 0.75)}),
)
METRICS_JSON = {"auc": 0.9, "recall": 0.85, "specificity": 0.75, "precision": None}
INTERVALS_JSON = {"auc": [0.8, 0.96], "recall": [0.7, 0.9]}
REACHED_JSON: dict[str, Any] = {
    "films": 40, "patients": 30, "positives": 25,
    "metrics": METRICS_JSON, "intervals": INTERVALS_JSON,
}  # fmt: skip
SMALLER_JSON: dict[str, Any] = {
    "films": 9, "patients": 8, "positives": 7,
    "metrics": {"auc": 0.6, "recall": 0.5, "specificity": None}, "intervals": {},
}  # fmt: skip
ABSTENTION_JSON = {
    "out_of_distribution": 0.1, "coverage": 0.9, "missed": 0.2, "false_alarms": 0.3,
    "wrong_of_answered": None,
}  # fmt: skip
CONTROL_JSON = {
    "name": "outer frame", "auc": 0.7, "auc_interval": [0.6, 0.8], "margin": 0.2,
    "margin_interval": [0.1, 0.3],
}  # fmt: skip
CONTENT = {
    "model": {
        "films": 40, "patients": 30, "positives": 25, "metrics": METRICS_JSON,
        "unscored": {"too dark": 2}, "subtype_auc": 0.75, "subtype_auc_interval": [0.5, 0.875],
        "abstention": ABSTENTION_JSON,
    },
    "slices": {"overall": REACHED_JSON, "view=AP": SMALLER_JSON},
    "shifts": [
        {
            "name": "blur", "films": 40, "left_out": 6, "patients": 30, "positives": 25,
            "auc": 0.9, "recall": 0.85, "specificity": 0.75,
            "auc_interval": [0.8, 0.96], "recall_interval": [0.7, 0.9],
            "specificity_interval": None,
            "auc_change": -0.01, "recall_change": None, "specificity_change": 0.125,
            "changes_input": True, "input_change": 2.5,
        }
    ],
    "external": {
        "root": "/there", "rejected": 3, "abstention": ABSTENTION_JSON, **SMALLER_JSON,
    },
    "controls": [CONTROL_JSON],
    "missing_controls": {"age, sex and view": "of no train film is age, sex or view known"},
    "frame_swaps": {
        "left_out": 4, "films": 36, "rows": [{"name": "own frame", **REACHED_JSON}],
        "controls": [CONTROL_JSON],
    },
    "lesions": {
        "films": 12, "normal_films": 9, "metrics": {"dice": 0.5},
        "intervals": {"dice": [0.25, 0.75]},
    },
}  # fmt: skip


def through_a_file(findings: Findings) -> Findings:
    return Findings.from_json(json.loads(json.dumps(findings.to_json(), allow_nan=False)))


def test_the_content_is_that_of_the_findings() -> None:
    assert FINDINGS.to_json() == CONTENT


def test_what_is_read_is_what_was_found() -> None:
    read = through_a_file(FINDINGS)
    # NaN is not equal to itself, its text is. A shift keeps only what is shown of it.
    shown = {name: REACHED.metrics[name] for name in ("auc", "recall", "specificity")}
    kept = replace(SHIFT, estimate=replace(REACHED, metrics=shown))
    assert repr(read.slices) == repr(FINDINGS.slices)
    assert repr(read.shifts) == repr([kept])
    assert repr(read.external) == repr(FINDINGS.external)
    assert repr(read.abstention) == repr(ABSTENTION)
    assert (read.subtype_auc, read.controls) == (FINDINGS.subtype_auc, [CONTROL])
    assert read.unscored == {"too dark": 2}
    assert read.missing_controls == FINDINGS.missing_controls
    assert FINDINGS.frame_swaps is not None
    assert read.lesions == FINDINGS.lesions
    without_picture = replace(FINDINGS.frame_swaps, montage=b"")
    assert repr(read.frame_swaps) == repr(without_picture)
    assert read.to_json() == CONTENT


def test_what_was_not_measured_is_null_and_stays_so() -> None:
    little = Findings({"overall": SMALLER}, None, [], None, [], {})
    content = little.to_json()
    assert content["external"] is content["frame_swaps"] is content["lesions"] is None
    assert content["model"]["subtype_auc"] is content["model"]["subtype_auc_interval"] is None
    assert content["model"]["abstention"] is None
    read = through_a_file(little)
    assert repr(read) == repr(little)


def test_an_audit_of_an_earlier_version_misses_no_control_and_marks_no_lesion() -> None:
    later = ("missing_controls", "lesions")
    earlier = {name: part for name, part in CONTENT.items() if name not in later}
    assert Findings.from_json(earlier).missing_controls == {}
    assert Findings.from_json(earlier).lesions is None


def test_an_audit_of_an_earlier_version_leaves_no_film_out_of_a_shift() -> None:
    content = json.loads(json.dumps(CONTENT))
    del content["shifts"][0]["left_out"]
    (read,) = Findings.from_json(content).shifts
    assert (read.left_out, read.input_change) == (0, 2.5)


@pytest.mark.parametrize(("moved", "seen"), [(0.0, False), (0.999, False), (1.0, True)])
def test_a_change_counts_from_one_grey_level_on(moved: float, seen: bool) -> None:
    shift = replace(SHIFT, input_change=moved)
    assert shift.changes_input is seen
    (row,) = replace(FINDINGS, shifts=[shift]).to_json()["shifts"]
    assert (row["changes_input"], row["input_change"]) == (seen, moved)
