"""Films that a person leaves out are found by path or digest, with their copies, and said."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from components.radiograph_example_gen.executor import film_files, plan_ingest
from radiographs.errors import DataError, UnusableImage
from radiographs.excluded import EXCLUDED, NO_FILMS, ExcludedFilms, read_excluded, set_aside
from radiographs.films import Film
from radiographs.inspect.inspection import inspect_films
from radiographs.layouts import Layout
from radiographs.local_roots import LocalRoot
from radiographs.measures import FilmFiles
from radiographs.options import IngestOptions
from radiographs.overrides import ConfigError
from radiographs.pseudonyms import HiddenPath
from tests.support import write_films

CONTENT = {
    "NORMAL/a.png": b"1", "NORMAL/b.png": b"2", "NORMAL/c.png": b"3",
    "PNEUMONIA/d.png": b"1", "PNEUMONIA/e.png": b"4", "PNEUMONIA/f.png": b"4",
}  # fmt: skip
LAYOUT = Layout(
    "folders",
    [Film(path, path.split("/")[0], "none", path) for path in CONTENT],
    [("x", "hidden")],
    ["a note"],
)
IDENTICAL = [["NORMAL/a.png", "PNEUMONIA/d.png"], ["PNEUMONIA/e.png", "PNEUMONIA/f.png"]]


class Root(LocalRoot):
    """Files by path, and an account of those that were read."""

    def __init__(self) -> None:
        super().__init__("")
        self.read: list[str] = []

    def content(self, path: str, most: int = -1) -> bytes:
        self.read.append(path)
        return CONTENT[path]


def files(root: Root | None = None) -> FilmFiles:
    return FilmFiles(root or Root(), IngestOptions())


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def left_out(*rows: tuple[str, str], root: Root | None = None) -> Layout:
    return set_aside(files(root), LAYOUT, IDENTICAL, ExcludedFilms("list.csv", rows))


def gone(layout: Layout) -> list[str]:
    return [path for path, reason in layout.ignored if reason == EXCLUDED]


def test_by_path_without_reading_anything() -> None:
    root = Root()
    layout = left_out(("NORMAL/b.png", ""), root=root)
    assert gone(layout) == ["NORMAL/b.png"]
    assert ("x", "hidden") in layout.ignored
    assert "NORMAL/b.png" not in [film.path for film in layout.films]
    assert layout.notes == ["a note", "1 film is left out, as data.exclude_films says."]
    assert root.read == []


def test_copies_under_the_same_label_go_too_and_others_stay() -> None:
    assert gone(left_out(("PNEUMONIA/e.png", ""))) == ["PNEUMONIA/e.png", "PNEUMONIA/f.png"]
    assert gone(left_out(("PNEUMONIA/d.png", ""))) == ["PNEUMONIA/d.png"]


def test_by_digest_wherever_the_file_lies() -> None:
    assert gone(left_out(("", digest(b"4")))) == ["PNEUMONIA/e.png", "PNEUMONIA/f.png"]
    assert gone(left_out(("old/name.png", digest(b"3")))) == ["NORMAL/c.png"]


def test_another_file_of_the_same_name_is_not_meant() -> None:
    root = Root()
    assert gone(left_out(("NORMAL/b.png", digest(b"2")), root=root)) == ["NORMAL/b.png"]
    assert root.read == ["NORMAL/b.png"]  # the digest of one file is enough
    assert gone(left_out(("NORMAL/b.png", digest(b"3")))) == ["NORMAL/c.png"]
    layout = left_out(("NORMAL/b.png", digest(b"replaced")))
    assert gone(layout) == []
    assert layout.notes[-1] == "1 row names no film of the data root (list.csv)."


def test_films_that_are_not_there_are_counted() -> None:
    layout = left_out(("NORMAL/z.png", ""), ("", digest(b"9")), ("NORMAL/b.png", ""))
    assert gone(layout) == ["NORMAL/b.png"]
    assert layout.notes[1:] == [
        "1 film is left out, as data.exclude_films says.",
        "2 rows name no film of the data root (list.csv).",
    ]


def test_a_hidden_path_is_known_by_its_pseudonym() -> None:
    hidden = HiddenPath("dicom/0123", "NORMAL/b.png")
    films = [*LAYOUT.films, Film(hidden, "NORMAL", "none", "p")]
    layout = Layout("dicom", films, [])
    excluded = ExcludedFilms("list.csv", (("dicom/0123", ""),))
    assert gone(set_aside(files(), layout, [], excluded)) == ["dicom/0123"]


def test_a_class_without_films_is_refused() -> None:
    rows = [(path, "") for path in CONTENT if path.startswith("NORMAL")]
    with pytest.raises(DataError, match=r"no film of NORMAL is left, as list\.csv excludes all"):
        left_out(*rows)


def test_a_class_of_one_of_several_sites_without_films_is_refused() -> None:
    films = [replace(film, site=site) for site, film in zip("abbabb", LAYOUT.films, strict=True)]
    layout = replace(LAYOUT, films=films, kind="sites")
    excluded = ExcludedFilms("list.csv", (("NORMAL/a.png", ""),))
    with pytest.raises(DataError, match=r"no film of NORMAL of the site 'a' is left, as list\.csv"):
        set_aside(files(), layout, [], excluded)
    assert gone(set_aside(files(), replace(layout, kind="manifest"), [], excluded)) == [
        "NORMAL/a.png"
    ]


def test_no_file_is_read_twice_and_every_row_is_counted() -> None:
    root, gone_film = Root(), ("", digest(b"gone"))
    layout = left_out(("NORMAL/b.png", digest(b"2")), gone_film, gone_film, root=root)
    assert sorted(root.read) == sorted(CONTENT)
    assert layout.notes[-1] == "2 rows name no film of the data root (list.csv)."


def test_a_list_without_rows_is_said() -> None:
    layout = left_out()
    assert layout.films == LAYOUT.films
    assert layout.notes == ["a note", "0 films are left out, as data.exclude_films says."]


def test_no_list_changes_nothing() -> None:
    assert set_aside(files(), LAYOUT, IDENTICAL, NO_FILMS) is LAYOUT


class TestList:
    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            (
                "path\nNORMAL/b.png\n\n./NORMAL/c.png\n",
                [("NORMAL/b.png", ""), ("NORMAL/c.png", "")],
            ),
            (f"SHA256\n{'AB' * 32}\n", [("", "ab" * 32)]),
            (f"label_quality;Path;sha256\n0,1;a.png;{'0' * 64}\n", [("a.png", "0" * 64)]),
            ("path\ncafe\u0301.png\n", [("caf\u00e9.png", "")]),
            ("path,sha256\n", []),
            (
                "path\nNORMAL\\b.png\n././NORMAL//c.png\n",
                [("NORMAL/b.png", ""), ("NORMAL/c.png", "")],
            ),
            (f"path,sha256\nC:\\b.png,{'0' * 64}\n", [("C:/b.png", "0" * 64)]),
        ],
        ids=[
            "path",
            "digest",
            "as the audit wrote it, by Excel",
            "composed",
            "no row",
            "by Windows and a shell",
            "absolute, by digest",
        ],
    )
    def test_columns(self, text: str, rows: list[tuple[str, str]]) -> None:
        excluded = read_excluded("list.csv", lambda name: text.encode())
        assert list(excluded.rows) == rows

    def test_no_setting_reads_nothing(self) -> None:
        def never(name: str) -> bytes:
            raise AssertionError(name)

        assert read_excluded("", never) is NO_FILMS

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"film\na.png\n", "has no column path or sha256"),
            (b"", "has no column path or sha256"),
            (b"\npath\na.png\n", "has no column path or sha256"),
            (b"path\n/films/a.png\n", "line 2: '/films/a.png' is no path below the data root; wri"),
            (b"path\nC:\\a.png\n", "line 2: 'C:.*a.png' is no path below the data root; write"),
            (b"path\ngs://films/a.png\n", "line 2: 'gs://films/a.png' is no path below"),
            (b"path\na,b\n", r"data\.exclude_films: list\.csv line 2: 2 values for 1 columns"),
            (b"sha256\nabc\n", "line 2: 'abc' is no SHA-256 digest"),
            (b"path\n\xff\xfe\xfa\n", "is not UTF-8 text"),
        ],
    )
    def test_what_is_no_list_is_refused(self, content: bytes, said: str) -> None:
        with pytest.raises(DataError, match=said):
            read_excluded("list.csv", lambda name: content)

    def test_a_list_that_is_not_there_is_named(self) -> None:
        def missing(name: str) -> bytes:
            raise UnusableImage("cannot be read (no such file); check its permissions")

        with pytest.raises(DataError, match=r"data\.exclude_films: list\.csv cannot be read"):
            read_excluded("list.csv", missing)


class TestIngest:
    @pytest.fixture(name="root")
    def make_root(self, tmp_path: Path) -> Path:
        root = tmp_path / "films"
        write_films(root, "NORMAL", 12)
        write_films(root, "PNEUMONIA", 12, first_seed=20)
        return root

    def test_plan_and_inspection_leave_the_same_films_out(self, root: Path, tmp_path: Path) -> None:
        wrong = root / "PNEUMONIA" / "copy_of_normal3.png"
        wrong.write_bytes((root / "NORMAL" / "normal3.png").read_bytes())
        listed = tmp_path / "confirmed.csv"
        listed.write_text("path\nNORMAL/normal0.png\nPNEUMONIA/copy_of_normal3.png\n")
        options = IngestOptions(exclude_films=str(listed))
        layout, plan = plan_ingest(film_files(str(root), options))
        aside = [("NORMAL/normal0.png", EXCLUDED), ("PNEUMONIA/copy_of_normal3.png", EXCLUDED)]
        assert layout.ignored == aside  # and the label conflict is gone with it
        assert len(plan.split_of) == 23
        assert {path for path, _ in aside}.isdisjoint(plan.split_of)
        assert "2 films are left out, as data.exclude_films says." in plan.notes
        found = inspect_films(LocalRoot(str(root)), options, lambda what, films: lambda done: None)
        assert found.stops == []
        assert found.layout is not None and found.layout.ignored == aside

    def test_a_list_that_is_not_there_stops_both(self, root: Path) -> None:
        options = IngestOptions(exclude_films=str(root / "none.csv"))
        with pytest.raises(DataError, match=r"none\.csv cannot be read .*; check the setting, "):
            plan_ingest(film_files(str(root), options))
        found = inspect_films(LocalRoot(str(root)), options, lambda what, films: lambda done: None)
        assert [step for step, _ in found.stops] == ["excluded films"]

    def test_inspection_does_not_say_that_a_run_cannot_read_a_remote_list(self, root: Path) -> None:
        options = IngestOptions(exclude_films="gs://films/confirmed.csv")
        with pytest.raises(ConfigError, match=r"gs://films/confirmed\.csv is on another machine"):
            inspect_films(LocalRoot(str(root)), options)
