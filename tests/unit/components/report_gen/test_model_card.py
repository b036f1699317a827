"""The model card, as another reader of Markdown sees it than the one that the page uses."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import mistune
import pytest
from sklearn import metrics

from components.report_gen.checklist import FOR_A_PERSON, ITEMS, answered
from components.report_gen.environment import markdown_text
from components.report_gen.model_card import card_page, model_card
from components.report_gen.report import Report
from components.verdicts import Verdict
from tests.unit.components.report_gen.small_run import HOSTILE, THRESHOLD, draw_predictions

TITLES = (
    "Model", "Intended use", "Out of scope", "Data", "Metrics", "Slices", "Limits",
    "Ethical considerations", "How to call the model", "Checklist",
)  # fmt: skip
HOSTILE_NAMES = (
    HOSTILE,
    "[films](https://example.org)",
    "![x](x.png)",
    "a | b | c",
    "`code` **bold** _it_ ~~no~~ $x$",
    "# title",
    "- item",
    "1. item",
    "--- rule",
    "a\n\n# title\n\n- item",
    "a\\| b",
    "<!-- x -->",
    "https://example.org/a_b_c",
    "&lt;b&gt;",
    "[ref]: /x",
)
PLUGINS = ["table", "strikethrough", "url", "footnotes", "task_lists"]


def read(card: str) -> list[dict[str, Any]]:
    tokens = mistune.create_markdown(renderer=None, plugins=PLUGINS)(card)
    assert isinstance(tokens, list)
    return tokens


def text_of(token: dict[str, Any]) -> str:
    own = token.get("raw", " " if token["type"] == "softbreak" else "")
    return html.unescape(own) + "".join(text_of(one) for one in token.get("children", []))


def kinds_of(tokens: list[dict[str, Any]]) -> set[str]:
    found = {token["type"] for token in tokens}
    return found.union(*(kinds_of(token.get("children", [])) for token in tokens))


def tables(card: str) -> list[list[list[str]]]:
    """Returns the cells of every table, its head first."""
    found = []
    for token in read(card):
        if token["type"] == "table":
            head, body = token["children"]
            rows = [head, *body["children"]]
            found.append([[text_of(cell) for cell in row["children"]] for row in rows])
    return found


@pytest.fixture(scope="module", name="card")
def write_card(report: Report) -> str:
    """Of the small run."""
    return model_card(report)


def test_its_sections_are_in_order(card: str) -> None:
    titles = [text_of(one) for one in read(card) if one["type"] == "heading"]
    assert titles == ["Model card: chest X-ray pneumonia model", *TITLES]
    assert "not a medical device" in card
    assert "\n\n\n" not in card


def test_metrics_are_scikit_learns(card: str) -> None:
    films = draw_predictions().dropna(subset="probability")
    truth, score = films["label"] == "PNEUMONIA", films["probability"]
    called = score >= THRESHOLD
    shown = {row[0]: row[1:] for row in tables(card)[1]}
    expected = {
        "sensitivity": metrics.recall_score(truth, called),
        "specificity": metrics.recall_score(~truth, ~called),
        "precision": metrics.precision_score(truth, called),
        "Brier score": metrics.brier_score_loss(truth, score),
    }
    for title, value in expected.items():
        assert float(shown[title][0]) == pytest.approx(value, abs=6e-4), title
        low, high = map(float, shown[title][1].split("-"))
        assert low < value < high
    assert float(shown["AUC"][0]) == pytest.approx(metrics.roc_auc_score(truth, score), abs=0.01)


def test_slices_and_limits_are_those_of_the_run(card: str, report: Report) -> None:
    head, *rows = tables(card)[2]
    assert len(head) == 6
    assert [row[0] for row in rows] == [one.name for one in report.slices[1:]]
    assert "AUC of controls that see no lungs: outer frame 0.600" in card
    assert "AUC with lungs and frames swapped" in card
    assert "other site (117 films)" in card


def test_counts_by_split_are_those_of_ingest_and_statistics(card: str) -> None:
    assert tables(card)[0][1:] == [
        ["train", "400", "200", "4", "6"],
        ["eval", "80", "40", "4", "6"],
        ["test", "120", "50", "4", "6"],
    ]


def test_the_reason_to_overrule_a_gate_is_a_limit(report: Report) -> None:
    overruled = Verdict("external", "AUC", 0.5, 0.7, True, "AUC is 0.5", accepted=HOSTILE)
    outcome = replace(report.outcome, accepted_blind_test="we *know*")
    card = model_card(replace(report, verdicts=(overruled,), outcome=outcome))
    text = " ".join(text_of(one) for one in read(card))
    assert f"A gate was overruled: AUC is 0.5 The user's reason: {HOSTILE}" in text
    assert "The user's reason to accept a test that is blind to shortcuts: we *know*" in text
    assert "Gates passed: 0 of 1" in text


def test_the_licence_is_the_one_beside_the_films_or_for_a_person(report: Report) -> None:
    assert f"Licence and attribution: {FOR_A_PERSON}" in model_card(report)
    ingest = {**report.data.ingest, "licence": f"CC BY 4.0\n\n# by {HOSTILE}"}
    card = model_card(replace(report, data=replace(report.data, ingest=ingest)))
    text = " ".join(text_of(one) for one in read(card))
    assert f"Licence and attribution: CC BY 4.0 # by {HOSTILE}" in text
    assert kinds_of(read(card)).isdisjoint({"block_html", "inline_html", "link", "image"})


def test_it_says_whether_the_network_is_told_more_than_the_film(report: Report, card: str) -> None:
    record = {**report.training.record, "hyperparameters": {"network": {"clinical": True}}}
    told = replace(report, training=replace(report.training, record=record))
    sentence = "Told age, sex and view beside the film, where they are known."
    assert sentence in model_card(told)
    assert sentence not in card


def test_it_says_what_marked_lesions_are_where_the_model_marks_them(
    report: Report, card: str
) -> None:
    record = {**report.training.record, "hyperparameters": {"network": {"segmentation": True}}}
    marks = model_card(replace(report, training=replace(report.training, record=record)))
    for sentence in ("it is no measure of extent or course", "and the marked lesions."):
        assert sentence in marks
        assert sentence not in card
    assert len(tables(marks)) == len(tables(card))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_text_in_markdown(report: Report, name: str) -> None:
    plain = kinds_of(read(model_card(report)))
    slices = tuple(
        replace(one, value=name) if one.feature == "site" else one for one in report.slices
    )
    ingest = {**report.data.ingest, "notes": [name, f"column {name}"], "licence": name}
    changed = replace(report, slices=slices, data=replace(report.data, ingest=ingest))
    card = model_card(changed)
    assert kinds_of(read(card)) == plain
    assert not any(kind.endswith("html") or kind in ("link", "image") for kind in plain)
    expected = " ".join(name.split())
    head, *rows = tables(card)[2]
    assert {len(row) for row in rows} == {len(head)}
    assert sum(row[0] == f"site={expected}" for row in rows) == 2
    notes = [
        text_of(item) for one in read(card) if one["type"] == "list" for item in one["children"]
    ]
    assert expected in notes
    assert f"Licence and attribution: {expected}" in notes


@pytest.mark.parametrize("name", ["0.902", "0.1-0.2", "-", "12", "film (1).png", "a.b, c: d"])
def test_what_needs_no_escaping_is_left_alone(name: str) -> None:
    assert markdown_text(name) == name


def test_the_checklist_has_every_item_of_claim_and_tripod(report: Report) -> None:
    claim = [int(item.claim) for item in ITEMS if item.claim]
    assert claim == list(range(1, 43))
    tripod = {
        int(re.match(r"\d+", one.strip())[0])  # type: ignore[index]
        for item in ITEMS
        for one in item.tripod.split(",")
    }
    assert tripod == set(range(1, 28))
    rows = tables(model_card(report))[3][1:]
    assert len(rows) == len(ITEMS)
    assert all(row[3] for row in rows)


def test_the_checklist_says_what_the_run_knows_and_leaves_the_rest(report: Report) -> None:
    answers = {item.claim: answer for item, answer in answered(report) if item.claim}
    assert answers["32"] == "117 films of 46 patients"
    assert answers["30"] == "1 acquisition changes: blur"
    assert answers["42"] == answers["14"] == FOR_A_PERSON
    empty = {item.claim: answer for item, answer in answered(Report()) if item.claim}
    assert {empty[number] for number in ("7", "19", "22", "28", "32", "37")} == {FOR_A_PERSON}


def test_all_that_a_whole_run_can_answer_it_answers(report: Report) -> None:
    told = {item.asks: answer for item, answer in answered(report) if item.answer}
    assert [asks for asks, answer in told.items() if answer == FOR_A_PERSON] == []
    assert told["class imbalance"] == "train.imbalance=class_weights"


@pytest.mark.parametrize(
    ("pseudonyms", "told"),
    [(True, "patients are pseudonyms"), (False, "no key of pseudonyms was set"), (None, "")],
)
def test_the_card_says_what_patients_are_called_by(
    report: Report, pseudonyms: bool | None, told: str
) -> None:
    ingest = {**report.data.ingest, "pseudonyms": pseudonyms}
    changed = replace(report, data=replace(report.data, ingest=ingest))
    card = " ".join(text_of(one) for one in read(model_card(changed)))
    (answer,) = (answer for item, answer in answered(changed) if item.claim == "12")
    assert told in card
    assert told in answer if told else answer == FOR_A_PERSON
    assert ("pseudonyms (HMAC" in card) == (pseudonyms is True)


@pytest.mark.parametrize(
    ("members", "flipped", "said"),
    [
        (3, True, "the mean logit of 3 networks, asked with the mirror image too"),
        (1, True, "one network, asked with the mirror image too"),
        (None, False, "one network"),  # of an earlier version
    ],
)
def test_the_checklist_says_of_how_many_networks_a_model_is(
    report: Report, members: int | None, flipped: bool, said: str
) -> None:
    train = {} if members is None else {"members": members}
    settings = {"train": train, "network": {"flip_average": flipped}}
    training = replace(report.training, record={"hyperparameters": settings})
    answers = {item.claim: answer for item, answer in answered(replace(report, training=training))}
    assert answers["27"] == said


def test_a_run_that_stopped_early_has_a_card(report: Report) -> None:
    card = model_card(replace(Report(), absent=("There is no trace of the audit.",)))
    assert "The model was not evaluated." in card
    assert "There is no trace of the audit." in card
    assert [text_of(one) for one in read(card) if one["type"] == "heading"][1:] == list(TITLES)


def test_an_audit_of_an_earlier_version_keeps_no_model_back(report: Report) -> None:
    card = model_card(replace(report, audit={"controls": [{"name": HOSTILE}]}))
    assert "lacks what the card needs" in card
    assert HOSTILE not in card


def test_the_page_has_the_same_words(card: str) -> None:
    page = str(card_page(card))
    assert HOSTILE not in page
    assert "<h1" not in page and "<h2" not in page
    shown = " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())
    for row in tables(card)[3]:
        assert " ".join(" ".join(row).split()) in shown
