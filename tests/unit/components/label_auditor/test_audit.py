"""Planted wrong labels come first; what cannot be judged is said and never a crash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from components.label_auditor.audit import DOUBTFUL, GIVEN, QUALITY, SUGGESTED, audit_labels
from components.label_auditor.films import RunFilms, groups
from models import features
from models.hyperparameters import Task

FILMS = 120


def facts_of(classes: Sequence[str], patients: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns films as `RunFilms.facts` does; a class is a subtype, `none` for normal ones."""
    numbers = range(len(classes))
    return pd.DataFrame(
        {
            "split": ["train"] * len(classes),
            "sha256": [f"{number:064x}" for number in numbers],
            "patient_id": patients or [f"p{number}" for number in numbers],
            "label": ["NORMAL" if one == "none" else "PNEUMONIA" for one in classes],
            "subtype": list(classes),
            "site": ["s"] * len(classes),
            "style": ["1"] * len(classes),
            "path": [f"{number}.png" for number in numbers],
            "copies": [""] * len(classes),
        }
    )


def described(truth: np.ndarray) -> np.ndarray:
    """Returns descriptions that tell the true class."""
    random = np.random.default_rng(0)
    return (random.normal(size=(len(truth), 12)) + 8 * np.eye(12)[truth]).astype(np.float16)


@pytest.mark.parametrize(("task", "kinds"), [("binary", 2), ("subtype", 3)])
def test_planted_errors_come_first(task: Task, kinds: int) -> None:
    truth = np.arange(FILMS) % kinds
    given, wrong = truth.copy(), [7, 20, 33, 58]
    given[wrong] = (truth[wrong] + 1) % kinds
    audit = audit_labels(facts_of(np.array(features.SUBTYPES)[given]), described(truth), task, 5)
    first = audit.films.head(len(wrong))
    assert sorted(first.index) == wrong
    doubtful = audit.films.index[audit.films[DOUBTFUL]]
    assert len(doubtful) > 0 and set(doubtful) <= set(wrong)
    names = np.array(
        ["NORMAL", "PNEUMONIA"] if task == "binary" else ["NORMAL", "bacteria", "virus"]
    )
    assert first[GIVEN].tolist() == names[given[first.index]].tolist()
    assert first[SUGGESTED].tolist() == names[truth[first.index]].tolist()
    assert audit.films[QUALITY].is_monotonic_increasing
    summary = audit.summary
    assert summary["doubtful"] == len(doubtful)
    assert summary["given"] == dict(zip(names, np.bincount(given).tolist(), strict=True))
    joint = np.array(summary["joint"])
    assert joint.sum(axis=1).tolist() == np.bincount(given).tolist()
    off = joint - np.diag(np.diag(joint))
    assert list(summary["estimated_errors"].values()) == off.sum(axis=1).tolist()
    agreed = audit.films[GIVEN] == audit.films[SUGGESTED]
    assert summary["agreement"] == pytest.approx(agreed.mean())
    assert 1 - 2 * len(wrong) / FILMS <= agreed.mean() <= 1 - len(wrong) / FILMS
    columns = [f"probability_{name.lower()}" for name in names]
    of_given = [first[columns[given[film]]][film] for film in first.index]
    assert first[QUALITY].tolist() == pytest.approx(of_given, abs=1e-5)


@pytest.mark.parametrize(("told", "weak"), [(0.7, True), (0.74, False)])
def test_where_films_do_not_tell_the_classes_no_label_is_doubtful(told: float, weak: bool) -> None:
    """Guessing gets half of the labels wrong; 0.3 of these have to be put right."""
    random = np.random.default_rng(2)
    truth = np.arange(2 * FILMS) % 2
    shown = np.where(random.random(len(truth)) < told, truth, 1 - truth)
    audit = audit_labels(
        facts_of(np.array(features.SUBTYPES)[truth]), described(shown), "binary", 5
    )
    assert audit.summary["weak"] is weak
    skill = (audit.summary["agreement"] - 0.5) / 0.5
    assert (0.2 < skill < 0.3) if weak else (0.3 < skill < 0.5)
    assert audit.summary["guess"] == {"class": "NORMAL", "agreement": 0.5}
    assert audit.films[DOUBTFUL].any() == (audit.summary["doubtful"] > 0) == (not weak)
    assert len(audit.films) == len(truth)


def test_a_subtype_that_nobody_knows_is_left_out() -> None:
    truth = np.arange(FILMS) % 3
    names = np.array(features.SUBTYPES, object)[truth]
    names[[1, 4]] = features.UNKNOWN
    audit = audit_labels(facts_of(names), described(truth), "subtype", 5)
    assert audit.summary["left_out"] == 2
    assert {1, 4}.isdisjoint(audit.films.index)
    binary = audit_labels(facts_of(names), described(truth), "binary", 5)
    assert binary.summary["left_out"] == 0


@pytest.mark.parametrize(
    ("classes", "patients", "said"),
    [
        ([], None, "NORMAL 0, PNEUMONIA 0"),
        (["none"] * 30, None, "PNEUMONIA 0"),
        (["none", "virus"] * 9, None, "NORMAL 9, PNEUMONIA 9"),
        (["none", "virus"] * 40, [f"p{n}" if n % 2 else "one" for n in range(80)], "NORMAL 1"),
    ],
    ids=["no film", "one class", "few patients", "one patient"],
)
def test_too_few_patients_are_said(
    classes: list[str], patients: list[str] | None, said: str
) -> None:
    facts = facts_of(classes, patients)
    audit = audit_labels(facts, described(np.zeros(len(classes), int)), "binary", 5)
    assert audit.summary == {
        "reason": f"too few patients to judge by ({said}; each class needs 10)"
    }
    assert audit.films.empty


@pytest.mark.parametrize("column", ["patient_id", "sha256", "copies"])
def test_patients_bytes_and_pictures_join_films(column: str) -> None:
    facts = facts_of(["none"] * 4)
    facts.loc[[0, 2], column] = "same"
    found = groups(facts)
    assert found[0] == found[2]
    assert len(set(found)) == 3


def test_a_word_that_is_patient_and_picture_joins_nothing() -> None:
    facts = facts_of(["none"] * 2)
    facts.loc[0, "patient_id"] = facts.loc[1, "copies"] = "1"
    assert len(set(groups(facts))) == 2


class TestFacts:
    def films(self, listed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
        import tensorflow as tf

        from components.label_auditor import films as module

        def example(digest: str, label: str, subtype: str) -> tf.train.Example:
            made = tf.train.Example()
            values = {"sha256": digest, "label": label, "subtype": subtype}
            for name in ("sha256", "patient_id", "label", "subtype", "site", "style"):
                made.features.feature[name].bytes_list.value.append(values.get(name, "?").encode())
            return made

        read = {
            "train": [("a", "NORMAL", "none"), ("b", "PNEUMONIA", "virus")],
            "test": [
                ("b", "PNEUMONIA", "bacteria"),
                ("a", "NORMAL", "none"),
                ("c", "NORMAL", "none"),
            ],
        }
        monkeypatch.setattr(
            module, "read_examples", lambda uris: (example(*one) for one in read[uris[0]])
        )
        return RunFilms({split: [split] for split in read}, {}, None, listed).facts()

    def test_a_film_has_the_path_of_its_bytes_and_label(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [
            ("1.png", "a", "NORMAL", "none", ""),
            ("2.png", "a", "NORMAL", "none", "4"),
            ("3.png", "b", "PNEUMONIA", "bacteria", ""),
            ("4.png", "b", "PNEUMONIA", "virus", ""),
        ]
        listed = pd.DataFrame(rows, columns=["path", "sha256", "label", "subtype", "copies"])
        facts = self.films(listed, monkeypatch)
        assert facts["path"].tolist() == ["1.png", "4.png", "3.png", "2.png", ""]
        assert facts["copies"].tolist() == ["", "", "", "4", ""]
        assert facts["split"].tolist() == ["train"] * 2 + ["test"] * 3
