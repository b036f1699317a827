"""What a user reads of an audit, in the terminal and on the page."""

from __future__ import annotations

import base64
import re
from typing import Any

import pandas as pd
import pytest

from components.report_gen import sources as of
from components.report_gen.audit_words import audit_lines, ungated_lines
from components.report_gen.collect import collect
from components.report_gen.model_card import model_card
from components.report_gen.render import environment
from components.report_gen.report import Report
from components.report_gen.sections import audits, gates
from components.report_gen.sources import Source
from tests.unit.components.report_gen.small_run import GATES


def shift(name: str, auc: float | None, recall: float, change: float) -> dict[str, Any]:
    values = {"auc": auc, "recall": recall, "specificity": 0.5 - change}
    intervals = {f"{metric}_interval": [0.25, 1.0] for metric in values}
    changes = {
        "auc_change": None if auc is None else change,
        "recall_change": change,
        "specificity_change": -change,
    }
    seen = {"changes_input": name not in ("unchanged", "gamma 1.4")}
    left_out = 12 if name == "blur" else 0
    return {
        "name": name, "films": 40 - left_out, "left_out": left_out, **values, **intervals,
        **changes, **seen,
    }  # fmt: skip


AUDIT: dict[str, Any] = {
    "model": {"unscored": {"blank": 2, "too large": 1}, "subtype_auc": 0.875,
              "subtype_auc_interval": [0.75, 0.9375]},
    "shifts": [
        shift("unchanged", 0.96, 0.9, 0.0),
        shift("blur", 0.94, 0.8, -0.1),
        shift("gamma 1.4", 0.91, 0.85, -0.05),
        shift("one class", None, 0.95, 0.05),
    ],
    "controls": [
        {"name": "outer frame", "auc": 0.8, "auc_interval": [0.75, 0.85], "margin": 0.16,
         "margin_interval": [0.1, 0.2]},
        {"name": "file statistics", "auc": 0.9, "auc_interval": [0.85, 0.95], "margin": 0.06,
         "margin_interval": [0.0, 0.1]},
    ],
    "frame_swaps": {
        "left_out": 7,
        "rows": [
            {"name": "own frame", "films": 40,
             "metrics": {"auc": 0.96, "recall": 0.9, "specificity": 0.8},
             "intervals": {"auc": [0.9, 0.99], "recall": [0.8, 0.95], "specificity": [0.7, 0.9]}},
            {"name": "frame of the other class", "films": 39,
             "metrics": {"auc": 0.5, "recall": None, "specificity": 0.25},
             "intervals": {"auc": [0.4, 0.6], "specificity": [0.125, 0.375]}},
        ],
    },
    "external": {
        "root": "/other <site>", "films": 1200, "patients": 900, "rejected": 3,
        "metrics": {
            "auc": 0.7, "recall": 0.6, "specificity": None, "expected_calibration_error": 0.1234,
        },
        "intervals": {"auc": [0.65, 0.75], "recall": [0.5, 0.7]},
    },
}  # fmt: skip


def audit_html(audit: dict[str, Any], picture: bytes = b"") -> str:
    report = Report(audit=audit, swaps_picture=picture)
    return environment().get_template("audits.html.j2").render(report=report, **audits(report))


def test_the_gist_names_the_worst() -> None:
    assert list(audit_lines(AUDIT)) == [
        "bacterial against viral: AUC 0.875 (0.750-0.938)",
        "test films that the model did not judge, left out: blank (2), too large (1)",
        "worst AUC under an acquisition change: 0.910 (gamma 1.4, -0.050)",
        "worst recall under an acquisition change: 0.800 (blur, -0.100)",
        "worst specificity under an acquisition change: 0.450 (one class, -0.050)",
        "no longer judged under an acquisition change, and left out of its row: blur (12 of 40 "
        "films)",
        "undone by the preparation, so they show nothing of the model: gamma 1.4",
        "AUC with lungs and frames swapped: own frame 0.960 (0.900-0.990), "
        "frame of the other class 0.500 (0.400-0.600)",
        "AUC of controls that see no lungs: outer frame 0.800, file statistics 0.900",
        "other site (1,200 films): AUC 0.700 (0.650-0.750), recall 0.600 (0.500-0.700), "
        "specificity -, calibration error 0.123",
    ]


def test_what_did_not_run_is_not_mentioned() -> None:
    off: dict[str, Any] = {"model": {"subtype_auc": None}, "shifts": [], "external": None}
    for nothing in ({}, off):
        assert list(audit_lines(nothing)) == []
        assert "<table" not in audit_html(nothing) and "No audit ran." in audit_html(nothing)


@pytest.mark.parametrize(
    ("gated", "words"),
    [
        ((), ["min_swap_auc", "min_shortcut_margin"]),
        (("overall", "shift=blur"), ["min_swap_auc", "min_shortcut_margin"]),
        (("frame of the other class",), ["min_shortcut_margin"]),
        (("control=outer frame",), ["min_swap_auc"]),
        (("control=outer frame", "frame of the other class"), []),
    ],
)
def test_what_no_gate_asked_is_said(gated: tuple[str, ...], words: list[str]) -> None:
    audit = {**AUDIT, "gates": [{"slice": one} for one in gated]}
    lines = list(ungated_lines(audit))
    assert [re.findall(r"evaluation\.(\w+)", line) for line in lines] == [[one] for one in words]
    report = Report(audit=audit)
    page = environment().get_template("gates.html.j2").render(report=report, **gates(report))
    card = model_card(report)
    for line in lines:
        assert line in page
        assert line.replace("_", r"\_") in card or line in card


@pytest.mark.parametrize("kept", [(), (of.AUDIT,), (of.VERDICTS,)])
def test_of_gates_that_were_not_reached_nothing_is_said(
    kept: tuple[str, ...], sources: dict[str, Source]
) -> None:
    some = {name: one for name, one in sources.items() if name in kept}
    assert list(ungated_lines(collect(some, GATES).audit)) == []


def test_the_page_holds_every_row() -> None:
    page = audit_html(AUDIT)
    assert "/other &lt;site&gt;" in page
    assert "show nothing of the model: gamma 1.4</li>" in page
    shifts, swaps, controls, external = pd.read_html(page.replace("<small>", " <small>"))
    assert list(shifts["films are"]) == [one["name"] for one in AUDIT["shifts"]]
    assert list(shifts["films"]) == [40, 28, 40, 40]
    assert list(shifts["not judged"]) == [0, 12, 0, 0]
    assert list(shifts["recall change"]) == [0.0, -0.1, -0.05, 0.05]
    assert list(shifts["specificity change"]) == [0.0, 0.1, 0.05, -0.05]
    assert list(shifts["AUC"]) == [
        "0.960 0.250-1.000", "0.940 0.250-1.000", "0.910 0.250-1.000", "-",
    ]  # fmt: skip
    assert list(swaps["films have"]) == ["own frame", "frame of the other class"]
    assert list(swaps["films"]) == [40, 39]
    assert list(swaps["recall"]) == ["0.900 0.800-0.950", "-"]
    assert list(swaps["AUC"]) == ["0.960 0.900-0.990", "0.500 0.400-0.600"]
    assert "No lungs were found in 7 films" in page
    assert "<img" not in page
    assert list(controls["control"]) == ["outer frame", "file statistics"]
    assert list(controls["model above it"]) == ["0.160 0.100-0.200", "0.060 0.000-0.100"]
    assert dict(external.iloc[0]) == {
        "films": 1200, "patients": 900, "rejected": 3, "AUC": "0.700 0.650-0.750",
        "recall": "0.600 0.500-0.700", "specificity": "-", "ECE": 0.123,
    }  # fmt: skip
    assert "AUC 0.875 (0.750-0.938)" in page


def test_an_earlier_audit_did_not_count_what_is_left_out() -> None:
    earlier = [
        {key: value for key, value in one.items() if key != "left_out"} for one in AUDIT["shifts"]
    ]
    audit = {**AUDIT, "shifts": earlier}
    assert not any("no longer judged" in line for line in audit_lines(audit))
    shifts, *_ = pd.read_html(audit_html(audit))
    assert list(shifts["not judged"]) == ["-"] * 4


def test_a_plain_test_that_facts_alone_pass_is_called_so() -> None:
    facts = {
        "name": "age, sex and view", "auc": 0.95, "auc_interval": [0.9, 0.98], "margin": 0.01,
        "margin_interval": [0.0, 0.02],
    }  # fmt: skip
    audit = {**AUDIT, "controls": [*AUDIT["controls"], facts]}
    assert (
        "the plain test cannot tell pneumonia from those who have it: on it age, sex and view "
        "alone, without any film, is as good as the model, or nearly so" in audit_lines(audit)
    )
    *_, controls, _ = pd.read_html(audit_html(audit).replace("<small>", " <small>"))
    assert dict(controls.iloc[-1]) == {
        "control": "age, sex and view", "AUC": "0.950 0.900-0.980",
        "model above it": "0.010 0.000-0.020",
    }  # fmt: skip


def test_a_control_that_has_nothing_to_go_by_is_named_and_has_no_row() -> None:
    missing = {"age, sex and view": "of no test film is age, sex or view known"}
    audit = {**AUDIT, "missing_controls": missing}
    line = "no control of age, sex and view: of no test film is age, sex or view known"
    assert line in audit_lines(audit)
    page = audit_html(audit)
    assert f"<li>{line}</li>" in page
    assert page.count("age, sex and view") == 1


def test_what_is_not_answered_is_said() -> None:
    test = {
        "out_of_distribution": 0.0125, "coverage": 0.75, "missed": 0.02, "false_alarms": None,
        "wrong_of_answered": 0.0625,
    }  # fmt: skip
    everything = {**test, "out_of_distribution": None, "coverage": 1.0, "false_alarms": 0.25}
    audit = {
        "model": {**AUDIT["model"], "abstention": test},
        "external": {**AUDIT["external"], "abstention": everything},
    }
    lines = list(audit_lines(audit))
    assert "test films held to be unlike the train films: 1.2%" in lines
    assert (
        "test films answered: 75.0%, the others are UNCERTAIN; pneumonia called NORMAL 2.0%, "
        "normal called PNEUMONIA -" in lines
    )
    assert not any(line.startswith("films of the other site") for line in lines)
    (table,) = pd.read_html(audit_html(audit), match="answered")
    assert list(table["films"]) == ["test", "other site"]
    assert list(table["unlike the train films"]) == ["1.2 %", "-"]
    assert list(table["answered"]) == ["75.0 %", "100.0 %"]
    assert list(table["normal called PNEUMONIA"]) == ["-", "25.0 %"]
    assert list(table["wrong of answered"]) == ["6.2 %", "6.2 %"]


def test_swapped_films_are_shown() -> None:
    picture = b"\x89PNG not really"
    ((alt, shown),) = re.findall(
        'alt="([^"]+)" src="data:image/png;base64,([^"]+)"', audit_html(AUDIT, picture)
    )
    assert base64.b64decode(shown) == picture
    # What `frame_swaps.montage` draws; frames of either class are in no column of their own.
    assert alt == (
        "Test films, a row each, those labelled NORMAL above those labelled PNEUMONIA. Columns "
        "from left to right: own frame, frame of the same class, frame of the other class, lungs "
        "alone, frame alone."
    )
