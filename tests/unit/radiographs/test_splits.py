"""Splits keep patients apart, classes in proportion, and given splits where they can."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.features import EVAL, LABELS, NORMAL, PNEUMONIA, SPLITS, TEST, TRAIN
from radiographs.acquisition import STATISTICS, acquisition_statistics
from radiographs.decoding import read_film, sha256_of
from radiographs.errors import DataError
from radiographs.films import Film
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
        assert any(note.startswith("40 patients share films") for note in plan.notes)

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


STRESS = IngestOptions(stress_split="test")
INTENSITY = STATISTICS.index("mean intensity")


class Exposures:
    """Statistics of films that differ in mean intensity alone, and the paths asked for."""

    def __init__(self, films: Sequence[Film], dark: set[str], by_class: float = 0.0):
        self.asked: list[str] = []
        self.statistics = {}
        rng = np.random.default_rng(0)
        for one in sorted(films, key=lambda film: film.path):
            values = np.full(len(STATISTICS), 0.5)
            values[INTENSITY] = rng.normal(0.5, 0.01) + by_class * (one.label == PNEUMONIA)
            values[INTENSITY] -= 0.2 * (one.patient_id in dark)
            self.statistics[one.path] = values

    def __call__(self, paths: Sequence[str]) -> dict[str, np.ndarray]:
        self.asked += paths
        return {path: self.statistics[path] for path in paths if path in self.statistics}


@pytest.mark.parametrize(("site_by_site", "concerned"), [(False, 120), (True, 80)])
def test_films_without_a_split_are_counted_where_splits_are_given(
    site_by_site: bool, concerned: int
) -> None:
    films = [
        replace(
            film(f"{site}{i}", label, f"{site}{label}{i}", "test" if i < tested else ""), site=site
        )
        for site, count, tested in (("a", 40, 20), ("b", 20, 0))
        for label in LABELS
        for i in range(count)
    ]
    plan = assign_splits(films, IngestOptions(), site_by_site=site_by_site)
    without = concerned - 40
    assert (
        f"No split is given for {without} of {concerned} films: they count as train." in plan.notes
    )


def films_of(plan: SplitPlan, split: str) -> set[str]:
    return {path for path, name in plan.split_of.items() if name == split}


class TestStress:
    films = tuple(film(f"{i}", label, f"{label}{i}") for label in LABELS for i in range(40))
    dark = frozenset(f"{label}{i}" for label in LABELS for i in range(10, 16))

    def test_the_dark_patients_go_to_test(self) -> None:
        exposures = Exposures(self.films, set(self.dark))
        plan = assign_splits(self.films, STRESS, (), exposures)
        assert_sound(self.films, plan)
        chosen = {one.patient_id for one in self.films if plan.split_of[one.path] == TEST}
        assert chosen == self.dark
        note = plan.notes[-1]
        assert note.startswith("test holds the 12 patients whose films differ most in acquisition")
        inside, outside = (
            np.mean(
                [
                    values[INTENSITY]
                    for path, values in exposures.statistics.items()
                    if (plan.split_of[path] == TEST) == in_test
                ]
            )
            for in_test in (True, False)
        )
        assert note.endswith(f"): mean intensity {inside:.3g} against {outside:.3g} elsewhere.")

    def test_eval_can_be_the_strange_one(self) -> None:
        exposures = Exposures(self.films, set(self.dark))
        plan = assign_splits(self.films, IngestOptions(stress_split="eval"), (), exposures)
        assert {
            one.patient_id for one in self.films if plan.split_of[one.path] == EVAL
        } == self.dark
        assert len(films_of(plan, TEST)) == 12
        assert plan.notes[-1].startswith("eval holds the 12 patients")

    def test_classes_keep_their_shares_though_they_differ_in_acquisition(self) -> None:
        films = cohort(200)
        dark = {f"{PNEUMONIA}{i}" for i in range(60)} | {f"{NORMAL}{i}" for i in range(20)}
        exposures = Exposures(films, dark, by_class=-0.05)
        options = STRESS.model_copy(update={"eval_fraction": 0.1, "test_fraction": 0.25})
        plan = assign_splits(films, options, (), exposures)
        assert_sound(films, plan)
        for label in LABELS:
            share = shares(films, plan, label)
            assert share[EVAL] == pytest.approx(0.1, abs=0.02)
            assert share[TEST] == pytest.approx(0.25, abs=0.02)

    def test_patients_with_identical_files_stay_together(self) -> None:
        first = [f"{NORMAL}/{patient}.png" for patient in range(8, 13)]
        exposures = Exposures(self.films, set(self.dark))
        plan = assign_splits(self.films, STRESS, list(pairwise(first)), exposures)
        assert_sound(self.films, plan)
        assert len({plan.split_of[path] for path in first}) == 1

    def test_order_of_the_films_does_not_matter(self) -> None:
        films = cohort(60)
        exposures = Exposures(films, {f"{NORMAL}{i}" for i in range(9)}, by_class=0.02)
        identical = [(films[0].path, films[-1].path), (films[3].path, films[40].path)]
        shuffled = random.Random(1).sample(films, len(films))
        plan = assign_splits(films, STRESS, identical, exposures)
        again = assign_splits(shuffled, STRESS, [pair[::-1] for pair in identical], exposures)
        assert again.split_of == plan.split_of
        assert again.notes == plan.notes

    def test_the_seed_decides_about_eval_alone(self) -> None:
        exposures = Exposures(self.films, set(self.dark))
        plans = [
            assign_splits(self.films, STRESS.model_copy(update={"seed": seed}), (), exposures)
            for seed in (0, 1)
        ]
        assert films_of(plans[0], TEST) == films_of(plans[1], TEST)
        assert films_of(plans[0], EVAL) != films_of(plans[1], EVAL)

    def test_films_without_statistics_stay_out_of_test(self) -> None:
        exposures = Exposures(self.films, set(self.dark))
        lost = {f"{label}/{i}.png" for label in LABELS for i in (10, 20)}
        for path in lost:
            del exposures.statistics[path]
        plan = assign_splits(self.films, STRESS, (), exposures)
        assert_sound(self.films, plan)
        assert not lost & films_of(plan, TEST)
        assert len(films_of(plan, TEST)) == 12

    def test_a_patient_is_judged_by_the_films_that_have_statistics(self) -> None:
        lost = film("lost", NORMAL, f"{NORMAL}10")
        exposures = Exposures(self.films, set(self.dark))
        plan = assign_splits((*self.films, lost), STRESS, (), exposures)
        assert plan.split_of[lost.path] == plan.split_of[f"{NORMAL}/10.png"] == TEST

    def test_without_any_statistics_the_split_is_random(self) -> None:
        plan = assign_splits(self.films, STRESS, (), lambda paths: {})
        assert plan == assign_splits(self.films, IngestOptions())

    def test_equal_films_are_split_at_random(self) -> None:
        exposures = Exposures(self.films, set())
        for values in exposures.statistics.values():
            values[:] = 0.5
        plan = assign_splits(self.films, STRESS, (), exposures)
        assert_sound(self.films, plan)
        assert plan.notes[-1].endswith("(data.stress_split=test): all films are alike.")

    @pytest.mark.parametrize("seed", range(10))
    def test_three_patients_of_each_class_are_enough(self, seed: int) -> None:
        films = cohort(3, seed=seed)
        assert_sound(films, assign_splits(films, STRESS, (), Exposures(films, {f"{NORMAL}1"})))

    def test_films_are_measured_only_where_test_is_carved(self) -> None:
        given = cohort(60, TRAIN) + cohort(20, TEST, "t")
        exposures = Exposures(given, set())
        plan = assign_splits(given, STRESS, (), exposures)
        assert "data.stress_split=test has no effect: that split is not carved." in plan.notes
        assert plan.split_of == assign_splits(given, IngestOptions()).split_of
        assign_splits(given, IngestOptions(split="by_patient"), (), exposures)
        assert exposures.asked == []

    def test_given_eval_films_are_not_measured(self) -> None:
        films = cohort(60, TRAIN) + cohort(60, EVAL, "v")
        exposures = Exposures(films, {f"{label}{i}" for label in LABELS for i in range(9)})
        plan = assign_splits(films, STRESS, (), exposures)
        assert_sound(films, plan)
        assert plan.carved == (TEST,)
        assert set(exposures.asked) == {one.path for one in films if one.given_split == TRAIN}

    def test_nobody_to_measure_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="needs statistics_of"):
            assign_splits(self.films, STRESS)


def test_kermany_stress_split_is_told_from_train_by_its_acquisition() -> None:
    paths = sorted(str(p.relative_to(KERMANY)) for p in KERMANY.rglob("*") if p.is_file())
    if not paths:
        pytest.skip("needs the radiographs of ../shared/data/kermany224")
    films = read_films(paths, lambda path: (KERMANY / path).read_text(), STRESS).films[::3]
    statistics = {
        one.path: acquisition_statistics(read_film(data, STRESS), len(data))
        for one in films
        for data in [(KERMANY / one.path).read_bytes()]
    }
    values = np.array([statistics[one.path] for one in films])
    patients = [one.patient_id for one in films]
    auc = {}
    for options in (IngestOptions(), STRESS):
        plan = assign_splits(films, options, (), lambda paths: statistics)
        assert_sound(films, plan)
        in_test = np.array([plan.split_of[one.path] == TEST for one in films])
        positive = np.array([one.label == PNEUMONIA for one in films])
        assert positive[in_test].mean() == pytest.approx(positive.mean(), abs=0.01)
        scores = cross_val_predict(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
            values, in_test, groups=patients, cv=StratifiedGroupKFold(5), method="predict_proba",
        )  # fmt: skip
        auc[options.stress_split] = roc_auc_score(in_test, scores[:, 1])
    assert auc["none"] < 0.6
    assert auc["test"] > 0.85


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


def of_sites(sites: dict[str, int], seed: int = 0) -> list[Film]:
    """Draws patients of each site and class, with one to three films each."""
    rng = random.Random(seed)
    return [
        replace(film(f"{site}{patient}-{index}", label, f"{site}/{label}{patient}"), site=site)
        for site, patients in sites.items()
        for label in LABELS
        for patient in range(patients)
        for index in range(rng.choice((1, 1, 3)))
    ]


class TestSites:
    def test_fractions_hold_for_each_site_and_class(self) -> None:
        films = of_sites({"large": 400, "small": 25})
        plan = assign_splits(films, IngestOptions())
        for site in ("large", "small"):
            of_site = [one for one in films if one.site == site]
            for label in LABELS:
                share = shares(of_site, plan, label)
                # A cut falls within a patient of three films, at most, of about 42.
                assert share[EVAL] == pytest.approx(0.15, abs=0.02 if site == "large" else 0.06)
                assert share[TEST] == pytest.approx(0.15, abs=0.02 if site == "large" else 0.06)

    def test_sites_of_few_patients_are_cut_together(self) -> None:
        films = of_sites({str(site): 5 for site in range(40)})
        plan = assign_splits(films, IngestOptions())
        for label in LABELS:
            assert shares(films, plan, label)[TEST] == pytest.approx(0.15, abs=0.02)

    def test_given_splits_are_of_all_sites_unless_each_may_have_its_own(self) -> None:
        given = [replace(one, site="a") for split in SPLITS for one in cohort(60, split, split)]
        films = [*given, *of_sites({"b": 60})]
        as_one = assign_splits(films, IngestOptions())
        assert {as_one.split_of[one.path] for one in films if one.site == "b"} == {TRAIN}
        by_site = assign_splits(films, IngestOptions(), site_by_site=True)
        assert by_site.carved == (EVAL, TEST)
        assert all(by_site.split_of[one.path] == one.given_split for one in given)
        of_b = [one for one in films if one.site == "b"]
        assert shares(of_b, by_site, NORMAL)[TEST] == pytest.approx(0.15, abs=0.03)
        staying = [note for note in by_site.notes if note.startswith("The given")]
        assert len(staying) == 2 and all(f"{len(cohort(60)):,} films of" in one for one in staying)


class TestLasting:
    """Films come in spans; models are trained again and again, and tested on who is new to all."""

    def spans(self, count: int) -> list[list[Film]]:
        """Spans of growing size that share a third of their patients with the span before."""
        return [
            [
                film(f"s{span}-{patient}", label, f"{label}{patient}")
                for label in LABELS
                for patient in range(40 * span, 40 * span + 60 + 10 * span)
            ]
            for span in range(count)
        ]

    @pytest.mark.parametrize("seed", range(3))
    def test_nobody_moves_as_the_window_rolls(self, seed: int) -> None:
        spans = self.spans(6)
        options = IngestOptions(seed=seed)
        of: dict[str, set[str]] = defaultdict(set)
        for last in range(2, 7):
            window = [one for span in spans[max(0, last - 3) : last] for one in span]
            plan = assign_splits(window, options, lasting=True)
            for patient, splits in splits_of_patients(window, plan).items():
                of[patient] |= splits
        assert {len(splits) for splits in of.values()} == {1}

    def test_otherwise_those_at_a_cut_do(self) -> None:
        spans = self.spans(3)
        before = assign_splits(spans[0], IngestOptions()).split_of
        after = assign_splits([*spans[0], *spans[1]], IngestOptions()).split_of
        assert any(after[path] != split for path, split in before.items())

    def test_a_patient_goes_where_the_hash_of_seed_and_id_says(self) -> None:
        films = cohort(300)
        plan = assign_splits(films, IngestOptions(seed=5, test_fraction=0.2), lasting=True)
        for one in films:
            spelling = re.sub(r"(NORMAL|PNEUMONIA)(\d+)", r"\1 \2", one.patient_id).lower()
            digest = hashlib.sha256(f"5/{spelling}".encode()).hexdigest()
            place = int(digest[:8], 16) / 16**8
            split = EVAL if place < 0.15 else TEST if place < 0.35 else TRAIN
            assert plan.split_of[one.path] == split
        # 300 patients of a class: three standard deviations of a share of 0.2 are 0.07.
        patients = {one.patient_id: plan.split_of[one.path] for one in films}
        assert Counter(patients.values())[TEST] / len(patients) == pytest.approx(0.2, abs=0.05)

    def test_how_a_span_spells_a_patient_does_not_matter(self) -> None:
        films = cohort(60)
        before = assign_splits(films, IngestOptions(), lasting=True)
        later = [
            replace(one, patient_id=re.sub(r"(\d+)$", r"-00\1", one.patient_id).lower())
            for one in films
        ]
        assert later[0].patient_id == "normal-000"
        after = assign_splits(later, IngestOptions(), lasting=True)
        assert after.split_of == before.split_of

    def test_every_split_has_both_classes_all_the_same(self) -> None:
        for seed in range(20):
            films = cohort(3, seed=seed)
            assert_sound(films, assign_splits(films, IngestOptions(seed=seed), lasting=True))

    def test_where_films_are_chosen_by_how_they_were_taken_it_is_said(self) -> None:
        films = cohort(40)
        plan = assign_splits(films, STRESS, (), Exposures(films, set()), lasting=True)
        assert any("are chosen anew as spans come in" in note for note in plan.notes)
