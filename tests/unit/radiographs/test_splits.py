"""Splits keep patients apart, classes in proportion, and given splits where they can."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from radiographs.decoding import sha256_of
from radiographs.errors import DataError
from radiographs.films import EVAL, LABELS, NORMAL, PNEUMONIA, SPLITS, TEST, TRAIN, Film
from radiographs.layouts import read_films
from radiographs.options import IngestOptions
from radiographs.splits import SplitPlan, assign_splits

KERMANY = Path(__file__).parents[4] / "shared" / "data" / "kermany224"


def film(name: str, label: str, patient: str, split: str = "", subtype: str = "") -> Film:
    subtype = subtype or ("none" if label == NORMAL else "unknown")
    return Film(f"{label}/{name}.png", label, subtype, patient, given_split=split)


def cohort(patients: int, split: str = "", prefix: str = "", seed: int = 0) -> list[Film]:
    """Draws patients of each class with one to nine films each."""
    rng = random.Random(seed)
    return [
        film(f"{prefix}{patient}-{index}", label, f"{prefix}{label}{patient}", split)
        for label in LABELS
        for patient in range(patients)
        for index in range(rng.choice((1, 1, 2, 3, 9)))
    ]


def splits_of_patients(films: Sequence[Film], plan: SplitPlan) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = defaultdict(set)
    for one in films:
        splits[one.patient_id].add(plan.split_of[one.path])
    return splits


def shares(films: Sequence[Film], plan: SplitPlan, label: str) -> dict[str, float]:
    chosen = [plan.split_of[one.path] for one in films if one.label == label]
    return {split: chosen.count(split) / len(chosen) for split in SPLITS}


def assert_sound(films: Sequence[Film], plan: SplitPlan) -> None:
    """Every film has a split, no patient two, and no split lacks a class."""
    assert set(plan.split_of) == {one.path for one in films}
    assert all(len(splits) == 1 for splits in splits_of_patients(films, plan).values())
    present = {(plan.split_of[one.path], one.label) for one in films}
    assert present == {(split, label) for split in SPLITS for label in LABELS}


class TestCarving:
    def test_fractions_hold_for_each_class(self) -> None:
        films = cohort(200)
        plan = assign_splits(films, IngestOptions(eval_fraction=0.1, test_fraction=0.25))
        assert_sound(films, plan)
        assert plan.carved == (EVAL, TEST)
        for label in LABELS:
            share = shares(films, plan, label)
            assert share[EVAL] == pytest.approx(0.1, abs=0.02)
            assert share[TEST] == pytest.approx(0.25, abs=0.02)

    def test_fractions_hold_for_a_rare_subtype(self) -> None:
        films = cohort(100) + [
            film(f"rare{i}", PNEUMONIA, f"rare{i}", subtype="fungal") for i in range(40)
        ]
        plan = assign_splits(films, IngestOptions())
        chosen = Counter(plan.split_of[one.path] for one in films if one.subtype == "fungal")
        assert chosen == {TRAIN: 28, EVAL: 6, TEST: 6}

    def test_subtypes_of_a_single_patient_each_still_fill_the_splits(self) -> None:
        films = [
            film(str(i), label, f"{label}{i}", subtype=f"kind {i}")
            for label in LABELS
            for i in range(100)
        ]
        plan = assign_splits(films, IngestOptions())
        assert shares(films, plan, PNEUMONIA) == {TRAIN: 0.7, EVAL: 0.15, TEST: 0.15}

    def test_order_of_the_films_does_not_matter(self) -> None:
        films = cohort(60)
        shuffled = random.Random(1).sample(films, len(films))
        identical = [(films[0].path, films[-1].path), (films[3].path, films[40].path)]
        plan = assign_splits(films, IngestOptions(), identical)
        again = assign_splits(shuffled, IngestOptions(), [pair[::-1] for pair in identical[::-1]])
        assert again.split_of == plan.split_of
        assert again.notes == plan.notes

    def test_the_seed_decides(self) -> None:
        films = cohort(60)
        plans = [assign_splits(films, IngestOptions(seed=seed)).split_of for seed in (0, 0, 1)]
        assert plans[0] == plans[1] != plans[2]

    def test_new_films_leave_most_patients_where_they_were(self) -> None:
        films = cohort(200)
        before = assign_splits(films, IngestOptions()).split_of
        after = assign_splits(films + cohort(4, prefix="new"), IngestOptions()).split_of
        moved = sum(after[one.path] != before[one.path] for one in films)
        assert moved < 0.05 * len(films)

    @pytest.mark.parametrize("seed", range(30))
    def test_three_patients_of_each_class_are_enough(self, seed: int) -> None:
        films = cohort(3, seed=seed)
        assert_sound(films, assign_splits(films, IngestOptions(seed=seed)))

    @pytest.mark.parametrize("seed", range(30))
    def test_patients_with_films_of_both_classes(self, seed: int) -> None:
        films = [
            film("1", NORMAL, "both1"), film("1", PNEUMONIA, "both1"),
            film("2", NORMAL, "both2"), film("2", PNEUMONIA, "both2"),
            film("3", NORMAL, "c"), film("3", PNEUMONIA, "d"),
        ]  # fmt: skip
        assert_sound(films, assign_splits(films, IngestOptions(seed=seed)))

    def test_too_few_patients(self) -> None:
        films = [film(f"{i}", NORMAL, f"patient{i % 2}") for i in range(50)]
        films += [film(f"{i}", PNEUMONIA, f"other{i}") for i in range(50)]
        with pytest.raises(DataError) as error:
            assign_splits(films, IngestOptions())
        assert str(error.value) == (
            "the NORMAL films come from 2 separate patients, but train, eval and test need at "
            "least 3; add films of more patients, or check data.patient_pattern"
        )


class TestIdenticalFiles:
    def test_patients_that_share_a_file_stay_together_also_by_way_of_others(self) -> None:
        films = cohort(80)
        first = [f"{NORMAL}/{patient}-0.png" for patient in range(40)]
        chain = list(pairwise(first))
        plan = assign_splits(films, IngestOptions(), chain)
        assert_sound(films, plan)
        assert len({plan.split_of[path] for path in first}) == 1
        assert any(note.startswith("40 patients share identical files") for note in plan.notes)

    def test_without_the_hint_they_are_apart(self) -> None:
        films = cohort(80)
        plan = assign_splits(films, IngestOptions())
        assert len({plan.split_of[f"{NORMAL}/{patient}-0.png"] for patient in range(40)}) == 3


class TestGivenSplits:
    def test_test_stays_and_a_small_eval_joins_train(self) -> None:
        films = cohort(90, TRAIN) + cohort(5, EVAL, "v") + cohort(20, TEST, "t")
        plan = assign_splits(films, IngestOptions())
        assert_sound(films, plan)
        assert plan.carved == (EVAL,)
        given_test = {one.path for one in films if one.given_split == TEST}
        assert {path for path, split in plan.split_of.items() if split == TEST} == given_test
        pool = [one for one in films if one.given_split != TEST]
        for label in LABELS:
            assert shares(pool, plan, label)[EVAL] == pytest.approx(0.15, abs=0.02)
        normal, pneumonia = (sum(o.label == name for o in cohort(5)) for name in LABELS)
        assert pneumonia < min(normal, 50)
        assert plan.notes[0].startswith(f"The given eval split has {pneumonia} PNEUMONIA films")

    def test_a_large_enough_eval_stays(self) -> None:
        films = cohort(90, TRAIN) + cohort(5, EVAL, "v")
        plan = assign_splits(films, IngestOptions(min_eval_films_per_class=5))
        assert_sound(films, plan)
        assert plan.carved == (TEST,)
        given_eval = {one.path for one in films if one.given_split == EVAL}
        assert {path for path, split in plan.split_of.items() if split == EVAL} == given_eval

    def test_an_eval_of_one_class_joins_train(self) -> None:
        films = cohort(40) + [film(f"v{i}", NORMAL, f"v{i}", EVAL) for i in range(200)]
        plan = assign_splits(films, IngestOptions())
        assert_sound(films, plan)
        assert any("has 0 PNEUMONIA films" in note for note in plan.notes)

    def test_given_keeps_everything(self) -> None:
        films = cohort(9, TRAIN) + cohort(2, EVAL, "v") + cohort(2, TEST, "t")
        plan = assign_splits(films, IngestOptions(split="given"))
        assert plan.split_of == {one.path: one.given_split for one in films}
        assert plan.carved == ()

    def test_by_patient_ignores_everything(self) -> None:
        given = cohort(20, TEST) + cohort(20, TRAIN, "x")
        bare = cohort(20) + cohort(20, "", "x")
        options = IngestOptions(split="by_patient")
        assert (
            assign_splits(given, options).split_of == assign_splits(bare, IngestOptions()).split_of
        )

    def test_films_without_a_split_are_train(self) -> None:
        films = cohort(9, TRAIN) + cohort(2, EVAL, "v") + cohort(2, TEST, "t") + cohort(3, "", "u")
        plan = assign_splits(films, IngestOptions(split="given"))
        without = [one for one in films if not one.given_split]
        assert {plan.split_of[one.path] for one in without} == {TRAIN}
        assert any(f"given for {len(without)} of {len(films)} films" in n for n in plan.notes)

    def test_patients_also_in_a_given_split_stay_where_they_are(self) -> None:
        films = cohort(90, TRAIN) + cohort(20, TEST, "t")
        both = [film(f"both{i}", NORMAL, f"tNORMAL{i}", TRAIN) for i in range(20)]
        plan = assign_splits(films + both, IngestOptions())
        assert {plan.split_of[one.path] for one in both} == {TRAIN}
        assert any(note.startswith("20 patients of train also") for note in plan.notes)

    @pytest.mark.parametrize(
        ("films", "mode", "sentence"),
        [
            (
                cohort(9, TRAIN) + cohort(9, EVAL, "v"),
                "given",
                "the test split has no NORMAL films; add some, or set data.split=auto to carve",
            ),
            (
                [*cohort(9, TRAIN), film("t", NORMAL, "t", TEST)],
                "auto",
                "the test split has no PNEUMONIA films; add some, or set data.split=by_patient",
            ),
            (
                cohort(9, TEST),
                "auto",
                "the NORMAL films come from 0 separate patients outside the given splits, but "
                "train and eval need at least 2",
            ),
            (
                cohort(90, EVAL) + cohort(9, TEST, "t"),
                "auto",
                "the train split has no NORMAL films",
            ),
        ],
    )
    def test_splits_that_cannot_do_their_job(
        self, films: list[Film], mode: str, sentence: str
    ) -> None:
        with pytest.raises(DataError) as error:
            assign_splits(films, IngestOptions(split=mode))
        assert sentence in str(error.value)


def test_kermany() -> None:
    paths = [str(p.relative_to(KERMANY)) for p in KERMANY.rglob("*") if p.is_file()]
    if not paths:
        pytest.skip("needs the radiographs of ../shared/data/kermany224")
    options = IngestOptions()
    films = read_films(paths, lambda path: (KERMANY / path).read_text(), options).films
    same: dict[str, list[str]] = defaultdict(list)
    for one in films:
        same[sha256_of((KERMANY / one.path).read_bytes())].append(one.path)
    plan = assign_splits(films, options, [group for group in same.values() if len(group) > 1])
    assert_sound(films, plan)
    for kind in ("none", "bacteria", "virus"):
        chosen = [plan.split_of[one.path] for one in films if one.subtype == kind]
        for split in (EVAL, TEST):
            assert chosen.count(split) / len(chosen) == pytest.approx(0.15, abs=0.02)
    assert all(len({plan.split_of[path] for path in group}) == 1 for group in same.values())
