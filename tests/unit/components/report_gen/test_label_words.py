"""What terminal and page say of doubtful labels."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components.report_gen.collect import collect
from components.report_gen.label_words import label_lines
from components.report_gen.render import render
from components.report_gen.sources import Source
from models.label_audit_settings import SWITCHED_OFF
from tests.unit.components.report_gen.small_run import DOUBTFUL_FILM, GATES

AUDIT: dict[str, Any] = {
    "reason": "", "weak": False, "films": 5231, "doubtful": 55, "left_out": 0, "agreement": 0.9495,
    "given": {"NORMAL": 1349, "PNEUMONIA": 3882},
    "estimated_errors": {"NORMAL": 15, "PNEUMONIA": 54},
}  # fmt: skip


def test_the_gist_has_the_estimate_and_how_far_to_trust_it() -> None:
    assert list(label_lines(AUDIT)) == [
        "labels to look at: 55 of 5,231 films, whose label the films of other patients speak "
        "against; none is removed (estimated errors: 15 of 1,349 NORMAL, 54 of 3,882 PNEUMONIA; "
        "the judgement agrees with 95.0 % of all labels)"
    ]


def test_a_judgement_that_is_no_better_than_a_guess_calls_no_label_doubtful() -> None:
    guess = {"class": "PNEUMONIA", "agreement": 0.6125}
    assert list(label_lines({**AUDIT, "weak": True, "films": 160, "guess": guess})) == [
        "no label is called doubtful: films of other patients agree with 95.0 % of 160 labels, and "
        "PNEUMONIA for every film would with 61.3 %"
    ]


@pytest.mark.parametrize(
    "outcome",
    [{}, {"doubtful": 0}, {"weak": True, "guess": {"class": "NORMAL", "agreement": 0.9}}],
    ids=["doubts", "no doubt", "weak"],
)
def test_films_that_were_left_out_are_counted(outcome: dict[str, Any]) -> None:
    _, last = label_lines({**AUDIT, **outcome, "left_out": 1200})
    assert last == "films of no class of the task, left out of the label audit: 1,200"


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        ({}, []),
        ({"reason": SWITCHED_OFF}, []),
        ({"reason": "too few patients"}, ["no label audit: too few patients"]),
        (
            {**AUDIT, "doubtful": 0},
            ["labels: none of 5,231 is doubtful by the films of other patients"],
        ),
    ],
    ids=["no audit", "switched off", "not possible", "no doubt"],
)
def test_other_outcomes(audit: dict[str, Any], said: list[str]) -> None:
    assert list(label_lines(audit)) == said


def test_the_page_shows_films_labels_and_files_escaped(sources: dict[str, Source]) -> None:
    report = collect(sources, GATES, 100)
    section = re.search(r'<section id="labels".*?</section>', render(report), re.S)
    assert section is not None
    assert "<img src=x" not in section[0]
    assert section[0].count('src="data:image/jpeg') == 1
    cells = re.findall(r"<td>([^<]*)</td>", section[0])
    assert cells[:3] == ["NORMAL", "PNEUMONIA", "0.042"]
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;.png" in cells
    assert "0" * 64 in cells  # of a film without a path
    assert report.labels.pictures.keys() == {DOUBTFUL_FILM}
    assert report.to_json()["label_audit"]["shown"][0]["label_quality"] == 0.0421
