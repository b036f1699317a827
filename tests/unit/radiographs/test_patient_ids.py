"""Which patient a film is of, and what is said where that is in doubt."""

from __future__ import annotations

import pytest

from radiographs.errors import DataError
from radiographs.file_names import FileNameRules
from radiographs.films import Film
from radiographs.options import IngestOptions
from radiographs.patient_ids import (
    identify_patients,
    missing_id_notes,
    patient_notes,
    written_id,
)

RULES = FileNameRules(IngestOptions())


def film(path: str, patient: str, label: str = "NORMAL") -> Film:
    return Film(path, label, "none", patient)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("P7", "P7"), (" P7 ", "P7"), ("0007", "0007"), ("123.0", "123"), ("123.00", "123"),
        ("12.5", "12.5"), ("1.2.840.1", "1.2.840.1"), ("A-0", "A-0"), ("10", "10"), ("1e5", "1e5"),
        ("NA12", "NA12"), ("nano", "nano"),
    ],
)  # fmt: skip
def test_written_ids(written: str, expected: str) -> None:
    assert written_id(written, "line 2") == expected


@pytest.mark.parametrize(
    "word",
    ["", " ", "nan", "NaN", "unknown", "Unknown", "0", "000", "0.0", "N/A", "n/a", "NA", "none",
     "None", "NULL", "-", "--", "?", "anonymous", "-1", "#N/A", "<NA>"],
)  # fmt: skip
def test_words_that_are_no_id(word: str) -> None:
    assert written_id(word, "line 2") == ""


@pytest.mark.parametrize("written", ["1.23457E+12", "1,5e+10", "2E+07"])
def test_ids_that_a_spreadsheet_rounded(written: str) -> None:
    with pytest.raises(DataError, match=r"line 2: the patient_id .* write all its digits"):
        written_id(written, "line 2")


def test_the_id_goes_before_the_name_and_the_name_before_the_stem() -> None:
    paths = ["person1_virus_2.png", "person2_virus_1.png", "x.png"]
    found = identify_patients(paths, {"person1_virus_2.png": "P1"}, RULES)
    assert list(found.of.values()) == ["P1", "person2_virus", "x"]


def test_a_film_without_id_is_of_the_patient_whose_name_it_bears() -> None:
    paths = [f"00000013_00{number}.png" for number in range(3)]
    found = identify_patients(paths, {paths[0]: "P1", paths[1]: "P1", paths[2]: ""}, RULES)
    assert set(found.of.values()) == {"P1"}


def test_a_name_under_two_ids_decides_nothing() -> None:
    paths = [f"00000013_00{number}.png" for number in range(3)]
    found = identify_patients(paths, {paths[0]: "P1", paths[1]: "P2", paths[2]: ""}, RULES)
    assert found.of[paths[2]] == "00000013"


class TestOneSpelling:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("NORMAL/IM-0115-0001.jpeg", "NORMAL/im-0115-0002.jpeg"),
            ("person7_virus_1.png", "PERSON007_virus_2.png"),
            ("patient00012/study1/view1.png", "Patient 12/study2/view1.png"),
        ],
    )
    def test_of_names(self, one: str, other: str) -> None:
        found = identify_patients([one, other], {}, RULES)
        assert len(set(found.of.values())) == 1
        (note,) = found.notes
        assert note.startswith("1 patient id is spelled in more than one way, such as '")

    def test_of_written_ids(self) -> None:
        written = {"a": "P-007", "b": "p7", "c": "P 7", "d": "P70", "e": "7-P", "f": "P-7-1"}
        found = identify_patients(list(written), written, RULES)
        assert [found.of[path] for path in "abc"] == ["P 7"] * 3
        assert [found.of[path] for path in "def"] == ["P70", "7-P", "P-7-1"]

    def test_names_that_tell_no_patient_stay_apart(self) -> None:
        found = identify_patients(["x1.png", "x01.png", "#.png", "!.png"], {}, RULES)
        assert len(set(found.of.values())) == 4


class TestNotes:
    def test_no_name_tells_a_patient(self) -> None:
        (note,) = identify_patients(["a.png", "b.png"], {}, RULES).notes
        assert note.startswith("No file name tells the patient (data.patient_pattern), such as 'a.")
        assert "every film counts as a patient of its own; set the pattern" in note

    def test_films_of_one_name_are_one_patient(self) -> None:
        found = identify_patients(["NORMAL/a.png", "PNEUMONIA/a.png"], {}, RULES)
        assert set(found.of.values()) == {"a"}
        assert "of its own, films of the same name as one; set" in found.notes[0]

    def test_some_names_tell_no_patient(self) -> None:
        (note,) = identify_patients(["a.png", "IM-0115-0001.png"], {}, RULES).notes
        assert note.startswith("The name of 1 of 2 films tells no patient")
        assert "such as 'a.png': each counts as a patient of its own" in note

    @pytest.mark.parametrize("written", [{}, {"a.png": "P1"}])
    def test_nothing_is_said_where_all_are_told(self, written: dict[str, str]) -> None:
        paths = ["IM-0115-0001.png", *written]
        assert identify_patients(paths, written, RULES).notes == []

    def test_words_that_are_no_id(self) -> None:
        assert missing_id_notes([], "m.csv") == []
        assert missing_id_notes(["nan", "0", "nan", ""], "m.csv") == [
            "4 films have no patient id in m.csv, where 'nan', '0', nothing is written: the file "
            "name decides."
        ]

    def test_one_patient_with_very_many_films(self) -> None:
        films = [film(f"{i}.png", "P1" if i < 11 else f"Q{i}") for i in range(100)]
        (note,) = patient_notes(films)
        assert note.startswith("The patient 'P1' has 11 of 100 films (11%): check the ids")

    @pytest.mark.parametrize(("films", "of_one", "said"), [
        (100, 10, False), (99, 10, True), (20, 9, False), (20, 10, True), (5232, 30, False),
    ])  # fmt: skip
    def test_a_large_share_is_more_than_a_tenth_and_ten_films(
        self, films: int, of_one: int, said: bool
    ) -> None:
        all_films = [film(f"{i}", "P" if i < of_one else f"Q{i}") for i in range(films)]
        assert bool(patient_notes(all_films)) == said

    def test_patients_with_both_classes(self) -> None:
        films = [film("1", "P2"), film("2", "P2", "PNEUMONIA"), film("3", "P1"), film("4", "P1")]
        (note,) = patient_notes(films)
        assert note == "1 patient has films of both classes, such as 'P2': check that it is so."
        (note,) = patient_notes([*films, film("5", "P1", "PNEUMONIA")])
        assert note.startswith("2 patients have films of both classes, such as 'P1'")


@pytest.mark.parametrize(
    "word",
    ["??", "---", "n.a", "N / A", "(blank)", "<null>", "#REF!", "Anon.", "-1.0", "XXX", "redacted",
     "-999", "unknown patient", "Not Recorded"],
)  # fmt: skip
def test_words_for_nobody_are_no_id(word: str) -> None:
    assert written_id(word, "line 2") == ""


@pytest.mark.parametrize("word", ["1", "1.0", "A", "x", "P-1", "na7", "10"])
def test_short_ids_are_somebody(word: str) -> None:
    assert written_id(word, "line 2") == word.removesuffix(".0")


def test_films_called_alike_in_folders_of_their_own_are_of_as_many_patients() -> None:
    paths = ["NORMAL/A/1.png", "NORMAL/A/2.png", "NORMAL/B/1.png", "PNEUMONIA/C/1.png"]
    found = identify_patients(paths, {}, FileNameRules(IngestOptions()))
    assert found.of == dict(zip(paths, ("A", "A", "B", "C"), strict=True))


def test_films_called_alike_in_class_folders_may_be_one() -> None:
    paths = ["train/NORMAL/7.png", "test/NORMAL/7.png"]
    found = identify_patients(paths, {}, FileNameRules(IngestOptions()))
    assert set(found.of.values()) == {"7"}


def test_a_copy_is_of_the_patient_of_its_film() -> None:
    paths = [
        "NORMAL/scan 7.png", "NORMAL/scan 7 - Copy.png", "NORMAL/Copy of scan 7.png",
        "NORMAL/scan 7_copy2.png", "NORMAL/scan 7 - Copy (3).png", "NORMAL/scan 7 (1).png",
        "NORMAL/copy.png", "NORMAL/photocopy.png",
    ]  # fmt: skip
    found = identify_patients(paths, {}, RULES)
    assert list(found.of.values()) == [*["scan 7"] * 5, "scan 7 (1)", "copy", "photocopy"]


def test_a_pattern_of_ones_own_sees_the_name_of_a_copy_without_its_mark() -> None:
    rules = FileNameRules(IngestOptions(patient_pattern=r"^(\d+)_"))
    paths = ["NORMAL/12_a.png", "NORMAL/Copy of 12_a.png", "NORMAL/x.png"]
    found = identify_patients(paths, {}, rules)
    assert list(found.of.values()) == ["12", "12", "x"]
    assert found.notes[0].startswith("The name of 1 of 3 films tells no patient")


def by_path(*paths: str) -> dict[str, str]:
    return identify_patients(paths, {}, FileNameRules(IngestOptions())).of


def test_an_altered_film_in_a_folder_of_its_own_stays_with_its_film() -> None:
    paths = [f"NORMAL/{folder}100.png" for folder in ("", "aug1/", "aug2/", "clahe/", "old/")]
    assert set(by_path(*paths).values()) == {"100"}


def test_a_folder_of_many_films_is_no_patient() -> None:
    folders = ("NORMAL/images", "PNEUMONIA/images", "NORMAL/batch 1", "train/NORMAL/siteA")
    paths = [f"{folder}/{number}.png" for folder in folders for number in range(20)]
    assert len(set(by_path(*paths).values())) == 20
    few = by_path("NORMAL/images/0.png", "PNEUMONIA/images/0.png")
    assert set(few.values()) == {"0"}


def test_the_uppermost_small_folder_is_the_patient() -> None:
    dates = by_path(
        "NORMAL/Case A/2020-01-01/1.png", "NORMAL/Case A/2020-01-02/1.png",
        "NORMAL/Case B/2020-01-01/1.png",
    )  # fmt: skip
    assert list(dates.values()) == ["Case A", "Case A", "Case B"]
    wards = [f"NORMAL/ward/p{patient}/{film}.png" for patient in range(8) for film in range(3)]
    assert set(by_path(*wards).values()) == {f"p{patient}" for patient in range(8)}


def test_the_note_says_that_folders_decided() -> None:
    paths = ["NORMAL/A/1.png", "NORMAL/B/1.png"]
    (note,) = identify_patients(paths, {}, FileNameRules(IngestOptions())).notes
    assert "films called alike in small folders to the patient of the folder" in note


@pytest.mark.parametrize(
    "word", ["not provided", "Not Applicable", "#VALUE!", "\\N", "-99", "TBD", "unbekannt"]
)
def test_what_means_nobody_is_no_id(word: str) -> None:
    assert written_id(word, "line 2") == ""
