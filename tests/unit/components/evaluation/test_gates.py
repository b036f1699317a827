"""What is refused and what the verdicts say, through TFMA's own validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow_model_analysis as tfma

from components.evaluation.comparison import Comparison, comparison_of
from components.evaluation.decisions import COMPARABLE, DECISION
from components.evaluation.gates import read_verdicts
from components.evaluation.slices import OVERALL, load_slices
from components.verdicts import Verdict
from models import features
from pipeline.config import Evaluation
from tests.unit.components.evaluation.tfma_result import BASELINE, evaluate

FILMS = 200  # the first half normal; each site has every fourth film
PER_SITE = FILMS // 8  # of a class
GATES = Evaluation(
    min_auc=0.9, min_recall=0.8, min_specificity=0.7, min_slice_positives=20,
    min_slice_negatives=20, max_auc_drop=0.01, max_recall_drop=0.05, max_specificity_drop=0.04,
)  # fmt: skip
LABELS = np.repeat([0.0, 1.0], FILMS // 2)
SITES = np.array(["a", "b", "c", "d"])[np.arange(FILMS) % 4]


def table(decisions: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Films that are ranked without a fault, whatever is decided of them."""
    films = pd.DataFrame(
        {
            features.LABEL_XF: LABELS,
            features.PROBABILITY: 0.25 + 0.5 * LABELS,
            DECISION: decisions,
            **{name: np.full(FILMS, "all") for name in features.SLICES},
        }
    )
    films[features.SUBTYPE] = np.where(LABELS == 1, "bacteria", "none")
    films[features.SITE] = SITES
    return films.assign(**columns)


def against(decisions: np.ndarray, **columns: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a last blessed model that ranks without a fault."""
    ranked = 0.25 + 0.5 * LABELS
    return {
        BASELINE + features.PROBABILITY: ranked,
        BASELINE + DECISION: decisions,
        **columns,
    }


def wrong(count: int, label: int, site: str = "") -> np.ndarray:
    """Decisions that are right but for so many films of a class, at a site if one is named."""
    chosen = np.flatnonzero((label == LABELS) & ((site == SITES) | (site == "")))[:count]
    decisions = LABELS.copy()
    decisions[chosen] = 1 - label
    return decisions


class Judged:
    """TFMA's word and our reading of it."""

    def __init__(self, films: pd.DataFrame, folder: Path):
        uri = evaluate(films, GATES, folder)
        self.blessed = tfma.load_validation_result(uri).validation_ok
        self.slices = load_slices(uri, {})
        self.verdicts = read_verdicts(uri, self.slices, GATES, {})
        self.comparison = comparison_of(self.slices[0], GATES)

    @property
    def failed(self) -> dict[tuple[str, str], Verdict]:
        return {(one.slice, one.metric): one for one in self.verdicts if not one.passed}

    def verdict(self, name: str, metric: str) -> Verdict:
        (found,) = [one for one in self.verdicts if (one.slice, one.metric) == (name, metric)]
        return found


@pytest.fixture(scope="module", name="judge")
def make_judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[pd.DataFrame], Judged]:
    return lambda films: Judged(films, tmp_path_factory.mktemp("evaluation"))


def everywhere(metric: str, *subtypes: str) -> set[tuple[str, str]]:
    """A metric overall and in every slice; of the subtypes those that have the class."""
    slices = (
        "view=all",
        "sex=all",
        "age_band=all",
        "style=all",
        *(f"site={site}" for site in "abcd"),
    )
    return {(name, metric) for name in (OVERALL, *slices, *subtypes)}


class TestFloors:
    def test_a_model_that_finds_pneumonia_everywhere_is_refused(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        judged = judge(table(np.ones(FILMS)))
        assert not judged.blessed
        assert judged.failed.keys() == everywhere("specificity", "subtype=none")
        assert judged.failed["site=b", "specificity"] == Verdict(
            "site=b", "specificity", 0.0, 0.7, False,
            "specificity on site=b is 0.0000, 0.7000 below the floor of 0.7000",
        )  # fmt: skip
        assert judged.verdict(OVERALL, "AUC").value == 1
        assert judged.verdict(OVERALL, "recall").value == 1
        assert judged.comparison is None

    def test_a_model_that_finds_it_nowhere_is_refused(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        judged = judge(table(np.zeros(FILMS)))
        assert not judged.blessed
        assert judged.failed.keys() == everywhere("recall", "subtype=bacteria")

    def test_one_slice_refuses_and_only_of_the_classes_it_has(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        judged = judge(table(wrong(8, label=0, site="c")))
        assert not judged.blessed
        ((key, verdict),) = judged.failed.items()
        assert key == ("site=c", "specificity")
        assert verdict.value == pytest.approx(1 - 8 / PER_SITE)
        assert (verdict.bound, verdict.passed) == (pytest.approx(0.7), False)
        assert judged.verdicts[0] is verdict
        overall = judged.verdict(OVERALL, "specificity")
        assert overall.value == pytest.approx(0.92)
        assert overall.why == "specificity on overall is 0.9200, the floor is 0.7000"
        assert judged.verdict("subtype=bacteria", "specificity").why == (
            "specificity on subtype=bacteria cannot decide, it has 0 normal films where it takes 20"
        )
        assert judged.verdict("subtype=none", "recall").why == (
            "recall on subtype=none cannot decide, it has 0 pneumonia films where it takes 20"
        )
        asked = {(one.slice, one.metric) for one in judged.verdicts}
        both = ("subtype=none", "subtype=bacteria")
        assert asked == (
            {(OVERALL, "AUC")} | everywhere("recall", *both) | everywhere("specificity", *both)
        )

    def test_a_slice_decides_from_the_films_that_it_takes(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        # Twenty films of each class are of view AP, nineteen of sex F; all of them are missed.
        number = np.arange(FILMS) % (FILMS // 2)
        view = np.where(number < 20, "AP", "PA")
        sex = np.where(number < 19, "F", "M")
        decisions = np.where(number < 20, 1 - LABELS, LABELS)
        judged = judge(table(decisions, view=view, sex=sex))
        failed = judged.failed.keys()
        assert {("view=AP", "recall"), ("view=AP", "specificity")} <= failed
        assert {name for name, _ in failed}.isdisjoint({"sex=F", OVERALL})

    def test_a_slice_without_films_and_a_class_without_are_said(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        films = table(LABELS.copy()).drop(columns=features.VIEW)
        judged = judge(films[films[features.LABEL_XF] == 1])
        assert not judged.blessed
        assert judged.failed["view", "slice"] == Verdict(
            "view", "slice", 0, 0, False, "no test film has view"
        )
        undefined = judged.failed[OVERALL, "specificity"]
        assert math.isnan(undefined.value)
        assert undefined.why == (
            "specificity on overall is not defined, since a class has no film; add some"
        )


class TestChanges:
    def test_a_model_that_is_worse_in_specificity_alone_is_refused(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        # By 6 of 100 normal films, all of them at site d.
        judged = judge(table(wrong(7, label=0, site="d"), **against(wrong(1, label=0, site="d"))))
        assert not judged.blessed
        assert judged.failed.keys() == {
            (name, "specificity change")
            for name in (
                OVERALL, "site=d", "subtype=none", "view=all", "sex=all", "age_band=all",
                "style=all",
            )
        }  # fmt: skip
        fell = judged.failed[OVERALL, "specificity change"]
        assert (fell.value, fell.bound) == (pytest.approx(-0.06), pytest.approx(-0.04))
        assert fell.why == (
            "specificity on overall fell by 0.0600 against the last blessed model, a fall of "
            "0.0400 is allowed"
        )
        assert judged.verdict(OVERALL, "AUC change").value == 0
        assert judged.verdict("site=a", "specificity change").why == (
            "specificity on site=a rose by 0.0000 against the last blessed model, a fall of "
            "0.0400 is allowed"
        )
        assert judged.comparison == Comparison(
            200, 200, True,
            "compared with the last blessed model on 200 of 200 test films, those that are new to "
            "it",
        )  # fmt: skip

    def test_a_model_that_is_worse_in_recall_or_ranking_is_refused(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        ranked = 0.25 + 0.5 * LABELS
        ranked[:3] = 0.9  # each normal film above all pneumonias takes 0.01 from the AUC
        decisions = wrong(6, label=1)
        judged = judge(table(decisions, probability=ranked, **against(LABELS.copy())))
        assert not judged.blessed
        assert (OVERALL, "AUC change") in judged.failed
        assert judged.failed[OVERALL, "AUC change"].value == pytest.approx(-0.03, abs=1e-3)
        assert judged.failed[OVERALL, "recall change"].value == pytest.approx(-0.06)
        assert (OVERALL, "specificity change") not in judged.failed

    def test_what_the_baseline_was_trained_on_does_not_count(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        # It makes no mistake on what it has seen, and as many as the candidate on what it has not.
        new = (np.arange(FILMS) % 2).astype(float)
        mistakes = np.arange(FILMS) % (FILMS // 2) < 16
        candidate = np.where(mistakes, 1 - LABELS, LABELS)
        baseline = np.where(mistakes & (new == 1), 1 - LABELS, LABELS)
        judged = judge(table(candidate, **against(baseline, **{COMPARABLE: new})))
        assert judged.blessed
        assert judged.failed == {}
        for metric in ("recall change", "specificity change"):
            assert judged.verdict(OVERALL, metric).value == 0
        assert judged.comparison is not None
        assert (judged.comparison.films, judged.comparison.comparable) == (200, 100)
        assert judged.comparison.fair
        assert judged.comparison.why.startswith(
            "compared with the last blessed model on 100 of 200 test films, "
        )
        # Site b has its 25 films of a class all new, site a none.
        assert judged.verdict("site=b", "recall change").value == 0
        unknown = judged.verdict("site=a", "recall change")
        assert math.isnan(unknown.value)
        assert unknown.why == (
            "recall on site=a is not compared with the last blessed model: known to be new to that "
            "are 0 pneumonia films where it takes 20"
        )

    def test_without_enough_films_that_are_new_nothing_is_compared(
        self, judge: Callable[[pd.DataFrame], Judged]
    ) -> None:
        # Of each class 19 films are new, on which the candidate is wrong.
        new = (np.arange(FILMS) % (FILMS // 2) < 19).astype(float)
        candidate = np.where(new == 1, 1 - LABELS, LABELS)
        probability = np.where(new == 1, 0.75 - 0.5 * LABELS, 0.25 + 0.5 * LABELS)
        # By floors it would not pass; they are not the question.
        columns = against(LABELS.copy(), **{COMPARABLE: new}, probability=probability)
        judged = judge(table(candidate, **columns))
        assert not [key for key in judged.failed if key[1].endswith("change")]
        assert judged.comparison is not None
        assert not judged.comparison.fair
        assert judged.comparison.why == (
            "no fair comparison with the last blessed model is possible: 38 of 200 test films are "
            "known to be new to it, 19 with pneumonia and 19 normal, where it takes 20 and 20; "
            "keep data.seed and data.split to compare"
        )
        assert judged.verdict(OVERALL, "AUC change").why == (
            "AUC on overall is not compared with the last blessed model: known to be new to that "
            "are 19 pneumonia films where it takes 20 and 19 normal films where it takes 20"
        )
