"""DICOM files with a table of labels, in class folders and in manifests: films, patients, notes."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.features import LABELS
from radiographs.data_roots import read_layout
from radiographs.dicom_films import Hiding
from radiographs.dicom_headers import DicomHeader, may_be_dicom, read_dicom_header
from radiographs.errors import DataError
from radiographs.formats.dicom.facts import DicomFacts
from radiographs.layouts import Layout, read_films
from radiographs.local_roots import LocalRoot
from radiographs.options import IngestOptions
from radiographs.pseudonyms import Pseudonyms, real_path, write_new_key
from tests.dicom_films import dicom_file
from tests.support import draw_film

PA = DicomFacts(view="PA", sex="F", age_years=60, modality="DX")
HEADERS = {
    "p1/a": DicomHeader(PA, "", "P1", "P1", "A1", "1.1", date(2020, 1, 1), "model"),
    "p1/b": DicomHeader(PA, "", "P1", "P1", "A2", "1.2", date(2020, 3, 1)),
    "p1/c": DicomHeader(PA, "", "P1", "P1", "A2", "1.3"),
    "p2/d": DicomHeader(PA, "", "P2", "P2", "A3", "1.4", date(2019, 5, 5)),
    "p2/lateral": DicomHeader(PA, "no frontal view by its tags", "P2", "P2", "A3", "1.5"),
    "p3/e": DicomHeader(PA, "", "P3", "P3", "A4", "1.6"),
}


def read(table: str, name: str = "labels.csv", more: dict[str, str] | None = None,
         **options: Any) -> Layout:  # fmt: skip
    texts = {name: table, **(more or {})}
    paths = [*texts, *HEADERS]
    return read_films(paths, texts.__getitem__, IngestOptions(**options), headers=HEADERS)


def labels_of(layout: Layout) -> dict[str, str]:
    return {film.path: film.label for film in layout.films}


class TestKeys:
    @pytest.mark.parametrize("column", ["AccessionNumber", "accession_number", "Accession No."])
    def test_accession_number(self, column: str) -> None:
        layout = read(f"{column},label\nA1,NORMAL\nA2,PNEUMONIA\nA3,NORMAL\n")
        assert layout.kind == "dicom"
        assert labels_of(layout) == {
            "p1/a": "NORMAL", "p1/b": "PNEUMONIA", "p1/c": "PNEUMONIA", "p2/d": "NORMAL",
        }  # fmt: skip

    def test_sop_instance_uid(self) -> None:
        layout = read("SOPInstanceUID,label\n1.1,NORMAL\n1.4,PNEUMONIA\n")
        assert labels_of(layout) == {"p1/a": "NORMAL", "p2/d": "PNEUMONIA"}

    def test_the_mask_may_be_in_any_row_of_a_film(self) -> None:
        rows = (
            "SOPInstanceUID,label,lesion_mask\n1.4,NORMAL,\n1.1,PNEUMONIA,\n1.1,PNEUMONIA,m.png\n"
        )
        films = read(rows, more={"m.png": ""}).films
        assert {film.path: film.lesion_mask for film in films} == {"p1/a": "m.png", "p2/d": ""}
        with pytest.raises(DataError, match=r"line 4 and .*line 5: the same film has two"):
            read(rows + "1.1,PNEUMONIA,n.png\n", more={"m.png": "", "n.png": ""})

    def test_patient_id(self) -> None:
        layout = read("PatientID,label\nP1,NORMAL\nP2,PNEUMONIA\n")
        assert labels_of(layout) == {
            "p1/a": "NORMAL", "p1/b": "NORMAL", "p1/c": "NORMAL", "p2/d": "PNEUMONIA",
        }  # fmt: skip

    def test_that_tells_most_goes_first(self) -> None:
        layout = read("PatientID,AccessionNumber,label\nP1,A1,NORMAL\nP2,A3,PNEUMONIA\n")
        assert labels_of(layout) == {"p1/a": "NORMAL", "p2/d": "PNEUMONIA"}

    def test_a_table_under_the_name_of_the_manifest(self) -> None:
        table = "AccessionNumber,label\nA1,NORMAL\nA3,PNEUMONIA\n"
        assert read(table, "manifest.csv").kind == "dicom"
        assert read(table, "my labels.csv", manifest="my labels.csv").kind == "dicom"

    def test_class_folders_of_pictures_go_before(self) -> None:
        pictures = {"NORMAL/1.png": "", "PNEUMONIA/2.png": ""}
        layout = read("AccessionNumber,label\nA1,NORMAL\nA3,PNEUMONIA\n", more=pictures)
        assert (layout.kind, list(labels_of(layout))) == ("folders", list(pictures))

    def test_a_table_that_is_no_text_is_passed_over(self) -> None:
        texts = {"labels.csv": "AccessionNumber,label\nA1,NORMAL\nA3,PNEUMONIA\n"}

        def read_text(path: str) -> str:
            if path not in texts:
                raise DataError(f"{path} is not UTF-8 text; save it as UTF-8")
            return texts[path]

        paths = ["a.csv", *texts, *HEADERS]
        assert read_films(paths, read_text, IngestOptions(), headers=HEADERS).kind == "dicom"

    def test_findings(self) -> None:
        layout = read("AccessionNumber,Finding Labels\nA1,No Finding\nA3,Pneumonia\nA4,Mass\n")
        assert labels_of(layout) == {"p1/a": "NORMAL", "p2/d": "PNEUMONIA"}
        assert ("p3/e", "neither No Finding nor Pneumonia: Mass") in layout.ignored


class TestLeftOut:
    TABLE = "AccessionNumber,label\nA1,NORMAL\nA3,PNEUMONIA\nA9,NORMAL\n,NORMAL\n"

    def test_every_file_and_row_has_a_reason(self) -> None:
        assert read(self.TABLE, more={"report.pdf": ""}).ignored == [
            ("labels.csv line 4", "row without a DICOM film of its accession number"),
            ("labels.csv line 5", "row without accession number"),
            ("p1/b", "no row in labels.csv"),
            ("p1/c", "no row in labels.csv"),
            ("p2/lateral", "no frontal view by its tags"),
            ("p3/e", "no row in labels.csv"),
            ("report.pdf", "no DICOM file"),
        ]

    def test_a_row_of_a_film_that_is_set_aside_is_listed_beside_it(self) -> None:
        ignored = read("SOPInstanceUID,label\n1.1,NORMAL\n1.4,PNEUMONIA\n1.5,NORMAL\n").ignored
        row = ("labels.csv line 4", "row without a DICOM film of its SOP instance UID")
        assert {row, ("p2/lateral", "no frontal view by its tags")} <= set(ignored)

    def test_a_class_of_which_no_film_is_left_stops(self) -> None:
        films = {"NORMAL/a.dcm": HEADERS["p2/lateral"], "PNEUMONIA/b.dcm": HEADERS["p1/a"]}
        with pytest.raises(
            DataError, match=r"no film of NORMAL is left, .* the first one as no frontal view"
        ):
            read_films(list(films), lambda path: "", IngestOptions(), headers=films)

    def test_two_labels_of_one_film_stop(self) -> None:
        with pytest.raises(DataError, match=r"labels\.csv line 2 and labels\.csv line 4: the same"):
            read("AccessionNumber,label\nA1,NORMAL\nA3,PNEUMONIA\nA1,PNEUMONIA\n")

    def test_no_table_stops(self) -> None:
        with pytest.raises(DataError, match="no CSV of labels with a column AccessionNumber"):
            read("x,y\n", layout="dicom")

    def test_two_tables_stop(self) -> None:
        table = "AccessionNumber,label\nA1,NORMAL\nA3,PNEUMONIA\n"
        with pytest.raises(DataError, match=r"'b.csv' and 'labels.csv' may both hold the labels"):
            read(table, more={"b.csv": table})


class TestFilms:
    TABLE = "AccessionNumber,label\nA1,NORMAL\nA2,NORMAL\nA3,PNEUMONIA\n"

    def test_patients_and_days_are_those_of_the_tags(self) -> None:
        films = {film.path: film for film in read(self.TABLE).films}
        assert {path: film.patient_id for path, film in films.items()} == {
            "p1/a": "P1", "p1/b": "P1", "p1/c": "P1", "p2/d": "P2",
        }  # fmt: skip
        # January and February of a leap year have 31 and 29 days.
        days = {path: film.tags.study_day for path, film in films.items()}
        assert days == {"p1/a": 0, "p1/b": 60, "p1/c": -1, "p2/d": 0}
        assert (films["p1/a"].view, films["p1/a"].sex, films["p1/a"].age_years) == ("PA", "F", 60)

    def test_the_table_wins_and_contradictions_are_told(self) -> None:
        layout = read(
            "AccessionNumber,label,sex,view,age,patient_id\n"
            "A1,NORMAL,M,AP,61,X1\nA3,PNEUMONIA,,,40,\n"
        )
        first, second = layout.films
        assert (first.sex, first.view, first.age_years, first.patient_id) == ("M", "AP", 61, "X1")
        assert (second.sex, second.view, second.age_years, second.patient_id) == (
            "F",
            "PA",
            40,
            "P2",
        )
        told = "in the DICOM tags than in the manifest, which decides."
        assert layout.notes[-3:] == [
            f"1 film has another age {told}",
            f"1 film has another sex {told}",
            f"1 film has another view {told}",
        ]

    def test_in_class_folders(self) -> None:
        headers = {f"{label}/{number}": HEADERS["p1/a" if number < 2 else "p2/d"]
                   for label in ("NORMAL", "PNEUMONIA") for number in range(3)}  # fmt: skip
        headers["NORMAL/side"] = HEADERS["p2/lateral"]
        layout = read_films([*headers, "NORMAL/x.png"], str, IngestOptions(), headers=headers)
        assert layout.kind == "folders"
        patients = [film.patient_id for film in layout.films]
        assert patients == ["P1", "P1", "P2", "x", "P1", "P1", "P2"]
        assert layout.ignored == [("NORMAL/side", "no frontal view by its tags")]

    def test_in_a_manifest(self) -> None:
        table = "path,label\np1/a,NORMAL\np2/d,PNEUMONIA\np2/lateral,PNEUMONIA\n"
        layout = read(table, "manifest.csv")
        assert (layout.kind, labels_of(layout)) == (
            "manifest", {"p1/a": "NORMAL", "p2/d": "PNEUMONIA"},
        )  # fmt: skip
        assert ("p2/lateral", "no frontal view by its tags") in layout.ignored
        assert [film.patient_id for film in layout.films] == ["P1", "P2"]

    def test_a_class_that_tags_have_emptied_stops(self) -> None:
        with pytest.raises(DataError, match="no film of PNEUMONIA is left"):
            read("path,label\np1/a,NORMAL\np2/lateral,PNEUMONIA\n", "manifest.csv")


def test_hiding_takes_ids_and_paths_out_of_all_that_is_told() -> None:
    layout = read(TestFilms.TABLE)
    hiding = Hiding(layout.films, list(HEADERS), Pseudonyms(b"k" * 32))
    film = hiding.film(layout.films[0])
    assert real_path(film.path) == "p1/a"
    assert film.patient_id == hiding.film(layout.films[1]).patient_id
    assert not {"P1", "model", "p1/a"} & {film.patient_id, film.tags.device_model, str(film.path)}
    told = hiding.sentence("'P1' is in 'p1/a' and 'x.png': the same bytes as: p2/d")
    assert told == f"'{film.patient_id}' is in '{film.path}' and 'x.png': the same bytes as: " + (
        hiding.path("p2/d")
    )


class TestHeaders:
    OPTIONS = IngestOptions()
    VALUES = np.zeros((2, 2), np.uint8)

    def header(self, **tags: Any) -> DicomHeader:
        found = read_dicom_header(dicom_file(self.VALUES, **tags), self.OPTIONS)
        assert found is not None
        return found

    def test_patient_is_of_the_issuer(self) -> None:
        tags = {"PatientID": "7", "IssuerOfPatientID": "North"}
        assert self.header(**tags).patient != self.header(PatientID="7").patient
        assert self.header(**tags).patient_id == "7"

    @pytest.mark.parametrize("word", ["ANONYMOUS", "unknown", "0000", ""])
    def test_a_word_that_means_nobody_is_no_patient(self, word: str) -> None:
        assert self.header(PatientID=word).patient == ""

    def test_a_number_of_any_spelling_is_one(self) -> None:
        assert self.header(PatientID="1e+11").patient == "1e+11"

    def test_show_nobody(self) -> None:
        shown = repr(self.header(PatientID="Jane", AccessionNumber="Jane", SOPInstanceUID="1.9"))
        assert "Jane" not in shown and "1.9" not in shown

    def test_burned_in_text_is_kept_where_that_is_wanted(self) -> None:
        data = dicom_file(self.VALUES, BurnedInAnnotation="YES")
        kept = read_dicom_header(data, IngestOptions(keep_burned_in=True))
        assert kept is not None and kept.aside == ""
        assert self.header(BurnedInAnnotation="YES").aside.startswith("text burned into")

    def test_of_frames_and_colours(self) -> None:
        assert self.header(NumberOfFrames=3).aside.startswith("more than one frame")
        assert self.header(SamplesPerPixel=3).aside.startswith("in colours")

    def test_of_a_damaged_file_is_there_and_says_nothing(self) -> None:
        assert read_dicom_header(bytes(128) + b"DICM" + bytes(40), self.OPTIONS) == DicomHeader()
        assert read_dicom_header(b"no film", self.OPTIONS) is None

    @pytest.mark.parametrize(
        ("path", "expected"),
        [("a/IM0001", True), ("a.dcm", True), ("a.IMA", True), ("a.png", False), ("a.csv", False),
         (".hidden/a.dcm", False)],
    )  # fmt: skip
    def test_are_looked_for_by_name_and_content(self, path: str, expected: bool) -> None:
        assert may_be_dicom(path) is expected


class TestNamesBesideDicom:
    """The names of folders and files beside DICOM films may be those of patients."""

    NAME = "O'MUELLER"

    @pytest.fixture(name="root")
    def write_root(self, tmp_path: Path) -> Path:
        root = tmp_path / "films"
        for number, label in enumerate(LABELS):
            patient = root / label / f"{self.NAME} {number}"
            (patient / "study").mkdir(parents=True)
            film = dicom_file(draw_film(number), PatientID=f"{self.NAME} {number}")
            (patient / "study" / "1.dcm").write_bytes(film)
            for beside in (patient / "study" / "more" / "r.txt", patient / "r.pdf",
                           root / label / f"{self.NAME}.txt", root / f"{self.NAME} {number}.pdf",
                           patient / f"{self.NAME}.csv"):  # fmt: skip
                beside.parent.mkdir(exist_ok=True)
                beside.write_text("Dear")
        return root

    def write_manifest(self, root: Path, more: str = "") -> None:
        films = [
            f"{label}/{self.NAME} {number}/study/1.dcm,{label}"
            for number, label in enumerate(LABELS)
        ]
        (root / "manifest.csv").write_text("\n".join(["path,label", *films, more]))

    def read(self, root: Path, **options: Any) -> Layout:
        key = root.parent / "key"
        if not key.exists():
            write_new_key(key)
        settings = IngestOptions(pseudonym_key_file=str(key), **options)
        return read_layout(LocalRoot(str(root)), settings)

    @pytest.mark.parametrize("kind", ["manifest", "folders"])
    def test_they_are_pseudonyms(self, root: Path, kind: str) -> None:
        if kind == "manifest":
            self.write_manifest(root)
        layout = self.read(root)
        assert layout.kind == kind
        assert sorted(real_path(film.path).rpartition("/")[2] for film in layout.films) == [
            "1.dcm", "1.dcm",
        ]  # fmt: skip
        assert len(layout.ignored) == 10
        assert "MUELLER" not in repr([layout.films, layout.notes, layout.ignored])
        assert self.read(root).ignored == layout.ignored

    def test_a_line_of_a_table_is_no_name(self, root: Path) -> None:
        rows = [f"{self.NAME} {number},{label}" for number, label in enumerate(LABELS)]
        (root / "x").mkdir()
        (root / "x" / "labels.csv").write_text("\n".join(["PatientID,label", *rows, "P9,NORMAL"]))
        layout = self.read(root, layout="dicom", manifest="x/labels.csv")
        assert len(layout.films) == 2
        assert "x/labels.csv line 4" in dict(layout.ignored)
        assert "MUELLER" not in repr(layout.ignored)

    @pytest.mark.parametrize("written", ["gone/{}", "{}.dcm", "{}.png", "a\\{}", "../{}/1"])
    def test_an_error_names_no_file_that_a_row_names(self, root: Path, written: str) -> None:
        self.write_manifest(root, f"{written.format(self.NAME)},NORMAL")
        with pytest.raises(DataError) as told:
            self.read(root)
        assert "line 4" in str(told.value) and "MUELLER" not in str(told.value)

    def test_an_error_names_no_file_without_an_ending(self, root: Path) -> None:
        for label in LABELS:
            shutil.rmtree(root / label)
        for name in (self.NAME, f"{self.NAME} 2"):
            (root / name).write_bytes(dicom_file(draw_film(0)))
        (root / "manifest.csv").write_text(f"path,label\n{self.NAME},NORMAL\n{self.NAME},NORMAL\n")
        with pytest.raises(DataError, match="was named before") as told:
            self.read(root)
        assert "MUELLER" not in str(told.value)

    def test_an_error_names_no_file_beside_them(self, root: Path) -> None:
        for film in (root / "PNEUMONIA").rglob("*.dcm"):
            film.unlink()
        with pytest.raises(DataError, match="PNEUMONIA") as told:
            self.read(root)
        assert "MUELLER" not in str(told.value)
