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
            "masks/b.png": "not in a class folder",
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
            (("xray/train/NORMAL/a.png",), "they are in 'xray', so make that --data-root"),
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
            ("sex", "male", "sex", "M"), ("sex", "o", "sex", "O"), ("sex", "", "sex", "unknown"),
            ("age_years", "0", "age_years", 0), ("age_years", "120", "age_years", 120),
            ("age_years", "0.5", "age_years", 0), ("age_years", "", "age_years", -1),
            ("split", "val", "given_split", "eval"), ("split", "", "given_split", ""),
            ("subtype", "", "subtype", "unknown"),
        ],
    )  # fmt: skip
    def test_values(self, column: str, value: str, attribute: str, expected: object) -> None:
        assert getattr(read_row(column, value), attribute) == expected

    @pytest.mark.parametrize(
        ("column", "value", "sentence"),
        [
            ("view", "LATERAL", "line 2: the view 'LATERAL' is not known; only frontal films"),
            ("sex", "X", "line 2: the sex 'X' is not known; write M, F or O"),
            ("age_years", "031Y", "line 2: the age_years '031Y' is no age; write a number from 0"),
            ("age_years", "-1", "line 2: the age_years '-1' is no age"),
            ("age_years", "121", "line 2: the age_years '121' is no age"),
            ("age_years", "nan", "line 2: the age_years 'nan' is no age"),
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
                "file,label\n",
                "line 1: there is no column 'path'; add it to the header, which is: f",
            ),
            ("path,class\n", "line 1: there is no column 'label'"),
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
