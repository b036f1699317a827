"""No film is judged by films of its own patient, in whatever way they are the same."""

from __future__ import annotations

import numpy as np
import pytest

from components.label_auditor import out_of_fold as module
from components.label_auditor.out_of_fold import LEAST_PATIENTS, groups_of, out_of_fold, too_few

PATIENTS, FILMS_EACH, CLASSES = 80, 3, 2


def unlearnable() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Films that tell the patient and nothing else, and classes by chance for each patient."""
    random = np.random.default_rng(5)
    patients = np.repeat(np.arange(PATIENTS), FILMS_EACH)
    films = random.normal(size=(PATIENTS, 40))[patients] + random.normal(
        size=(len(patients), 40), scale=0.01
    )
    return films, random.integers(CLASSES, size=PATIENTS)[patients], patients


def test_what_is_shared_joins_films_also_through_others() -> None:
    shared = [
        [("patient", "a"), ("bytes", "1")],
        [("patient", "b"), ("bytes", "1")],
        [("patient", "b"), ("bytes", "2")],
        [("patient", "c"), ("bytes", "b")],
        [],
    ]
    groups = groups_of(shared)
    assert groups[0] == groups[1] == groups[2]
    assert len({groups[0], groups[3], groups[4]}) == 3


def test_films_of_the_same_patient_do_not_help() -> None:
    films, classes, patients = unlearnable()
    judged = out_of_fold(films, classes, patients, folds=5)
    right = np.mean(judged.argmax(axis=1) == classes)
    assert abs(right - 0.5) < 0.25
    # With every film a patient of its own, its likes give it away.
    alone = out_of_fold(films, classes, np.arange(len(classes)), folds=5)
    assert np.mean(alone.argmax(axis=1) == classes) > 0.95


def test_every_film_is_judged_by_all_classes_and_the_same_again() -> None:
    films, classes, patients = unlearnable()
    classes = patients % 3
    judged = out_of_fold(films, classes, patients, folds=4)
    assert judged.shape == (len(films), 3)
    assert judged.sum(axis=1) == pytest.approx(np.ones(len(films)), abs=1e-5)
    np.testing.assert_array_equal(judged, out_of_fold(films, classes, patients, folds=4))


def test_a_large_set_is_judged_in_parts_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    classes = np.repeat([0, 1], 150)
    films = random.normal(size=(300, 10)) + 3 * classes[:, None]
    whole = out_of_fold(films, classes, np.arange(300), folds=3)
    monkeypatch.setattr(module, "_FILMS_AT_ONCE", 7)
    np.testing.assert_allclose(out_of_fold(films, classes, np.arange(300), 3), whole, atol=1e-4)
    monkeypatch.setattr(module, "_FITTED_FILMS", 60)
    sampled = out_of_fold(films, classes, np.arange(300), folds=3)
    assert not np.array_equal(sampled, whole)
    assert np.mean(sampled.argmax(axis=1) == classes) > 0.97


def test_films_that_are_all_alike_are_judged_by_the_share_of_classes() -> None:
    judged = out_of_fold(np.ones((60, 8)), np.repeat([0, 1], [20, 40]), np.arange(60), folds=5)
    assert judged[:, 1] == pytest.approx(np.full(60, 2 / 3), abs=0.05)


def test_a_class_needs_patients_not_films() -> None:
    classes = np.repeat([0, 1], 40)
    many = np.arange(80)
    one_patient = np.where(classes == 1, 99, many)
    just_enough = np.where(classes == 1, many % LEAST_PATIENTS + 100, many)
    assert too_few(classes, many, 2) == []
    assert too_few(classes, one_patient, 2) == [1]
    assert too_few(classes, just_enough, 2) == []
    assert too_few(classes, np.where(just_enough == 100, 101, just_enough), 2) == [1]
    assert too_few(classes, many, 3) == [2]
    assert too_few(np.zeros(0, np.int64), np.zeros(0, np.int64), 2) == [0, 1]
