"""Several sites and spans in one data root: each folder by itself, patients never mixed up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.features import LABELS
from radiographs.data_roots import read_layout
from radiographs.errors import DataError
from radiographs.ingest_account import account
from radiographs.ingest_plan import plan_ingest
from radiographs.inspect import __main__ as command
from radiographs.layouts import Layout, read_films
from radiographs.local_roots import LocalRoot
from radiographs.measures import FilmFiles
from radiographs.options import IngestOptions
from radiographs.pseudonyms import pseudonyms_of, real_path, write_new_key
from radiographs.sites import Files, id_within_site, read_all_films, tell_sites_apart
from radiographs.spans import window_of
from tests.dicom_films import dicom_file
from tests.support import draw_film, write_films

SITES = IngestOptions(layout="sites")
MANIFEST = "path,label,patient_id,site\nx/1.png,NORMAL,17,ward\nx/2.png,PNEUMONIA,18,ward\n"
FOLDERS = ("NORMAL/17.png", "PNEUMONIA/18.png")


def read(
    paths: Mapping[str, str] | tuple[str, ...], options: IngestOptions = SITES, **links: str
) -> Layout:
    texts = dict(paths) if isinstance(paths, Mapping) else {}
    window = window_of(list(paths), options.spans)
    inside = [path for path in paths if window.holds(path)]
    found = read_all_films(Files(inside, texts.__getitem__, links), options, window)
    return tell_sites_apart(found)


def below(folder: str, *paths: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{path}" for path in paths)


class TestSites:
    def test_each_has_a_layout_of_its_own_and_patients_of_its_own(self) -> None:
        files = dict.fromkeys((*below("city", *FOLDERS), *below("coast", "x/1.png", "x/2.png")), "")
        layout = read({**files, "coast/manifest.csv": MANIFEST})
        assert (layout.kind, layout.folders) == (
            "sites", {"city": "folders", "coast": "manifest"},
        )  # fmt: skip
        assert [(film.path, film.label, film.patient_id, film.site) for film in layout.films] == [
            ("city/NORMAL/17.png", "NORMAL", "city/17", "city"),
            ("city/PNEUMONIA/18.png", "PNEUMONIA", "city/18", "city"),
            ("coast/x/1.png", "NORMAL", "coast/17", "coast"),
            ("coast/x/2.png", "PNEUMONIA", "coast/18", "coast"),
        ]
        assert layout.notes[0] == "Sites: city 2 films of 2 patients; coast 2 films of 2 patients."
        assert (
            "coast: its films are named for other sites, such as 'ward': the folder decides."
            in layout.notes
        )
        assert {id_within_site(film.patient_id, film.site) for film in layout.films} == {"17", "18"}

    def test_a_public_set_and_class_folders(self) -> None:
        table = (
            "Image Index,Finding Labels,Patient ID\n"
            "00000001_000.png,No Finding,1\n00000002_000.png,Pneumonia|Edema,2\n"
        )
        films = ("nih/images/00000001_000.png", "nih/images/00000002_000.png")
        files = dict.fromkeys((*films, *below("own", *FOLDERS)), "")
        layout = read({**files, "nih/Data_Entry_2017.csv": table})
        assert [film.patient_id for film in layout.films] == ["nih/1", "nih/2", "own/17", "own/18"]

    def test_splits_that_are_given_are_those_of_the_site(self) -> None:
        paths = (*below("a/test", *FOLDERS), *below("b", *FOLDERS))
        assert [film.given_split for film in read(paths).films] == ["test", "test", "", ""]

    def test_what_is_in_no_site_is_said(self) -> None:
        stray = (".git/config", "LICENCE.txt", "scan.png")
        layout = read((*below("a", *FOLDERS), *stray))
        assert layout.ignored == [
            (".git/config", "hidden or system file"),
            ("LICENCE.txt", "text or table, not a picture"),
            ("scan.png", "not in the folder of a site"),
        ]

    def test_a_film_is_taken_once_whatever_its_names(self) -> None:
        paths = (*below("a", *FOLDERS), "a/NORMAL/again.png")
        layout = read(paths, SITES, **{"a/NORMAL/again.png": "a/NORMAL/17.png"})
        assert layout.ignored == [
            ("a/NORMAL/again.png", "another name of a film that is read: a/NORMAL/17.png")
        ]

    @pytest.mark.parametrize(
        ("paths", "why"),
        [
            (
                ("a/NORMAL/1.png", *below("b", *FOLDERS)),
                r"^the folder 'a', read as a data root of its own: the class folder PNEUMONIA is",
            ),
            (
                ("a/readme.txt", *below("b", *FOLDERS)),
                r"^the folder 'a', read as a data root of its own: the data root has no class fol",
            ),
            (
                below("train", *FOLDERS),
                r"^data.layout=sites, but 'train' is named for a split; put the folders of sites a",
            ),
            (FOLDERS, r"'NORMAL/17.png' is not in the folder of a site|'NORMAL' is named for a cl"),
            (("1.png",), r"^data.layout=sites, but the data root has no folders"),
            (
                ("manifest.csv", *below("a", *FOLDERS)),
                r"^'manifest.csv' is not in the folder of a site, while others are in one",
            ),
        ],
    )
    def test_a_bad_one_is_one_sentence(self, paths: tuple[str, ...], why: str) -> None:
        with pytest.raises(DataError, match=why) as caught:
            read(paths)
        assert "\n" not in str(caught.value)

    def test_they_are_not_guessed_but_named(self) -> None:
        with pytest.raises(DataError, match=r"in 'a' and 'b': make one .* set data.layout=sites$"):
            read((*below("a", *FOLDERS), *below("b", *FOLDERS)), IngestOptions())

    def test_one_folder_is_read_as_ever(self) -> None:
        plain = read(FOLDERS, IngestOptions())
        assert plain == read_films(FOLDERS, str, IngestOptions())
        assert (plain.kind, plain.films[0].patient_id) == ("folders", "17")


class TestSpans:
    def test_spans_share_their_patients_and_no_site_is_made_up(self) -> None:
        layout = read((*below("span-1", *FOLDERS), *below("span-2", *FOLDERS)), IngestOptions())
        assert layout.kind == "spans"
        assert [film.patient_id for film in layout.films] == ["17", "18", "17", "18"]
        assert {film.site for film in layout.films} == {"unknown"}
        assert [span.number for span in layout.spans] == [1, 2]

    def test_only_the_window_is_read(self) -> None:
        bad = ("span-1/NORMAL/1.png",)  # of one class, which does not matter outside the window
        layout = read((*bad, *below("span-2", *FOLDERS)), IngestOptions(spans="last:1"))
        assert [film.path for film in layout.films] == list(below("span-2", *FOLDERS))
        assert layout.ignored == []
        assert layout.notes[0] == "Read: span 2; span 1 not (data.spans=last:1)."

    def test_the_sites_of_spans(self) -> None:
        paths = (
            *below("span-1/a", *FOLDERS), *below("span-1/b", *FOLDERS),
            *below("span-2/a", "NORMAL/17.png", "NORMAL/19.png"), "span-2/notes.txt",
        )  # fmt: skip
        layout = read(paths)
        assert list(layout.folders) == ["span-1/a", "span-2/a", "span-1/b"]
        assert sorted({film.patient_id for film in layout.films}) == [
            "a/17", "a/18", "a/19", "b/17", "b/18",
        ]  # fmt: skip
        assert layout.ignored == [("span-2/notes.txt", "text or table, not a picture")]

    def test_one_spelling_of_a_patient_in_all_spans_of_a_site(self) -> None:
        manifests = {
            f"span-{n}/{site}/manifest.csv": f"path,label,patient_id\n1.png,NORMAL,{patient}\n"
            "2.png,PNEUMONIA,other\n"
            for n, site, patient in ((1, "a", "P-017"), (2, "a", "p17"), (2, "b", "P17"))
        }
        films = [
            path.replace("manifest.csv", f"{film}.png") for path in manifests for film in (1, 2)
        ]
        layout = read({**manifests, **dict.fromkeys(films, "")})
        first = [film.patient_id for film in layout.films if film.path.endswith("1.png")]
        assert first == ["a/P-017", "a/P-017", "b/P17"]

    @pytest.mark.parametrize("options", [SITES, IngestOptions()])
    def test_a_span_may_lack_a_class_but_all_of_them_may_not(self, options: IngestOptions) -> None:
        folder = "span-{}/a" if options.layout == "sites" else "span-{}"
        one, other = folder.format(1), folder.format(2)
        assert len(read((f"{one}/NORMAL/1.png", f"{other}/PNEUMONIA/2.png"), options).films) == 2
        whose = "the site 'a'" if options.layout == "sites" else "all spans that are read"
        why = rf"^{whose}: there is no film of PNEUMONIA; .* \(data.spans\)$"
        with pytest.raises(DataError, match=why):
            read((f"{one}/NORMAL/1.png", f"{other}/NORMAL/2.png"), options)

    @pytest.mark.parametrize("stray", ["NORMAL/1.png", "train/NORMAL/1.png", "manifest.csv"])
    def test_films_beside_spans_are_refused(self, stray: str) -> None:
        with pytest.raises(DataError, match=f"^'{stray}' is not in the folder of a span, while"):
            read((stray, *below("span-1", *FOLDERS)), IngestOptions())

    def test_spans_below_a_site_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"'a' holds spans; put the folders of spans above"):
            read(below("a/span-1", *FOLDERS))


def write_sites(root: Path) -> None:
    """Two sites with the same file names, so that ids collide unless told apart."""
    for number, site in enumerate(("city", "coast")):
        for place, label in enumerate(LABELS):
            write_films(root / site, label, 30, first_seed=1000 * number + 100 * place)


class TestPlan:
    def test_every_site_is_in_every_split(self, tmp_path: Path) -> None:
        write_sites(tmp_path)
        layout, plan = plan_ingest(FilmFiles(LocalRoot(str(tmp_path)), SITES))
        assert len({film.patient_id for film in layout.films}) == len(layout.films) == 120
        counts = account(layout, plan, [])
        # Of 30 films of a class, the middles of five lie below 15 %, those of nine below 30 %.
        by_split = {"train": 42, "eval": 10, "test": 8}
        assert counts["sites"] == {"city": by_split, "coast": by_split}
        assert counts["folders"] == {"city": "folders", "coast": "folders"}

    def test_a_site_without_splits_is_carved_beside_one_that_has_them(self, tmp_path: Path) -> None:
        write_sites(tmp_path / "films")
        for split in ("val", "test"):
            for place, label in enumerate(LABELS):
                folder = tmp_path / "films" / "city" / split
                write_films(folder, label, 10, first_seed=5000 + 100 * place + len(split))
                for film in (folder / label).iterdir():
                    film.rename(film.with_name(f"{split}-{film.name}"))
        options = SITES.model_copy(update={"min_eval_films_per_class": 5})
        layout, plan = plan_ingest(FilmFiles(LocalRoot(str(tmp_path / "films")), options))
        counts = account(layout, plan, [])["sites"]
        assert counts["city"] == {"train": 60, "eval": 20, "test": 20}
        assert counts["coast"] == {"train": 42, "eval": 10, "test": 8}
        assert "test is carved from 60 films of 60 patients by patient: 8 films of 8 patients." in (
            plan.notes
        )
        assert "No split is given for 60 of 100 films: they count as train." in plan.notes
        assert "The given test split stays: 20 films of 20 patients." in plan.notes

    def test_nobody_moves_when_a_span_is_added(self, tmp_path: Path) -> None:
        for span in (1, 2):
            for place, label in enumerate(LABELS):
                first = 1000 * span + 500 * place
                write_films(tmp_path / f"span-{span}", label, 60 * span, first)
        before, after = (
            plan_ingest(FilmFiles(LocalRoot(str(tmp_path)), IngestOptions(spans=spans)))[1]
            for spans in ("0-1", "all")
        )
        assert len(after.split_of) == 3 * len(before.split_of) == 360
        assert before.split_of.items() <= after.split_of.items()

    def test_a_film_of_two_sites_keeps_both_patients_together(self, tmp_path: Path) -> None:
        write_sites(tmp_path)
        for number in range(30):
            shutil.copy(
                tmp_path / "city" / "NORMAL" / f"normal{number}.png",
                tmp_path / "coast" / "NORMAL" / f"normal{29 - number}.png",
            )
        _, plan = plan_ingest(FilmFiles(LocalRoot(str(tmp_path)), SITES))
        for number in range(30):
            own, other = (
                plan.split_of[f"{site}/NORMAL/normal{n}.png"]
                for site, n in (("city", number), ("coast", 29 - number))
            )
            assert own == other

    def test_the_same_bytes_under_both_labels_at_two_sites_stop(self, tmp_path: Path) -> None:
        write_sites(tmp_path)
        shutil.copy(
            tmp_path / "city" / "NORMAL" / "normal1.png",
            tmp_path / "coast" / "PNEUMONIA" / "pneumonia1.png",
        )
        with pytest.raises(DataError, match=r"label conflict.*'city/NORMAL/normal1.png' \(NORMAL"):
            plan_ingest(FilmFiles(LocalRoot(str(tmp_path)), SITES))


@pytest.mark.parametrize("folder", ["harbour", "harbour/NORMAL", "span"])
def test_a_folder_without_any_file_is_no_site(tmp_path: Path, folder: str) -> None:
    write_sites(tmp_path)
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".cache" / "films").mkdir(parents=True)
    name = folder.partition("/")[0]
    with pytest.raises(DataError, match=f"^the folder '{name}', read .*: the data root holds no f"):
        read_layout(LocalRoot(str(tmp_path)), SITES)


def test_a_site_whose_disk_is_not_there_stops(tmp_path: Path) -> None:
    write_sites(tmp_path)
    (tmp_path / "harbour").symlink_to(tmp_path / "unmounted")
    with pytest.raises(DataError, match=r"^the folder 'harbour', read .* holds no f"):
        read_layout(LocalRoot(str(tmp_path)), SITES)


def test_a_span_whose_disk_is_not_there_stops(tmp_path: Path) -> None:
    for label in LABELS:
        write_films(tmp_path / "span-1", label, 2)
    (tmp_path / "span-2").symlink_to(tmp_path / "unmounted")
    with pytest.raises(DataError, match="'span-2'"):
        read_layout(LocalRoot(str(tmp_path)), IngestOptions(spans="last:1"))


def test_any_other_link_that_leads_nowhere_is_listed(tmp_path: Path) -> None:
    for label in LABELS:
        write_films(tmp_path, label, 2)
    (tmp_path / "more").symlink_to(tmp_path / "unmounted")
    found = read_layout(LocalRoot(str(tmp_path)), IngestOptions())
    assert found.ignored == [("more", "a link that leads nowhere")]
    assert not found.has_pseudonyms


class TestDicomSite:
    """A tree of patients at one site, whose names go nowhere, beside class folders at another."""

    @pytest.fixture(name="root")
    def write_root(self, tmp_path: Path) -> Path:
        root = tmp_path / "films"
        write_films(root / "city", "NORMAL", 2)
        write_films(root / "city", "PNEUMONIA", 2, first_seed=9)
        (root / "coast" / "MUELLER").mkdir(parents=True)
        rows = ["AccessionNumber,label"]
        for number, label in enumerate(LABELS):
            content = dicom_file(
                draw_film(30 + number), PatientID="17", AccessionNumber=f"ACC{number}",
                StudyDate=f"2026010{1 + 3 * number}",
            )  # fmt: skip
            (root / "coast" / "MUELLER" / f"{number}.dcm").write_bytes(content)
            rows.append(f"ACC{number},{label}")
        rows.append("ACC9,NORMAL")
        (root / "coast" / "MUELLER" / "letter.txt").write_text("Dear")
        (root / "coast" / "labels.csv").write_text("\n".join(rows))
        (root / "MUELLER 2026.txt").write_text("beside the sites")
        (root / "city" / "NORMAL" / "normal0.png").rename(root / "city" / "NORMAL" / "17.png")
        return root

    @pytest.fixture(name="options")
    def write_key(self, tmp_path: Path) -> IngestOptions:
        write_new_key(tmp_path / "key")
        return SITES.model_copy(update={"pseudonym_key_file": str(tmp_path / "key")})

    def test_names_are_hidden_and_ids_told_apart(self, root: Path, options: IngestOptions) -> None:
        layout = read_layout(LocalRoot(str(root)), options)
        assert layout.folders == {"city": "folders", "coast": "dicom"}
        assert layout.has_pseudonyms
        pseudonym = pseudonyms_of(options.pseudonym_key_file, remote=False)[0].of("patient", "17")
        ids = {film.path: film.patient_id for film in layout.films}
        assert ids["city/NORMAL/17.png"] == f"city/{pseudonym}"
        of_coast = [film for film in layout.films if film.site == "coast"]
        assert {film.patient_id for film in of_coast} == {f"coast/{pseudonym}"}
        assert sorted(film.tags.study_day for film in of_coast) == [0, 3]
        told = repr([layout.films, layout.notes, layout.ignored])
        assert "MUELLER" not in told and "ACC9" not in told
        assert ("coast/labels.csv line 4", "row without a DICOM film of its accession number") in (
            layout.ignored
        )

    def test_a_note_names_nobody(self, root: Path, options: IngestOptions) -> None:
        nameless = dicom_file(draw_film(40), PatientID="", AccessionNumber="ACC0")
        (root / "coast" / "MUELLER" / "nameless.dcm").write_bytes(nameless)
        layout = read_layout(LocalRoot(str(root)), options)
        (note,) = (one for one in layout.notes if one.startswith("coast: The name of 1 of 3"))
        (film,) = (one for one in layout.films if real_path(one.path).endswith("nameless.dcm"))
        assert f"such as '{film.path}'" in note
        assert "MUELLER" not in repr(layout.notes)

    def test_an_error_names_nobody(self, root: Path, options: IngestOptions) -> None:
        (root / "coast" / "labels.csv").write_text("AccessionNumber,label\nACC0,NORMAL\n")
        with pytest.raises(DataError, match=r"^the folder 'coast'") as caught:
            read_layout(LocalRoot(str(root)), options)
        assert "MUELLER" not in str(caught.value)


def test_inspection_shows_sites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sites(tmp_path / "films")
    arguments: list[Any] = [tmp_path / "films", "--set", "data.layout=sites"]
    assert command.main([*map(str, arguments), "--html", str(tmp_path / "page.html")]) == 0
    shown = capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    for line in (
        "layout: sites: city (folders), coast (folders)",
        "site city: train 42, eval 10, test 8",
        "Sites: city 60 films of 60 patients; coast 60 films of 60 patients.",
    ):
        assert line in shown and line in page


class TestSlips:
    """What a hand does by accident, and what would lose films or make one patient two."""

    @pytest.mark.parametrize("other", ["City", "city ", "CITY"])
    def test_sites_that_are_likely_one(self, other: str) -> None:
        with pytest.raises(DataError, match=f"the sites '{min('city', other)}' and '.*' differ in"):
            read((*below("city", *FOLDERS), *below(other, *FOLDERS)))
        spans = (*below("span-1/city", *FOLDERS), *below(f"span-2/{other}", *FOLDERS))
        with pytest.raises(DataError, match="differ in capitals or spaces alone; give both"):
            read(spans)
        read((*below("city", *FOLDERS), *below("city b", *FOLDERS)))

    @pytest.mark.parametrize("folder", ["span-1 (copy)", "span-2-final", "2026-02-01", "city"])
    @pytest.mark.parametrize("options", [SITES, IngestOptions()])
    def test_films_in_a_folder_beside_spans(self, folder: str, options: IngestOptions) -> None:
        inside = "span-1/coast" if options is SITES else "span-1"
        files = (*below(inside, *FOLDERS), f"{folder}/train/NORMAL/2.png")
        with pytest.raises(DataError, match=r"train/NORMAL/2\.png' is not in the folder of a span"):
            read(files, options)
        with pytest.raises(DataError, match=r"manifest\.csv' is not in the folder of a span"):
            read((*below(inside, *FOLDERS), f"{folder}/manifest.csv"), options)
        notes = f"{folder}/notes.txt"
        assert (notes, "text or table, not a picture") in read((*files[:2], notes), options).ignored

    @pytest.mark.parametrize("options", [SITES, IngestOptions()])
    @pytest.mark.parametrize("newest", ["span-2", "span-1/version-2"])
    def test_a_newest_folder_without_files(
        self, tmp_path: Path, options: IngestOptions, newest: str
    ) -> None:
        inside = "span-1/version-1" if "version" in newest else "span-1"
        site = tmp_path / inside / ("city" if options is SITES else "")
        write_films(site, "NORMAL", 2)
        write_films(site, "PNEUMONIA", 2, first_seed=9)
        latest = options.model_copy(update={"spans": "last:1"})
        assert len(read_layout(LocalRoot(str(tmp_path)), latest).films) == 4
        (tmp_path / newest).mkdir()
        with pytest.raises(DataError, match=f"'{newest}'.* (holds no files|has no folders); "):
            read_layout(LocalRoot(str(tmp_path)), latest)

    def test_films_beside_the_versions_of_a_span(self, tmp_path: Path) -> None:
        for folder in ("span-1", "span-1/version-2"):
            write_films(tmp_path / folder, "NORMAL", 2)
            write_films(tmp_path / folder, "PNEUMONIA", 2, first_seed=9)
        with pytest.raises(DataError, match=r"^'span-1/NORMAL' lies beside the versions"):
            read_layout(LocalRoot(str(tmp_path)), IngestOptions())

    def test_a_link_to_a_site(self, tmp_path: Path) -> None:
        write_sites(tmp_path)
        (tmp_path / "harbour").symlink_to("city")
        with pytest.raises(DataError, match=r"'harbour' is a link to the site 'city'.* take the l"):
            read_layout(LocalRoot(str(tmp_path)), SITES)
