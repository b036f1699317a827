"""What is said of styles: the issue's sentence, the worst one, a row each, and the picture."""

from __future__ import annotations

from typing import Any

from components.evaluation.slices import SliceMetrics
from components.report_gen.render import environment
from components.report_gen.report import DataFacts, Report
from components.report_gen.sections import data
from components.report_gen.style_words import style_lines, style_sentence

STYLES = [
    {"style": "1", "films": 1000, "NORMAL": 620, "PNEUMONIA": 380},
    {"style": "2", "films": 1200, "NORMAL": 36, "PNEUMONIA": 1164},
    {"style": "3", "films": 10, "NORMAL": 0, "PNEUMONIA": 10},
]


def reached(value: str, tp: int, fp: int, tn: int, fn: int, feature: str = "style") -> SliceMetrics:
    metrics = {
        "true_positives": tp, "false_positives": fp, "true_negatives": tn, "false_negatives": fn,
        "recall": tp / (tp + fn) if tp + fn else 0.0,
        "specificity": tn / (tn + fp) if tn + fp else 0.0,
    }  # fmt: skip
    return SliceMetrics(feature, value, metrics, {"recall": (0.91, 0.99)})


SLICES = [
    reached("", 300, 0, 100, 0, feature="overall"),
    reached("PA", 100, 50, 0, 0, feature="view"),
    reached("1", 50, 3, 90, 7),
    reached("2", 203, 4, 2, 3),
    reached("3", 8, 0, 0, 0),
]


def test_a_style_is_told_in_a_sentence() -> None:
    assert style_sentence(SLICES[3]) == (
        "style 2: 212 films, 97 % pneumonia; of its 6 normals 4 are called pneumonia; of its 206 "
        "pneumonias 3 are called normal"
    )
    assert style_sentence(SLICES[4]) == (
        "style 3: 8 films, 100 % pneumonia; of its 8 pneumonias 0 are called normal"
    )


def test_the_terminal_is_told_how_many_and_which_is_worst() -> None:
    found, agreed, worst = style_lines(STYLES, 0.7034, SLICES)
    assert found == (
        "3 styles of acquisition, by what lies around the lungs; pneumonia: 38 %, 97 %, 100 %"
    )
    assert agreed == (
        "halves of the films that each find 3 styles agree at 0.70 (adjusted Rand index: 1 is the "
        "same styles, 0 is chance)"
    )
    assert worst.endswith(f"normal ones fare worst: {style_sentence(SLICES[3])}")


def test_of_one_style_it_is_said_that_halves_cannot_agree() -> None:
    (one,) = style_lines(STYLES[:1], None, SLICES)
    assert one.startswith("one style of acquisition, as the films are few, or alike, or halves")
    assert one.endswith("how far halves agree on one is not defined")
    assert list(style_lines([], None, [])) == []


def test_an_ingest_of_before_tells_no_agreement() -> None:
    (found,) = style_lines(STYLES, None, SLICES[:1])
    assert found.startswith("3 styles")


def styles_on_page(
    styles: list[dict[str, Any]],
    slices: list[SliceMetrics],
    png: bytes,
    agreement: float | None = None,
) -> str:
    ingest: dict[str, Any] = {"images": {}, "styles": styles, "style_agreement": agreement}
    facts = DataFacts(ingest=ingest, styles_picture=png)
    report = Report(data=facts, slices=tuple(slices))
    page = environment().get_template("data.html.j2").render(report=report, **data(report))
    return page.partition("Styles of acquisition</h3>")[2].replace("\n", "")


def test_the_page_has_a_row_a_style_and_the_picture() -> None:
    page = styles_on_page(STYLES, SLICES, b"\x89PNG")
    rows = page.split("<tr>")[2:]
    assert len(rows) == 3
    assert "<td>1000</td><td>620</td><td>380</td><td>38.0 %</td>" in rows[0]
    assert f"<td>{203 / 206:.3f}<small>0.910-0.990</small></td>" in rows[1]
    assert f"<td>{2 / 6:.3f}</td>" in rows[1]
    assert "<td>-</td>" in rows[2] and "0.000" not in rows[2]  # no normal film, no specificity
    assert "data:image/png;base64,iVBORw==" in page
    assert 'alt="Films nearest to the centre of each style, a row a style from 1 to 3, ' in page
    assert "<img" not in styles_on_page(STYLES, SLICES, b"")
    assert styles_on_page([], SLICES, b"\x89PNG") == ""


def test_the_page_says_how_far_halves_agree() -> None:
    page = styles_on_page(STYLES, SLICES, b"", 0.8125)
    assert page.index("find 3 styles agree at 0.81 (adjusted") < page.index("<table>")
    assert "is not defined" not in page
    one = styles_on_page(STYLES[:1], SLICES, b"")
    assert "agree on one is not defined" in one and "agree at" not in one


def test_a_style_without_test_films_has_no_rates() -> None:
    row = styles_on_page(STYLES[2:], [], b"").split("<tr>")[2]
    assert row.count("<td>-</td>") == 2
