"""The control that sees no film: against scikit-learn, and what it says where nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from components.auditor.controls import compare
from components.auditor.facts_control import FACTS, KnownFacts, facts_control, facts_of, read_facts
from metrics.scores import Scores
from models.clinical import NOTHING_KNOWN
from tests.unit.components.auditor.films import example_of, film_of, write_split

FILMS = 400
SEXES, VIEWS = ("M", "F", "O", "unknown"), ("PA", "AP", "unknown")
FILM = example_of(film_of(0, 100))


def known_as(label: str, age_years: int = -1, sex: str = "unknown", view: str = "unknown") -> bytes:
    """Returns the same film, of which this is known."""
    example = tf.train.Example.FromString(FILM.SerializeToString())
    example.features.feature["age_years"].int64_list.value[:] = [age_years]
    for name, word in (("label", label), ("sex", sex), ("view", view)):
        example.features.feature[name].bytes_list.value[:] = [word.encode()]
    return example.SerializeToString()


def examples(first: int, is_ill: str, films: int = FILMS) -> list[bytes]:
    """Films of one picture, of which only what is known tells the class."""
    rng = np.random.default_rng(first)
    made = []
    for number in range(films):
        age, sex, view = int(rng.integers(0, 100)), SEXES[rng.integers(2)], VIEWS[rng.integers(2)]
        ill = {
            "old": age >= 50,
            "middle": 30 <= age < 70,
            "one view of a sex": (sex == "M") == (view == "PA"),
            "nothing": bool(rng.integers(2)),
            "known at all": number % 2 == 0,
        }[is_ill]
        unknown = is_ill == "known at all" and not ill
        known: dict[str, Any] = {} if unknown else {"age_years": age, "sex": sex, "view": view}
        made.append(known_as("PNEUMONIA" if ill else "NORMAL", **known))
    return made


def facts(first: int, is_ill: str, films: int = FILMS) -> KnownFacts:
    return facts_of(tf.constant(examples(first, is_ill, films)))


@pytest.mark.parametrize(
    ("is_ill", "least", "most"),
    [
        ("old", 0.99, 1),
        ("middle", 0.95, 1),  # a line through the ages would be at 0.5
        ("one view of a sex", 0.99, 1),  # and so would sex and view, each by itself
        ("known at all", 0.99, 1),
        ("nothing", 0.4, 0.6),
    ],
)
def test_what_goes_with_the_class_gives_it_away(is_ill: str, least: float, most: float) -> None:
    train, test = facts(0, is_ill), facts(1, is_ill)
    scores = facts_control(train, test).named[FACTS]
    assert least <= roc_auc_score(test.labels, scores) <= most


def test_its_auc_is_that_of_scikit_learn_on_vectors_of_the_hand() -> None:
    rng = np.random.default_rng(5)
    made, rows = [], []
    for _ in range(200):
        age, sex, view = rng.integers(-20, 140), rng.integers(4), rng.integers(3)
        ill = rng.random() < 1 / (1 + np.exp(-(age - 60) / 15 - (sex == 1)))
        known: dict[str, Any] = {"age_years": int(age), "sex": SEXES[sex], "view": VIEWS[view]}
        label = "PNEUMONIA" if ill else "NORMAL"
        made.append(known_as(label, **known))
        plausible = 0 <= age <= 120
        rows.append(
            [
                age / 120 if plausible else 0, not plausible,
                *(sex == one for one in range(4)), *(view == one for one in range(3)), ill,
            ]
        )  # fmt: skip
    vectors, labels = np.array(rows, float)[:, :9], np.array(rows, bool)[:, 9]
    read = facts_of(tf.constant(made))
    np.testing.assert_allclose(read.vectors, vectors, atol=1e-7)
    np.testing.assert_array_equal(read.labels, labels)
    train, test = slice(0, 120), slice(120, None)
    expanded = PolynomialFeatures(2, include_bias=False).fit_transform(vectors)
    scaler = StandardScaler().fit(expanded[train])
    regression = LogisticRegression(class_weight="balanced", max_iter=1000)
    regression.fit(scaler.transform(expanded[train]), labels[train])
    expected = regression.decision_function(scaler.transform(expanded[test]))
    control = facts_control(
        KnownFacts(read.vectors[train], read.labels[train]),
        KnownFacts(read.vectors[test], read.labels[test]),
    )
    told = labels[test].astype(float)
    model = Scores(np.arange(80), labels[test].astype(int), told, labels[test].astype(int))
    found = compare(FACTS, control.named[FACTS], model, samples=100)
    assert found.auc == pytest.approx(roc_auc_score(labels[test], expected))
    assert found.margin == pytest.approx(1 - found.auc)
    assert found.auc_interval[0] < found.auc < found.auc_interval[1]
    assert 0.7 < found.auc < 1


def test_a_rarer_class_counts_as_much_as_the_other() -> None:
    train = facts(0, "nothing")
    keep = ~train.labels | (np.arange(FILMS) % 8 == 0)
    rare = KnownFacts(train.vectors[keep], train.labels[keep])
    assert np.mean(facts_control(rare, train).named[FACTS]) == pytest.approx(0.5, abs=0.1)


class TestNothingKnown:
    KNOWN = facts(0, "nothing", 20)
    NONE = KnownFacts(np.array([NOTHING_KNOWN] * 20, np.float32), KNOWN.labels)

    @pytest.mark.parametrize(
        ("train", "test", "missing"),
        [
            (NONE, NONE, "of no train film is age, sex or view known"),
            (NONE, KNOWN, "of no train film is age, sex or view known"),
            (KNOWN, NONE, "of no test film is age, sex or view known"),
        ],
    )
    def test_is_said(self, train: KnownFacts, test: KnownFacts, missing: str) -> None:
        control = facts_control(train, test)
        assert (control.missing, dict(control.named)) == (missing, {})

    def test_one_known_film_is_enough_to_go_by(self) -> None:
        vectors = self.NONE.vectors.copy()
        vectors[3] = self.KNOWN.vectors[3]
        control = facts_control(KnownFacts(vectors, self.KNOWN.labels), self.KNOWN)
        assert control.missing == ""
        assert len(control.named[FACTS]) == 20


def test_a_split_is_read_in_its_order(tmp_path: Path) -> None:
    made = examples(0, "nothing", 300)  # more than are read at once
    raw = [tf.train.Example.FromString(one) for one in made]
    read = read_facts([write_split(tmp_path / "Split-test", raw)])
    ages = [one.features.feature["age_years"].int64_list.value[0] for one in raw]
    np.testing.assert_allclose(read.vectors[:, 0] * 120, ages, atol=1e-4)
    words = [one.features.feature["label"].bytes_list.value[0] for one in raw]
    np.testing.assert_array_equal(read.labels, np.array(words) == b"PNEUMONIA")
