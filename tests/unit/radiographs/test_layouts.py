"""Films are found in class folders and manifests, and what is wrong is said in a sentence."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.layouts import Layout, read_films
from radiographs.options import IngestOptions

SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"

Form = Literal["NFC", "NFD"]

TWO_FILMS = ("NORMAL/a.png", "PNEUMONIA/b.png")


def read_folders(*paths: str, **options: str) -> Layout:
    def no_manifest(path: str) -> str:
        raise AssertionError(f"{path} was read")

    return read_films(paths, no_manifest, IngestOptions(**options))


def read_manifest(text: str, *paths: str, **options: str) -> Layout:
    texts = {"manifest.csv": text}
    return read_films(("manifest.csv", *paths), texts.__getitem__, IngestOptions(**options))


def read_row(columns: str, values: str) -> Film:
    """Reads a manifest whose first row is a pneumonia film with these values."""
    text = f"path,label,{columns}\nb.png,PNEUMONIA,{values}\na.png,NORMAL\n"
    return next(film for film in read_manifest(text, "a.png", "b.png").films if "b" in film.path)


def read_shared(folder: str, **options: str) -> Layout:
    root = SHARED_DATA / folder
    paths = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    if not paths:
        pytest.skip(f"needs the radiographs of ../shared/data/{folder}")
    return read_films(paths, lambda path: (root / path).read_text(), IngestOptions(**options))


class TestFolders:
    def test_plain_class_folders_give_no_split(self) -> None:
        layout = read_folders("NORMAL/IM-0115-0001.jpeg", "PNEUMONIA/person7_virus_3.jpeg")
        assert layout == Layout(
            "folders",
            [
                Film("NORMAL/IM-0115-0001.jpeg", "NORMAL", "none", "IM-0115"),
                Film("PNEUMONIA/person7_virus_3.jpeg", "PNEUMONIA", "virus", "person7_virus"),
            ],
            [],
            [],
        )

    @pytest.mark.parametrize(
        ("folder", "split"),
        [("train", "train"), ("val", "eval"), ("Validation", "eval"), ("dev", "eval"),
         ("EVAL", "eval"), ("Test", "test")],
    )  # fmt: skip
    def test_split_is_the_folder_above(self, folder: str, split: str) -> None:
        layout = read_folders(f"{folder}/normal/a.png", f"{folder}/Pneumonia/b.png")
        assert [film.given_split for film in layout.films] == [split, split]
        assert {film.label for film in layout.films} == {"NORMAL", "PNEUMONIA"}

    def test_films_may_lie_deeper_in_a_class_folder(self) -> None:
        layout = read_folders("train/NORMAL/hospital a/1.png", "train/PNEUMONIA/2.png")
        assert layout.films[0].path == "train/NORMAL/hospital a/1.png"

    def test_other_files_are_listed_with_the_reason(self) -> None:
        layout = read_folders(
            *TWO_FILMS, "README.md", "masks/b.png", "NORMAL/.DS_Store", "PNEUMONIA/Thumbs.db",
            "__MACOSX/NORMAL/a.png",
        )  # fmt: skip
        assert [film.path for film in layout.films] == list(TWO_FILMS)
        assert dict(layout.ignored) == {
            "README.md": "not in a class folder",
            "masks/b.png": "mask or other annotation, not a film",
            "NORMAL/.DS_Store": "hidden or system file",
            "PNEUMONIA/Thumbs.db": "hidden or system file",
            "__MACOSX/NORMAL/a.png": "hidden or system file",
        }

    def test_unknown_file_names_are_a_patient_each(self) -> None:
        layout = read_folders("NORMAL/scan 12.v2.png", "PNEUMONIA/größe.png")
        assert [film.patient_id for film in layout.films] == ["scan 12.v2", "größe"]
        assert layout.films[1].subtype == "unknown"

    def test_one_patient_whichever_way_the_disk_composes_its_name(self) -> None:
        composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
        layout = read_folders(
            f"NORMAL/{composed}_1.png", f"NORMAL/{decomposed}_2.png", "PNEUMONIA/x_1.png",
            patient_pattern=r"^([^_]+)_",
        )  # fmt: skip
        assert [film.patient_id for film in layout.films if film.label == "NORMAL"] == [
            composed
        ] * 2
        assert f"NORMAL/{decomposed}_2.png" in {film.path for film in layout.films}

    def test_order_of_the_listing_does_not_matter(self) -> None:
        paths = ("NORMAL/b.png", "PNEUMONIA/c.png", "NORMAL/a.png", "x.txt")
        assert read_folders(*paths) == read_folders(*reversed(paths))

    @pytest.mark.parametrize(
        ("paths", "sentence"),
        [
            ((), "holds no files; put films there or change --data-root"),
            (("a.png",), "no class folders NORMAL and PNEUMONIA"),
            (("xray/NORMAL/a.png",), "they are in 'xray', so make that --data-root"),
            (("xray/train/NORMAL/a.png",), "they are in 'xray', so make that --data-root"),
            (("xray/of/NORMAL/a.png",), "they are in 'xray/of', so make that --data-root"),
            (("NORMAL/a.png",), "class folder PNEUMONIA is missing or has no images"),
            (("NORMAL/.DS_Store", "PNEUMONIA/b.png"), "class folder NORMAL is missing or has no"),
            (("NORMAL/\udcff.png",), r"'NORMAL/\udcff.png' is not valid UTF-8; rename the file"),
        ],
    )
    def test_unusable_roots(self, paths: tuple[str, ...], sentence: str) -> None:
        with pytest.raises(DataError) as error:
            read_folders(*paths)
        assert sentence in str(error.value)

    @pytest.mark.parametrize(
        ("setting", "pattern", "sentence"),
        [
            ("patient_pattern", "(", "'(' is no regular expression"),
            ("subtype_pattern", "virus", "'virus' needs a group in parentheses"),
        ],
    )
    def test_unusable_patterns(self, setting: str, pattern: str, sentence: str) -> None:
        with pytest.raises(ValueError, match=setting) as error:
            IngestOptions(**{setting: pattern})
        assert sentence in str(error.value)

    def test_a_group_that_takes_no_part_leaves_the_stem(self) -> None:
        layout = read_folders(*TWO_FILMS, patient_pattern=r"^[ab](\d+)?")
        assert [film.patient_id for film in layout.films] == ["a", "b"]


class TestManifest:
    def test_all_columns(self) -> None:
        text = (
            "path,label,subtype,patient_id,site,view,sex,age_years,split,findings\n"
            "x/b.png,pneumonia,lobar,P2,Ward 3,ap,female,61.9,Validation,opacity\n"
            "x/a.png,Normal,,P1,,,,,,\n"
        )
        layout = read_manifest(text, "x/a.png", "x/b.png", "x/c.png", ".hidden")
        assert layout == Layout(
            "manifest",
            [
                Film("x/a.png", "NORMAL", "none", "P1"),
                Film("x/b.png", "PNEUMONIA", "lobar", "P2", "Ward 3", "AP", "F", 61, "eval"),
            ],
            [(".hidden", "hidden or system file"), ("x/c.png", "not named in manifest.csv")],
            ["manifest.csv: nothing is made of the column 'findings'."],
        )

    def test_one_patient_whichever_way_the_rows_compose_its_name(self) -> None:
        composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
        text = f"path,label,patient_id\na.png,NORMAL,{composed}\nb.png,PNEUMONIA,{decomposed}\n"
        films = read_manifest(text, "a.png", "b.png").films
        assert [film.patient_id for film in films] == [composed, composed]

    def test_what_is_missing_comes_from_the_file_name(self) -> None:
        text = "path,label\nIM-0115-0001.jpeg,NORMAL\nperson7_virus_3.jpeg,PNEUMONIA\n"
        films = read_manifest(text, "IM-0115-0001.jpeg", "person7_virus_3.jpeg").films
        assert [film.patient_id for film in films] == ["IM-0115", "person7_virus"]
        assert [film.subtype for film in films] == ["none", "virus"]

    @pytest.mark.parametrize(
        "text",
        [
            "\ufeffpath,label\na.png,NORMAL\nb.png,PNEUMONIA\n",
            "path;label\na.png;NORMAL\nb.png;PNEUMONIA\n",
            "sep=;\r\npath;label\r\na.png;NORMAL\r\nb.png;PNEUMONIA\r\n",
            "path|label\na.png|NORMAL\nb.png|PNEUMONIA\n",
            " Path , LABEL \r\n a.png , normal \r\n\r\n,\r\nb.png,PNEUMONIA",
            'label,path\nNORMAL,"a.png"\nPNEUMONIA,./b.png\n',
        ],
    )
    def test_dialects(self, text: str) -> None:
        films = read_manifest(text, "a.png", "b.png").films
        assert [(film.path, film.label) for film in films] == [
            ("a.png", "NORMAL"), ("b.png", "PNEUMONIA"),
        ]  # fmt: skip

    @pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
    @pytest.mark.parametrize("written", ["NFC", "NFD"])
    def test_names_with_spaces_and_accents(self, on_disk: Form, written: Form) -> None:
        name = "Röntgen Café 1.png"
        path = f"dir/{unicodedata.normalize(on_disk, name)}"
        text = f"path,label\ndir\\{unicodedata.normalize(written, name)},NORMAL\nb.png,PNEUMONIA\n"
        assert path in {film.path for film in read_manifest(text, path, "b.png").films}

    @pytest.mark.parametrize(
        ("column", "value", "attribute", "expected"),
        [
            ("view", "PA", "view", "PA"), ("view", "", "view", "unknown"),
            *[("view", view, "view", "AP") for view in (
                "AP supine", "AP erect", "Antero-posterior", "AnteroPosterior", "ANTEROPOSTERIOR",
                "a.p.", "AP_horizontal", "Chest AP portable", "anterior-posterior",
            )],
            *[("view", view, "view", "PA") for view in (
                "Postero-Anterior", "PA view", "posteroanterior", "P/A", "frontal PA (erect)",
            )],
            *[("view", view, "view", "unknown") for view in ("Frontal", "frontal view", "n/a")],
            ("sex", "male", "sex", "M"), ("sex", "o", "sex", "O"), ("sex", "", "sex", "unknown"),
            ("age_years", "0", "age_years", 0), ("age_years", "120", "age_years", 120),
            ("age_years", "0.5", "age_years", 0), ("age_years", "", "age_years", -1),
            ("split", "val", "given_split", "eval"), ("split", "", "given_split", ""),
            ("subtype", "", "subtype", "unknown"), ("subtype", "Bacteria", "subtype", "bacteria"),
            ("subtype", "viral", "subtype", "virus"), ("subtype", "nan", "subtype", "unknown"),
            ("age_years", "058Y", "age_years", 58), ("age_years", "120y", "age_years", 120),
            ("age_years", "011M", "age_years", 0), ("age_years", "025M", "age_years", 2),
            ("age_years", "060W", "age_years", 1), ("age_years", "364D", "age_years", 0),
            ("age_years", "800D", "age_years", 2), ("age_years", "nan", "age_years", -1),
            ("sex", "N/A", "sex", "unknown"), ("view", "unknown", "view", "unknown"),
            ("site", "nan", "site", "unknown"), ("site", "0", "site", "0"),
        ],
    )  # fmt: skip
    def test_values(self, column: str, value: str, attribute: str, expected: object) -> None:
        assert getattr(read_row(column, value), attribute) == expected

    @pytest.mark.parametrize(
        ("column", "value", "sentence"),
        [
            *[
                ("view", view, f"line 2: the view '{view}' is not known; only frontal films")
                for view in (
                    "LL",
                    "L",
                    "AP lateral",
                    "PA and lateral",
                    "AP/PA",
                    "supine",
                    "RAO",
                    "P",
                    "!",
                    "LLD",
                    "AP axial",
                )
            ],
            ("view", "LATERAL", "line 2: the view 'LATERAL' is not known; only frontal films"),
            ("sex", "X", "line 2: the sex 'X' is not known; write M, F or O"),
            ("age_years", "031Z", "line 2: the age_years '031Z' is no age; write a number from 0"),
            ("age_years", "121Y", "line 2: the age_years '121Y' is no age"),
            ("age_years", "1452M", "line 2: the age_years '1452M' is no age"),
            ("age_years", "inf", "line 2: the age_years 'inf' is no age"),
            ("age_years", "-1", "line 2: the age_years '-1' is no age"),
            ("age_years", "121", "line 2: the age_years '121' is no age"),
            ("split", "holdout", "line 2: the split 'holdout' is not known; write train, eval or"),
        ],
    )
    def test_bad_values(self, column: str, value: str, sentence: str) -> None:
        with pytest.raises(DataError) as error:
            read_row(column, value)
        assert f"manifest.csv {sentence}" in str(error.value)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "line 1: there is no column 'path'; add it to the header, which is: empty"),
            (
                "scan,label\n",
                "line 1: there is no column 'path'; add it to the header, which is: scan, label",
            ),
            ("path,kind\n", "line 1: there is no column 'label'; add it"),
            ("path,label,label\n", "line 1: the column 'label' is there twice"),
            (
                "path,label\na.png,COVID\n",
                "line 2: the label 'COVID' is not known; write NORMAL or",
            ),
            ("path,label\na.png,NORMAL\n\na.png,NORMAL\n", "line 4: 'a.png' was named before"),
            ("path,label\na.png,NORMAL\n./a.png,NORMAL\n", "line 3: './a.png' was named before"),
            ("path,label\na.png,NORMAL,1,2\n", "line 2: 4 values for 2 columns"),
            ("path,label\n,NORMAL\n", "line 2: the path is empty"),
            ("path,label\n../a.png,NORMAL\n", "line 2: the path '../a.png' leads out of the data"),
            ("path,label\nx/../../a.png,NORMAL\n", "leads out of the data root"),
            ("path,label\n/a.png,NORMAL\n", "line 2: the path '/a.png' leads out of the data"),
            ("path,label\nC:\\a.png,NORMAL\n", "leads out of the data root"),
            ("path,label\na.png,NORMAL\n", "has no films of PNEUMONIA; both classes are needed"),
            ("path,label\n", "has no films of NORMAL"),
            ("path,label\nno.png,NORMAL\n", "names a file that is not below the data root: 'no.p"),
            (f"path,label\n{'x' * 200_000},NORMAL\n", "line 2: it is not CSV (field larger than"),
        ],
    )
    def test_bad_files(self, text: str, sentence: str) -> None:
        with pytest.raises(DataError) as error:
            read_manifest(text, "a.png", "b.png")
        assert "manifest.csv" in str(error.value)
        assert sentence in str(error.value)

    def test_missing_files_are_counted_and_the_first_named(self) -> None:
        text = "path,label\n" + "".join(f"{i}.png,NORMAL\n" for i in range(1200))
        with pytest.raises(DataError) as error:
            read_manifest(text, "0.png")
        assert str(error.value) == (
            "manifest.csv names 1,199 files that are not below the data root: '1.png' (line 3), "
            "'2.png' (line 4), '3.png' (line 5) and 1,196 more; add them or correct the column path"
        )

    def test_a_manifest_that_is_asked_for_has_to_be_there(self) -> None:
        with pytest.raises(DataError, match=r"has no films\.csv; add it, or set data\.manifest"):
            read_folders(*TWO_FILMS, layout="manifest", manifest="films.csv")

    def test_folders_on_request_in_spite_of_a_manifest(self) -> None:
        layout = read_folders(*TWO_FILMS, "manifest.csv", layout="folders")
        assert layout.kind == "folders"
        assert layout.ignored == [("manifest.csv", "not in a class folder")]


class TestManifestByOtherHands:
    def test_commas_at_the_end_of_rows(self) -> None:
        layout = read_manifest("path,label\na.png,NORMAL,,\nb.png,PNEUMONIA,\n", "a.png", "b.png")
        assert len(layout.films) == 2
        with pytest.raises(DataError, match="line 2: 3 values for 2 columns"):
            read_manifest("path,label\na.png,NORMAL,x\n", "a.png")

    def test_quotes_that_are_not_closed(self) -> None:
        rows = "".join(f"{number}.png,NORMAL\n" for number in range(5000))
        with pytest.raises(DataError) as error:
            read_manifest(f'path,label\na.png,NORMAL\n"b.png,PNEUMONIA\n{rows}', "a.png", "b.png")
        assert str(error.value).startswith("manifest.csv line 3: a value goes on for 5,001 lines; ")
        assert len(str(error.value)) < 120

    def test_a_value_of_some_lines_is_none(self) -> None:
        text = 'path,label,report\na.png,NORMAL,"clear\n\nlungs"\nb.png,PNEUMONIA,x\n'
        assert len(read_manifest(text, "a.png", "b.png").films) == 2

    def test_names_of_files_are_no_patients(self) -> None:
        layout = read_manifest("dicom_id,label\na,NORMAL\nb,PNEUMONIA\n", "x/a.png", "y/b.png")
        assert [film.path for film in layout.films] == ["x/a.png", "y/b.png"]

    @pytest.mark.parametrize("normal", ["['No Finding']", '[""No Finding""]', "[NORMAL]"])
    def test_findings_as_a_program_writes_a_list(self, normal: str) -> None:
        text = f"path,Finding Labels\na.png,\"{normal}\"\nb.png,\"['Pneumonia', 'Effusion']\"\n"
        layout = read_manifest(text, "a.png", "b.png")
        assert [film.label for film in layout.films] == ["NORMAL", "PNEUMONIA"]

    def test_a_row_against_its_folder_is_said(self) -> None:
        paths = ("NORMAL/a.png", "PNEUMONIA/b.png", "NORMAL/c.png")
        text = "path,label\n" + "".join(
            f"{path},{label}\n"
            for path, label in zip(paths, ("NORMAL", "PNEUMONIA", "PNEUMONIA"), strict=True)
        )
        notes = read_manifest(text, *paths).notes
        (note,) = [note for note in notes if "folder says" in note]
        assert note == (
            "1 film has another label in manifest.csv than the folder says, such as "
            "'NORMAL/c.png', there PNEUMONIA: the manifest decides."
        )


class TestColumns:
    """Names as public data sets have them; the row is of a film of pneumonia."""

    @pytest.mark.parametrize(
        ("column", "value", "attribute", "expected"),
        [
            *[(name, "P7", "patient_id", "P7") for name in (
                "patientId", "Patient ID", "PatientID", "subject_id", "patient", "PATIENT_ID",
                "patient-id", "Patients ID", "patientid", "ptid", "PtID", "anon_patient_id",
                "Patient's ID", "PatientIdentifier", "subjectid", "pid", "Patienten-ID",
            )],
            *[(name, "031Y", "age_years", 31) for name in (
                "Patient Age", "PatientAge", "Age", "age", "patient_age", "Age Years",
                "Patient's Age", "Age in years", "ageinyears", "Age (yrs)",
            )],
            *[(name, "Female", "sex", "F") for name in (
                "gender", "Patient Gender", "PatientSex", "Patient Sex", "PatientSex_DICOM", "Sex",
                "Patient Sex (M/F)", "Patient's Gender", "Sex (Male/Female)",
            )],
            *[(name, "AP", "view", "AP") for name in (
                "View Position", "ViewPosition", "ViewPosition_DICOM", "AP/PA", "projection",
                "Projection View", "Frontal/Lateral", "view_type",
            )],
            *[(name, "St. Mary", "site", "St. Mary") for name in (
                "hospital", "institution", "centre", "center", "Institution Name", "site_id",
            )],
            *[(name, "val", "given_split", "eval") for name in (
                "split_set", "data_split", "Split Set",
            )],
        ],
    )  # fmt: skip
    def test_understood(self, column: str, value: str, attribute: str, expected: object) -> None:
        assert getattr(read_row(column, value), attribute) == expected

    @pytest.mark.parametrize(
        "column", ["filename", "file", "image", "Image Index", "image_id", "ImageID", "File Name"]
    )
    @pytest.mark.parametrize("written", ["b.png", "b", "x/y/b.png"])
    def test_a_name_of_a_file_in_any_folder(self, column: str, written: str) -> None:
        text = f"{column},label\n{written},PNEUMONIA\na.png,NORMAL\n"
        paths = ("a.png", "x/y/b.png", "x/masks/b.png", "@eaDir/b.png")
        assert [film.path for film in read_manifest(text, *paths).films] == ["a.png", "x/y/b.png"]

    def test_a_name_of_two_files_is_refused(self) -> None:
        text = "filename,label\na.png,NORMAL\n"
        with pytest.raises(DataError, match=r"line 2: 'a\.png' is the name of 2 files, 'x/a\.png'"):
            read_manifest(text, "y/a.png", "x/a.png")

    def test_a_path_is_no_name(self) -> None:
        with pytest.raises(DataError, match="names a file that is not below the data root"):
            read_manifest("path,label\nb.png,PNEUMONIA\n", "x/b.png")

    def test_mimic(self) -> None:
        text = (
            "dicom_id,subject_id,study_id,ViewPosition,label,split\n"
            "02aa-4e,10000032,50414267,PA,NORMAL,train\n"
            "174b-8c,10000033,50414268,AP,PNEUMONIA,validate\n"
        )
        films = read_manifest(
            text, "p10/p10000032/s50414267/02aa-4e.jpg", "p10/p10000033/s50414268/174b-8c.jpg"
        ).films
        assert [(film.patient_id, film.view) for film in films] == [
            ("10000032", "PA"), ("10000033", "AP"),
        ]  # fmt: skip
        assert films[1].given_split == "eval"

    def test_nih(self) -> None:
        text = (
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
            "View Position,OriginalImage[Width,Height]\n"
            "00000001_000.png,Cardiomegaly|Emphysema,0,1,058Y,M,PA,2682,2749\n"
            "00000002_000.png,No Finding,0,2,081Y,F,AP,2500,2048\n"
            "00000013_005.png,Infiltration|Pneumonia,5,13,060Y,M,AP,3056,2544\n"
        )
        paths = [f"images/{name}_{number}.png" for name, number in (
            ("00000001", "000"), ("00000002", "000"), ("00000013", "005"))]  # fmt: skip
        layout = read_manifest(text, *paths)
        assert layout.films == [
            Film(paths[1], "NORMAL", "none", "2", view="AP", sex="F", age_years=81),
            Film(paths[2], "PNEUMONIA", "unknown", "13", view="AP", sex="M", age_years=60),
        ]
        assert layout.ignored == [
            (paths[0], "neither No Finding nor Pneumonia: Cardiomegaly|Emphysema")
        ]
        assert any("the label is made from 'Finding Labels'" in note for note in layout.notes)
        assert any("1 films with neither are left out" in note for note in layout.notes)

    @pytest.mark.parametrize(
        ("findings", "label"),
        [
            ("No Finding", "NORMAL"), ("no finding", "NORMAL"), ("NORMAL", "NORMAL"),
            ("Pneumonia", "PNEUMONIA"), ("Edema|Pneumonia", "PNEUMONIA"),
            ("Pneumonia/Viral/COVID-19", "PNEUMONIA"), ("PNEUMONIA", "PNEUMONIA"),
            ("Effusion", None), ("", None), ("No Finding|Effusion", None), ("Pneumoniae?", None),
            ("No Pneumonia", None), ("Pneumonia ruled out", None),
            ("no evidence of pneumonia", None), ("viral pneumonia", "PNEUMONIA"),
        ],
    )  # fmt: skip
    def test_findings(self, findings: str, label: str | None) -> None:
        text = f"path,Finding Labels\nx.png,{findings}\na.png,No Finding\nb.png,Pneumonia\n"
        layout = read_manifest(text, "a.png", "b.png", "x.png")
        found = {film.path: film.label for film in layout.films}
        assert found.get("x.png") == label
        assert len(layout.films) + len(layout.ignored) == 3

    def test_a_label_goes_before_findings(self) -> None:
        text = "path,label,Finding Labels\na.png,NORMAL,Pneumonia\nb.png,PNEUMONIA,No Finding\n"
        assert [film.label for film in read_manifest(text, "a.png", "b.png").films] == [
            "NORMAL", "PNEUMONIA",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("header", "sentence"),
        [
            ("path,class", "there is no column 'label', and 'class' may be meant; write label"),
            ("path,Pneumonia", "no column 'label', and 'Pneumonia' may be meant"),
            ("path,label,Patient No", "no column 'patient_id', and 'Patient No' may be meant; wri"),
            ("path,label,MRN", "no column 'patient_id', and 'MRN' may be meant"),
            ("path,label,age_months", "no column 'age_years', and 'age_months' may be meant"),
            ("path,label,Dataset_type", "no column 'split', and 'Dataset_type' may be meant"),
            ("X_ray_image_name,label", "no column 'path', and 'X_ray_image_name' may be meant"),
            ("filename,image,label", "the columns 'filename' and 'image' may all be path; na"),
            ("path,label,Patient ID,subject_id", "'Patient ID' and 'subject_id' may all be patien"),
            ("path,label,Label", "the column 'label' is there twice"),
            ("path,label,patient_id_hash", "'patient_id_hash' may be meant; write patient_id"),
            ("path,label,id", "'id' may be meant; write patient_id"),
            ("path,label,Pat ID", "'Pat ID' may be meant; write patient_id"),
            ("path,label,Case", "'Case' may be meant; write patient_id"),
            ("path,label,Medical Record Number", "may be meant; write patient_id"),
            ("path,label,Age (months)", "'Age (months)' may be meant; write age_years"),
            ("path,label,Age group", "'Age group' may be meant; write age_years"),
            ("path,label,is_male", "'is_male' may be meant; write sex"),
            ("path,label,sex_code_1", "'sex_code_1' may be meant; write sex"),
            ("path,label,View code 2", "'View code 2' may be meant; write view"),
            ("path,label,Position", "'Position' may be meant; write view"),
            ("path,label,Hospital number", "'Hospital number' may be meant; write site"),
            ("path,label,source", "'source' may be meant; write site"),
            ("path,label,is_train", "'is_train' may be meant; write split"),
            ("path,label,train/test", "'train/test' may be meant; write split"),
            ("path,label,CV fold", "'CV fold' may be meant; write split"),
            ("path,label,hospital,centre", "'hospital' and 'centre' may all be site"),
        ],
    )  # fmt: skip
    def test_nearly_right_columns_are_refused_with_the_name_meant(
        self, header: str, sentence: str
    ) -> None:
        with pytest.raises(DataError) as error:
            read_manifest(f"{header}\n", "a.png")
        assert str(error.value).startswith("manifest.csv line 1: ")
        assert sentence in str(error.value)

    @pytest.mark.parametrize(
        "column",
        ["study_id", "Patient Weight", "Patient Orientation", "window_center", "center_x", "pain",
         "inpatient", "stage", "dosage", "image_id", "offset", "PCR test", "StudyDate", "padding",
         "Follow-up #", "test_id", "imaging modality", "case type"],
    )  # fmt: skip
    def test_columns_that_are_something_else(self, column: str) -> None:
        text = f"path,label,{column}\na.png,NORMAL,1\nb.png,PNEUMONIA,2\n"
        layout = read_manifest(text, "a.png", "b.png")
        assert layout.notes[0] == f"manifest.csv: nothing is made of the column '{column}'."

    def test_our_own_name_goes_before_another(self) -> None:
        text = "path,label,Patient ID,patient_id\nb.png,PNEUMONIA,no,yes\na.png,NORMAL,no,yes2\n"
        layout = read_manifest(text, "a.png", "b.png")
        assert [film.patient_id for film in layout.films] == ["yes2", "yes"]
        assert layout.notes == ["manifest.csv: nothing is made of the column 'Patient ID'."]

    def test_columns_that_are_not_used_are_said(self) -> None:
        text = "path,label,,kvp,mAs,patient_id\na.png,NORMAL,,1,2,x\nb.png,PNEUMONIA,,1,2,y\n"
        assert read_manifest(text, "a.png", "b.png").notes == [
            "manifest.csv: nothing is made of the columns 'kvp', 'mAs'."
        ]

    def test_words_that_are_no_id_do_not_make_one_patient_of_many(self) -> None:
        words = ["nan", "unknown", "0", "N/A", "", "NULL", "-", "None"]
        rows = "".join(f"{i}.png,NORMAL,{word}\n" for i, word in enumerate(words))
        paths = [f"{i}.png" for i in range(len(words))]
        layout = read_manifest(
            f"path,label,patient_id\n{rows}b.png,PNEUMONIA,7.0\nc.png,PNEUMONIA,7\n",
            *paths, "b.png", "c.png",
        )  # fmt: skip
        assert [film.patient_id for film in layout.films] == [*map(str, range(8)), "7", "7"]
        assert layout.notes[0].startswith("8 films have no patient id in manifest.csv, where ")


class TestManifestName:
    @pytest.mark.parametrize("name", ["Manifest.csv", "MANIFEST.CSV", "manifest.CSV"])
    def test_case_does_not_matter(self, name: str) -> None:
        text = "path,label\na.png,NORMAL\nb.png,PNEUMONIA\n"
        layout = read_films(("a.png", "b.png", name), {name: text}.__getitem__, IngestOptions())
        assert (layout.kind, layout.ignored) == ("manifest", [])

    def test_two_candidates_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"'Manifest\.csv' and 'manifest\.csv' may both be the"):
            read_folders(*TWO_FILMS, "manifest.csv", "Manifest.csv")

    def test_tabs_separate_too(self) -> None:
        text = "path\tlabel\tsite\na.png\tNORMAL\tx, y\nb.png\tPNEUMONIA\tz\n"
        layout = read_films(
            ("a.png", "b.png", "m.tsv"),
            {"m.tsv": text}.__getitem__,
            IngestOptions(manifest="m.tsv"),
        )
        assert [film.site for film in layout.films] == ["x, y", "z"]

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            ("metadata.csv", "'metadata.csv' is not read; if it names the films, set data.mani"),
            ("manifest.tsv", "set data.manifest='manifest.tsv'"),
            ("Manifest.xlsx", "save it as CSV and set data.manifest to that file"),
            ("meta/manifest.csv", "set data.manifest='meta/manifest.csv'"),
        ],
    )  # fmt: skip
    def test_a_table_beside_class_folders_is_named(self, table: str, sentence: str) -> None:
        assert any(sentence in note for note in read_folders(*TWO_FILMS, table).notes)
        with pytest.raises(DataError) as error:
            read_folders("films/a.png", table)
        assert sentence in str(error.value)


class TestNearlyRightFolders:
    @pytest.mark.parametrize(
        ("path", "sentence"),
        [
            ("test_set/NORMAL/x.png", "'test_set' is not read as a split, so its 1 file is ignored"
             "; rename it to test."),
            ("Test-Set/PNEUMONIA/x.png", "'Test-Set' is not read as a split"),
            ("training_set/NORMAL/x.png", "rename it to train."),
            ("trainset/NORMAL/x.png", "rename it to train."),
            ("Validation Data/NORMAL/x.png", "rename it to val."),
            ("tests/NORMAL/x.png", "rename it to test."),
            ("normals/x.png", "'normals' is not read as a class, so its 1 file is ignored; rename "
             "it to NORMAL."),
            ("Pneumonia cases/x.png", "'Pneumonia cases' is not read as a class"),
            ("test/Viral Pneumonia/x.png", "'test/Viral Pneumonia' is not read as a class, so its "
             "1 file is ignored; rename it to PNEUMONIA."),
            ("PNUEMONIA/x.png", "rename it to PNEUMONIA."),
            ("no_pneumonia/x.png", "rename it to NORMAL or PNEUMONIA."),
            ("xray/NORMAL/x.png", "'xray' is not read as a split"),
            ("train/VIRUS/x.png", "'train/VIRUS' is not read as a class, so its 1 file is ignored; "
             "rename it to PNEUMONIA."),
            ("bacteria/x.png", "rename it to PNEUMONIA."),
        ],
    )  # fmt: skip
    def test_are_named(self, path: str, sentence: str) -> None:
        layout = read_folders(*TWO_FILMS, path)
        assert (path, "not in a class folder") in layout.ignored
        assert any(sentence in note for note in layout.notes)

    @pytest.mark.parametrize(
        "path",
        [
            "README.md",
            "docs/x.png",
            "abnormal findings/x.txt",
            "train/test_set/x.png",
            "train/val/NORMAL/x.png",
        ],
    )
    def test_others_are_not(self, path: str) -> None:
        patient_note = read_folders(*TWO_FILMS).notes
        hints = [note for note in read_folders(*TWO_FILMS, path).notes if note not in patient_note]
        assert all("NORMAL or PNEUMONIA" in note for note in hints)
        assert bool(hints) == path.startswith("abnormal")

    def test_the_most_files_come_first(self) -> None:
        many = [f"test_set/{label}/{i}.png" for label in ("NORMAL", "PNEUMONIA") for i in range(40)]
        notes = read_folders(*TWO_FILMS, "normals/x.png", *many).notes
        assert notes[0].startswith("'test_set' is not read as a split, so its 80 files are ignored")
        assert notes[1].startswith("'normals'")

    @pytest.mark.parametrize("folder", ["NORMAL ", " Normal", "normal"])
    def test_blanks_and_case_do_not_matter(self, folder: str) -> None:
        assert len(read_folders(f"{folder}/a.png", "PNEUMONIA/b.png").films) == 2

    def test_a_missing_class_is_said_with_what_is_nearly_it(self) -> None:
        with pytest.raises(DataError, match="needed: 'normals' is not read as a class"):
            read_folders("normals/a.png", "PNEUMONIA/b.png")

    def test_a_split_below_a_class(self) -> None:
        layout = read_folders("NORMAL/train/a.png", "NORMAL/test/b.png", "PNEUMONIA/c.png")
        assert {film.given_split for film in layout.films} == {""}
        assert layout.notes[0].startswith(
            "'NORMAL/test', 'NORMAL/train': a folder below a class is"
        )
        (note, *_) = read_folders("NORMAL/a.png", "PNEUMONIA/test_set/c.png").notes
        assert note.startswith("'PNEUMONIA/test_set': a folder below a class is not read as a")

    def test_a_class_below_the_other(self) -> None:
        layout = read_folders(*TWO_FILMS, "train/NORMAL/Pneumonia/x.png")
        assert [film.label for film in layout.films if "x" in film.path] == ["NORMAL"]
        assert layout.notes[0].startswith(
            "'train/NORMAL/Pneumonia' is named for two classes, and its films are read as NORMAL"
        )
        assert not any("two classes" in note for note in read_folders(*TWO_FILMS).notes)

    @pytest.mark.parametrize("name", ["labels.csv.txt", "labels.csv"])
    def test_a_table_is_named(self, name: str) -> None:
        notes = read_folders(*TWO_FILMS, name).notes
        assert any(f"if it names the films, set data.manifest='{name}'" in note for note in notes)


class TestBesideFilms:
    def test_masks_beside_images(self) -> None:
        layout = read_folders(*[
            f"{label}/{folder}/{number}.png"
            for label in ("NORMAL", "PNEUMONIA") for folder in ("images", "masks")
            for number in range(3)
        ])  # fmt: skip
        assert len(layout.films) == 6
        assert all("/images/" in film.path for film in layout.films)
        assert {reason for _, reason in layout.ignored} == {"mask or other annotation, not a film"}

    def test_a_class_of_which_all_is_set_aside_is_said(self) -> None:
        with pytest.raises(DataError) as error:
            read_folders("NORMAL/infection masks/a.png", "NORMAL/x.txt", "PNEUMONIA/b.png")
        assert str(error.value).startswith(
            "all files in the class folder NORMAL are set aside, such as 'NORMAL/infection "
            "masks/a.png' (mask or other annotation, not a film); both classes are needed"
        )

    def test_texts_in_a_class_are_ignored_and_a_mask_without_film_is_said(self) -> None:
        layout = read_folders(*TWO_FILMS, "NORMAL/a.txt", "NORMAL/Thumbs.db", "NORMAL/q_mask.png")
        assert [film.path for film in layout.films] == [
            "NORMAL/a.png", "NORMAL/q_mask.png", "PNEUMONIA/b.png",
        ]  # fmt: skip
        assert ("NORMAL/a.txt", "text or table, not a picture") in layout.ignored
        assert any("1 film is named like a mask" in note for note in layout.notes)

    def test_a_manifest_may_name_what_it_likes(self) -> None:
        text = "path,label\nmasks/a.png,NORMAL\n.x/b.png,PNEUMONIA\n"
        assert len(read_manifest(text, "masks/a.png", ".x/b.png").films) == 2

    def test_lateral_views_are_set_aside(self) -> None:
        aside = ("NORMAL/view2_lateral.jpg", "PNEUMONIA/Lateral/3.png")
        kept = (
            "NORMAL/bilateral.png",
            "PNEUMONIA/lateral_decubitus.png",
            "NORMAL/FrontalLateral.png",
        )
        layout = read_folders(*TWO_FILMS, *aside, *kept)
        reason = "named for a lateral view; frontal films are read"
        assert layout.ignored == [(path, reason) for path in aside]
        assert len(layout.films) == 5

    @pytest.mark.parametrize("name", ["Icon\r", "a.png:Zone.Identifier"])
    def test_what_systems_leave_beside_films_is_hidden(self, name: str) -> None:
        assert read_folders(*TWO_FILMS, f"NORMAL/{name}").ignored == [
            (f"NORMAL/{name}", "hidden or system file")
        ]


class TestLinks:
    def read(self, links: dict[str, str], *paths: str) -> Layout:
        return read_films(paths, str, IngestOptions(), links)

    def test_a_link_within_the_class_is_no_second_film(self) -> None:
        layout = self.read({"NORMAL/0.png": "NORMAL/a.png"}, *TWO_FILMS, "NORMAL/0.png")
        assert [film.path for film in layout.films] == list(TWO_FILMS)
        assert layout.ignored == [
            ("NORMAL/0.png", "another name of a film that is read: NORMAL/a.png")
        ]

    def test_links_in_class_folders_to_files_outside_them_are_the_films(self) -> None:
        links = {"NORMAL/a.png": "all/1.png", "PNEUMONIA/b.png": "all/2.png"}
        layout = self.read(links, *TWO_FILMS, "all/1.png", "all/2.png", "all/3.png")
        assert [film.path for film in layout.films] == list(TWO_FILMS)
        assert layout.ignored == [
            ("all/1.png", "another name of a film that is read: NORMAL/a.png"),
            ("all/2.png", "another name of a film that is read: PNEUMONIA/b.png"),
            ("all/3.png", "not in a class folder"),
        ]

    def test_a_film_under_both_classes_stays_under_both(self) -> None:
        layout = self.read({"PNEUMONIA/a.png": "NORMAL/a.png"}, *TWO_FILMS, "PNEUMONIA/a.png")
        assert len(layout.films) == 3


class TestRealRadiographs:
    def test_kermany_patients_by_rule_are_those_of_the_manifest(self) -> None:
        """The manifest spells a patient `virus-person7`; who is one with whom is the same."""
        by_rule = {film.path: film for film in read_shared("kermany224", layout="folders").films}
        table = pd.read_csv(SHARED_DATA / "kermany224" / "manifest.csv", keep_default_na=False)
        assert len(by_rule) == len(table) == 5232
        films_of: dict[str, set[str]] = defaultdict(set)
        for film in by_rule.values():
            films_of[film.patient_id].add(film.path)
        assert {frozenset(paths) for paths in films_of.values()} == {
            frozenset(paths) for paths in table.groupby("patient_id")["path"]
            .apply(list)
        }  # fmt: skip
        normal = table[table.label == "NORMAL"]
        assert [by_rule[path].patient_id for path in normal.path] == list(normal.patient_id)
        subtypes = table.subtype.replace("", "none")
        assert [by_rule[path].subtype for path in table.path] == list(subtypes)

    def test_kermany_folders_and_manifest_agree_on_labels_and_splits(self) -> None:
        by_folder, by_manifest = (
            [(film.path, film.label, film.given_split) for film in read_shared(
                "kermany224", layout=layout).films]
            for layout in ("folders", "manifest")
        )  # fmt: skip
        assert by_folder == by_manifest
        assert sum(split == "eval" for _, _, split in by_folder) == 16

    def test_kermany_at_original_size(self) -> None:
        layout = read_shared("kermany_original")
        assert (layout.kind, len(layout.films), layout.ignored) == ("folders", 240, [])
        assert {film.given_split for film in layout.films} == {"train"}

    def test_nih_manifest(self) -> None:
        layout = read_shared("nih_adult")
        table = pd.read_csv(SHARED_DATA / "nih_adult" / "manifest.csv").sort_values("path")
        assert layout.kind == "manifest"
        for column in ("path", "label", "patient_id", "age_years", "sex", "view", "site"):
            assert [getattr(film, column) for film in layout.films] == list(table[column])
