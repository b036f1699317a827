"""Two drawn runs side by side: counts, films and settings, worked out with pandas."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from components.report_gen.performance import performance_of
from components.report_gen.render import compare_page
from components.report_gen.report import Report, RunFacts
from components.report_gen.two_runs import TwoRuns, compare
from tests.unit.components.report_gen.small_run import HOSTILE, THRESHOLD, draw_predictions

LEFT_OUT, RELABELLED = 10, 2  # films of the first run that the second lacks or labels otherwise


def later_predictions() -> pd.DataFrame:
    """Of a second run: other scores, a hundred films in another order, two with another label."""
    films = draw_predictions().iloc[LEFT_OUT:].sample(frac=1, random_state=1)
    films["probability"] = (films["probability"] * 0.6 + 0.3).round(6)
    called = np.where(films["probability"] >= THRESHOLD, "PNEUMONIA", "NORMAL")
    films["predicted_label"] = np.where(films["probability"].isna(), "", called)
    other = {"NORMAL": "PNEUMONIA", "PNEUMONIA": "NORMAL"}
    places = films.index[films["probability"].notna()][:RELABELLED]
    films.loc[places, "label"] = films.loc[places, "label"].map(other)
    return films


def joined() -> pd.DataFrame:
    """Films that both runs judged and label alike."""
    both = draw_predictions().merge(later_predictions(), on="sha256", suffixes=("", "_after"))
    both = both.dropna(subset=["probability", "probability_after"])
    return both[both["label"] == both["label_after"]]


def second(report: Report) -> Report:
    facts = RunFacts("second", configuration={"train.epochs": "5", "same": "1", "new": HOSTILE})
    return replace(report, run=facts, performance=performance_of(later_predictions(), 10))


@pytest.fixture(scope="module", name="both")
def compare_runs(report: Report) -> TwoRuns:
    """The drawn run and the second."""
    facts = RunFacts("first", configuration={"train.epochs": "3", "same": "1"})
    return compare(replace(report, run=facts), second(report), samples=50)


def test_settings_that_differ(both: TwoRuns) -> None:
    assert both.settings == (("new", "", HOSTILE), ("train.epochs", "3", "5"))


def test_films_are_joined_by_their_digest(both: TwoRuns) -> None:
    assert both.common == len(joined())
    assert both.relabelled == RELABELLED
    assert both.tested == (
        draw_predictions()["probability"].notna().sum(),
        later_predictions()["probability"].notna().sum(),
    )


def test_changed_films_are_those_that_are_called_otherwise(both: TwoRuns) -> None:
    films = joined()
    expected = films[films["predicted_label"] != films["predicted_label_after"]]
    assert len(expected) > 5
    assert {one.sha256 for one in both.changed} == set(expected["sha256"])
    rows = expected.set_index("sha256")
    for film in both.changed:
        row = rows.loc[film.sha256]
        assert film.label == row["label"]
        assert film.called == (row["predicted_label"], row["predicted_label_after"])
        assert film.probabilities == pytest.approx((row["probability"], row["probability_after"]))
    moved = [abs(one.probabilities[0] - one.probabilities[1]) for one in both.changed]
    assert moved == sorted(moved, reverse=True)


def test_metrics_are_of_the_common_films(both: TwoRuns) -> None:
    films = joined()
    ill = films[films["label"] == "PNEUMONIA"]
    recall = both.metrics["recall"]
    assert recall.before == pytest.approx((ill["predicted_label"] == "PNEUMONIA").mean())
    assert recall.after == pytest.approx((ill["predicted_label_after"] == "PNEUMONIA").mean())


def test_the_sentence_counts(both: TwoRuns) -> None:
    films = joined()
    changed = films[films["predicted_label"] != films["predicted_label_after"]]
    right = (changed["predicted_label_after"] == changed["label"]).sum()
    assert f"{len(films)} test films are common to both runs" in both.sentence
    assert "2 more have another label in the data of the other run" in both.sentence
    told = f"{len(changed)} are called otherwise: {right} of them rightly now, "
    assert told + f"{len(changed) - right} wrongly." in both.sentence


def test_json_is_what_json_can_hold(both: TwoRuns) -> None:
    told = json.loads(json.dumps(both.to_json(), allow_nan=False))
    assert told["runs"] == ["first", "second"]
    assert told["films"]["common"] == both.common
    assert len(told["changed"]) == len(both.changed)
    assert told["metrics"]["auc"]["change"] == both.metrics["auc"].change


def test_the_page_is_escaped_and_has_heat_where_there_is_some(both: TwoRuns) -> None:
    page = compare_page(both)
    assert HOSTILE not in page
    assert HOSTILE in html.unescape(re.sub("<[^>]+>", " ", page))
    explained = sum(
        one is not None and bool(one.heat) for film in both.changed for one in film.explained
    )
    assert 0 < explained < 2 * len(both.changed)
    assert page.count("<img") == explained
    assert page.count("Not explained in this run.") == 2 * len(both.changed) - explained


def test_a_run_without_an_audit_is_named(report: Report) -> None:
    early = replace(report, performance=None, run=RunFacts("early"))
    with pytest.raises(ValueError, match="Run early has no audit with scored test films"):
        compare(report, early)
    with pytest.raises(ValueError, match="Run early has no audit"):
        compare(early, report)


def test_no_film_in_common_is_said(report: Report) -> None:
    films = draw_predictions().assign(sha256=[f"other{one}" for one in range(120)])
    other = replace(report, run=RunFacts("x"), performance=performance_of(films, 10))
    with pytest.raises(ValueError, match="Run report and Run x have no test film in common"):
        compare(report, other)
