"""A split by style: whole styles, whole patients, both classes, or one sentence why not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.features import EVAL, LABELS, NORMAL, PNEUMONIA, SPLITS, TEST, TRAIN
from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.options import IngestOptions
from radiographs.splits import assign_splits
from radiographs.styles import Place

BY_STYLE = IngestOptions(split="style")

Styled = tuple[str, str, str]  # label, patient, style


def films_of(*kinds: tuple[str, str, int]) -> list[Styled]:
    """Returns films, each of a patient of its own: label, style and how many."""
    return [
        (label, f"{label}-{style}-{number}", style)
        for label, style, count in kinds
        for number in range(count)
    ]


def plan(
    styled: Sequence[Styled],
    options: IngestOptions = BY_STYLE,
    identical: Sequence[Sequence[str]] = (),
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Returns the split and the patient by path, and the notes."""
    films = [
        Film(f"{label}/{number}.png", label, "none" if label == NORMAL else "unknown", patient)
        for number, (label, patient, _) in enumerate(styled)
    ]
    places: dict[str, Place] = {
        film.path: (style, 0.0) for film, (_, _, style) in zip(films, styled, strict=True) if style
    }
    made = assign_splits(films, options, identical, places=places)
    assert made.places == places
    return made.split_of, {film.path: film.patient_id for film in films}, made.notes


def splits_of_style(styled: Sequence[Styled], split_of: dict[str, str], style: str) -> set[str]:
    return {
        split_of[f"{label}/{number}.png"]
        for number, (label, _, one) in enumerate(styled)
        if one == style
    }


THREE = films_of(
    (NORMAL, "1", 30), (PNEUMONIA, "1", 50),
    (NORMAL, "2", 12), (PNEUMONIA, "2", 40),
    (PNEUMONIA, "3", 90),
)  # fmt: skip


class TestHeldOut:
    def test_the_style_with_most_films_of_its_rarer_class_is_test_and_nothing_else(self) -> None:
        split_of, _, notes = plan(THREE)
        assert splits_of_style(THREE, split_of, "1") == {TEST}
        assert splits_of_style(THREE, split_of, "2") == {TRAIN, EVAL}
        assert splits_of_style(THREE, split_of, "3") == {TRAIN, EVAL}
        assert "test holds all 80 films of style 1: 80 patients in all (data.split=style)." in notes

    @pytest.mark.parametrize("named", [(2,), (2, 3)])
    def test_styles_are_held_out_as_named(self, named: tuple[int, ...]) -> None:
        split_of, _, _ = plan(THREE, IngestOptions(split="style", test_styles=named))
        for style in "123":
            held_out = int(style) in named
            assert (splits_of_style(THREE, split_of, style) == {TEST}) == held_out

    def test_every_split_has_both_classes_and_eval_its_share(self) -> None:
        split_of, _, _ = plan(THREE)
        for split in SPLITS:
            assert {path.split("/")[0] for path, one in split_of.items() if one == split} == set(
                LABELS
            )
        rest = [split for split in split_of.values() if split != TEST]
        assert rest.count(EVAL) / len(rest) == pytest.approx(0.15, abs=0.03)

    def test_a_patient_with_films_in_two_styles_goes_wholly_to_test(self) -> None:
        both = [(NORMAL, "p", "1"), (NORMAL, "p", "2"), (NORMAL, "p", "3")]
        split_of, patient_of, notes = plan([*THREE, *both])
        assert {split_of[path] for path, patient in patient_of.items() if patient == "p"} == {TEST}
        assert any("81 films of style 1, and 2 other films of their patients" in n for n in notes)
        for patient in set(patient_of.values()):
            assert len({split_of[p] for p, one in patient_of.items() if one == patient}) == 1

    def test_patients_with_the_same_file_go_the_same_way(self) -> None:
        paths = [f"{NORMAL}/0.png", f"{PNEUMONIA}/{len(THREE) - 1}.png"]  # of styles 1 and 3
        split_of, _, _ = plan(THREE, identical=[paths])
        assert {split_of[path] for path in paths} == {TEST}

    def test_films_without_a_style_are_never_held_out_for_themselves(self) -> None:
        damaged = films_of((NORMAL, "", 5))
        split_of, _, _ = plan([*THREE, *damaged])
        assert TEST not in splits_of_style([*THREE, *damaged], split_of, "")

    def test_given_splits_are_ignored_and_said(self) -> None:
        films = [
            Film(f"{label}/{number}.png", label, "none", patient, given_split=TEST)
            for number, (label, patient, _) in enumerate(THREE)
        ]
        places = {film.path: (style, 0.0) for film, (*_, style) in zip(films, THREE, strict=True)}
        made = assign_splits(films, BY_STYLE, places=places)
        assert made.notes[0] == "The given splits are ignored (data.split=style)."
        assert not any("stays" in note for note in made.notes)

    def test_the_next_style_is_taken_where_the_first_leaves_nothing(self) -> None:
        # All normals of style 2 are patients of style 1 too, so without these none is left.
        films = [
            *films_of((NORMAL, "1", 30), (PNEUMONIA, "1", 40), (PNEUMONIA, "2", 40)),
            *((NORMAL, f"{NORMAL}-1-{number}", "2") for number in range(5)),
        ]
        split_of, _, _ = plan(films)
        assert splits_of_style(films, split_of, "2") == {TEST}
        assert TRAIN in splits_of_style(films, split_of, "1")


class TestRefused:
    def test_fewer_than_two_styles_of_both_classes(self) -> None:
        films = films_of((NORMAL, "1", 30), (PNEUMONIA, "1", 50), (PNEUMONIA, "2", 40))
        with pytest.raises(DataError) as error:
            plan(films)
        assert str(error.value) == (
            "data.split=style takes two styles with films of both classes, one to learn from and "
            "one to test, but the films have style 1: 30 NORMAL, 50 PNEUMONIA; style 2: 0 NORMAL, "
            "40 PNEUMONIA; use data.split=by_patient"
        )

    @pytest.mark.parametrize(
        ("named", "why"),
        [
            ((4,), r"^data\.test_styles names 4, but the films have style 1: 30 NORMAL"),
            ((3,), r"^data\.test_styles names styles without NORMAL films"),
            ((1, 2), r"^data\.split=style leaves too few films of some class"),
        ],
    )
    def test_styles_that_cannot_be_held_out(self, named: tuple[int, ...], why: str) -> None:
        with pytest.raises(DataError, match=why):
            plan(THREE, IngestOptions(split="style", test_styles=named))

    def test_patients_that_are_in_every_style(self) -> None:
        patients = [(label, f"{label}{number}") for label in LABELS for number in range(9)]
        films = [(*patient, style) for patient in patients for style in "12"]
        with pytest.raises(DataError, match="a patient with a film of a style held out is held"):
            plan(films)

    def test_no_film_is_usable(self) -> None:
        with pytest.raises(DataError, match="the films have no style, as none is usable"):
            plan(films_of((NORMAL, "", 9), (PNEUMONIA, "", 9)))
