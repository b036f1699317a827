"""Inspection: it says what the ingest does, sees all that is wrong, and leaves the films alone."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ImageFile

from radiographs.errors import DataError
from radiographs.ingest_plan import plan_ingest
from radiographs.inspect import __main__ as command
from radiographs.inspect.inspection import inspect_films
from radiographs.inspect.thumbnails import rejected_thumbnails
from radiographs.local_roots import LocalRoot
from radiographs.measures import FilmFiles
from radiographs.options import IngestOptions
from radiographs.phantoms import draw_patient, draw_phantom
from radiographs.quarantine import count_kinds, kind_of
from tests.support import digests, draw_film, encode, write_films

HOSTILE = (
    "<img src=x onerror=document.title='hacked'>.png",
    '"><svg onload=document.title=`hacked`>.png',
    "{{ 7 * 7 }}.png",
    "\x1b[31mred\x07.png",
    "two\nlines.png",
    "\u202egnp.mliF.png",
)


def phantom(seed: int) -> np.ndarray:
    label = "PNEUMONIA" if seed % 2 else "NORMAL"
    return draw_phantom(seed, 128, draw_patient(seed, label)).pixels


@pytest.fixture(name="fine")
def write_fine(tmp_path: Path) -> Path:
    """Twelve patients of each class, and a file that is ignored."""
    root = tmp_path / "fine"
    write_films(root, "NORMAL", 12)
    write_films(root, "PNEUMONIA", 12, first_seed=50)
    (root / "read me.txt").write_text("films")
    return root


@pytest.fixture(name="bad", scope="session")
def write_bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Given splits that leak, a damaged file of each of three kinds, and copies of films."""
    root = tmp_path_factory.mktemp("inspected") / "bad"
    seed = 0
    for split in ("train", "val", "test"):
        for label in ("NORMAL", "PNEUMONIA"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(4):
                (folder / f"{split}{label}{number}.png").write_bytes(encode(phantom(seed)))
                seed += 1
    train, test = root / "train", root / "test"
    one = train / "NORMAL" / "trainNORMAL0.png"
    (test / "NORMAL" / "same bytes.png").write_bytes(one.read_bytes())
    other = cv2.imread(str(train / "NORMAL" / "trainNORMAL1.png"), cv2.IMREAD_GRAYSCALE)
    (test / "NORMAL" / "near.jpg").write_bytes(encode(other[2:-2, 2:-2], ".jpg"))
    (train / "PNEUMONIA" / "wrong label.jpg").write_bytes(encode(other, ".jpg"))
    for place in (train, test):
        for number in range(2):
            name = f"person7_bacteria_{number}.png"
            film = draw_film(900 + number + 10 * (place is test), 96)
            (place / "PNEUMONIA" / name).write_bytes(encode(film))
    sound = one.read_bytes()
    (train / "NORMAL" / "cut.png").write_bytes(sound[: len(sound) // 2])
    (train / "NORMAL" / "black.png").write_bytes(encode(np.zeros((90, 90), np.uint8)))
    (train / "NORMAL" / "tiny.png").write_bytes(encode(draw_film(1, 20)))
    (train / "NORMAL" / "small.png").write_bytes(encode(draw_film(2, 30)))
    for number, name in enumerate(HOSTILE):
        (train / "NORMAL" / name).write_bytes(encode(draw_film(700 + number, 96)))
    (train / "NORMAL" / f"cut{HOSTILE[0]}").write_bytes(sound[:200])
    (train / "NORMAL" / f"{HOSTILE[3]}{HOSTILE[4]}").write_bytes(sound[:200])
    (root / "masks").mkdir()
    (root / "masks" / HOSTILE[1]).write_bytes(b"")
    return root


def inspect(root: Path, folder: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """Returns the exit status and what the JSON file holds."""
    status = command.main([str(root), "--json", str(folder / "found.json"), *flags])
    return status, json.loads((folder / "found.json").read_text(encoding="utf-8"))


class TestFine:
    def test_counts_are_those_of_the_plan(self, fine: Path, tmp_path: Path) -> None:
        status, found = inspect(fine, tmp_path)
        assert status == 0
        layout, plan = plan_ingest(FilmFiles(LocalRoot(str(fine)), IngestOptions()))
        expected = Counter((plan.split_of[film.path], film.label) for film in layout.films)
        assert {(row["split"], row["label"]): row["films"] for row in found["counts"]} == expected
        assert sum(row["patients"] for row in found["counts"]) == 24
        assert found["notes"] == plan.notes
        assert found["ignored_files"] == [
            {"path": path, "reason": reason} for path, reason in layout.ignored
        ]
        assert found["rejected"] == 0 and found["stops"] == []
        assert found["width_px"] == {"least": 80, "median": 80, "most": 80}

    def test_text_in_a_film_is_told_of(self, fine: Path, tmp_path: Path) -> None:
        film = draw_phantom(0, 256).pixels.copy()
        cv2.putText(film, "DOE JANE", (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        (fine / "NORMAL" / "named.png").write_bytes(encode(film))
        status, found = inspect(fine, tmp_path)
        assert status == 0
        assert found["burned_in_text"] == {"films": 1, "listed": ["NORMAL/named.png"]}
        assert "text burned into the pixels" in found["notes"][-1]

    def test_settings_of_a_run_are_heeded(self, fine: Path, tmp_path: Path) -> None:
        flags = ["--set", "data.eval_fraction=0.3", "--set", "data.min_side_px=81"]
        status, found = inspect(fine, tmp_path, *flags)
        assert found["settings"] == {"eval_fraction": 0.3, "min_side_px": 81}
        assert status == 3  # all films are smaller
        assert found["rejected_reasons"] == {"N pixels is too small for a film": 24}

    def test_a_page_is_written(self, fine: Path, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        assert command.main([str(fine), "--html", str(page)]) == 0
        text = page.read_text(encoding="utf-8")
        assert text.count("data:image/jpeg;base64,") == 6 * 2 + 2 * 2 * 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["fine", "page.html"]

    def test_the_terminal_says_the_same(
        self, fine: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command.main([str(fine)]) == 0
        told = capsys.readouterr().out
        assert "a run would take these films in" in told
        assert "eval is carved from 24 films of 24 patients by patient" in told
        assert "ignored 1 file" in told


class TestBad:
    @pytest.fixture(name="found", scope="class")
    def inspect_bad(self, bad: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        before = self.state(bad)
        flags = ["--set", "data.split=given"]
        status, found = inspect(bad, tmp_path_factory.mktemp("found"), *flags)
        assert status == 3
        assert self.state(bad) == before  # it writes nothing, nor touches a time
        return found

    def state(self, root: Path) -> dict[str, Any]:
        times = {str(path): path.stat().st_mtime_ns for path in root.rglob("*")}
        return {**digests(root), **times}

    def test_every_reason_to_stop_is_said(self, found: dict[str, Any]) -> None:
        assert [stop["step"] for stop in found["stops"]] == ["quarantine", "data gate"]
        quarantine, gate = (stop["why"] for stop in found["stops"])
        assert quarantine.startswith("6 of 43 files are unusable (14.0%, allowed is 5.0%)")
        assert "1 patients are in both splits (person7_bacteria)" in gate
        assert "1 byte-identical images are in both splits" in gate

    def test_the_patient_in_two_splits_is_named(self, found: dict[str, Any]) -> None:
        shared = {row["patient_id"]: row["splits"] for row in found["shared_patients"]}
        assert shared == {"person7_bacteria": ["train", "test"]}

    def test_identical_and_near_films_are_told_apart(self, found: dict[str, Any]) -> None:
        (identical,) = found["identical"]["listed"]
        assert identical["paths"] == [
            "test/NORMAL/same bytes.png", "train/NORMAL/trainNORMAL0.png",
        ]  # fmt: skip
        assert identical["across_splits"] and not identical["across_labels"]
        (near,) = found["near_duplicates"]["listed"]
        assert near["paths"] == [
            "test/NORMAL/near.jpg", "train/NORMAL/trainNORMAL1.png",
            "train/PNEUMONIA/wrong label.jpg",
        ]  # fmt: skip
        assert near["across_splits"] and near["across_labels"]
        assert any("show the same picture in two splits once" in note for note in found["notes"])
        assert any("are under both labels once" in note for note in found["notes"])

    def test_quarantine_is_counted_by_reason(self, found: dict[str, Any]) -> None:
        assert {Path(row["path"]).name for row in found["quarantine"]} == {
            "cut.png", "black.png", "tiny.png", "small.png", f"cut{HOSTILE[0]}",
            f"{HOSTILE[3]}{HOSTILE[4]}",
        }  # fmt: skip
        assert found["rejected_reasons"]["N pixels is too small for a film"] == 2
        assert sum(found["rejected_reasons"].values()) == 6
        assert found["rejected"] == 6

    def test_near_duplicates_can_be_left_out(self, bad: Path, tmp_path: Path) -> None:
        _, found = inspect(bad, tmp_path, "--set", "data.near_duplicates=ignore")
        assert found["near_duplicates"]["groups"] == 0


class TestStops:
    def stop_of(self, root: Path, folder: Path, *flags: str) -> str:
        status, found = inspect(root, folder, *flags)
        assert status == 3
        return found["stops"][0]["why"]

    def ingest_says(self, root: Path, options: IngestOptions) -> str:
        with pytest.raises(DataError) as stopped:
            plan_ingest(FilmFiles(LocalRoot(str(root)), options))
        return str(stopped.value)

    def one_class(self, root: Path) -> None:
        for file in (root / "PNEUMONIA").iterdir():
            file.unlink()

    def conflict(self, root: Path) -> None:
        (root / "PNEUMONIA" / "x.png").write_bytes((root / "NORMAL" / "normal0.png").read_bytes())

    def few_patients(self, root: Path) -> None:
        for file in list((root / "NORMAL").iterdir())[2:]:
            file.unlink()

    def no_classes(self, root: Path) -> None:
        (root / "NORMAL").rename(root / "ill")
        (root / "PNEUMONIA").rename(root / "well")

    def bad_manifest(self, root: Path) -> None:
        (root / "manifest.csv").write_text("path,label\nnowhere.png,NORMAL\n")

    def link_out(self, root: Path) -> None:
        (root / "NORMAL" / "out.png").symlink_to(os.path.abspath(__file__))

    @pytest.mark.parametrize(
        "change", ["one_class", "conflict", "few_patients", "no_classes", "bad_manifest",
                   "link_out"],
    )  # fmt: skip
    def test_the_sentence_is_the_ingests(self, fine: Path, tmp_path: Path, change: str) -> None:
        getattr(self, change)(fine)
        assert self.stop_of(fine, tmp_path) == self.ingest_says(fine, IngestOptions())

    def test_a_label_conflict_is_no_end(self, fine: Path, tmp_path: Path) -> None:
        self.conflict(fine)
        _, found = inspect(fine, tmp_path)
        assert found["identical"]["across_labels"] == 1
        assert sum(row["films"] for row in found["counts"]) == 25
        status, found = inspect(fine, tmp_path, "--set", "data.label_conflicts=drop")
        assert status == 0
        assert sum(row["films"] for row in found["counts"]) == 23

    def test_a_class_lost_to_quarantine_is_seen(self, fine: Path, tmp_path: Path) -> None:
        for file in (fine / "NORMAL").iterdir():
            file.write_bytes(b"no film")
        status, found = inspect(fine, tmp_path, "--set", "data.max_quarantine_fraction=1")
        assert status == 3
        (stop,) = found["stops"]
        assert stop["step"] == "data gate"
        assert stop["why"].count("there is no NORMAL film") == 3

    def test_an_unreadable_file_is_quarantined(self, fine: Path, tmp_path: Path) -> None:
        (fine / "NORMAL" / "gone.png").symlink_to(fine / "nowhere")
        status, found = inspect(fine, tmp_path)
        assert status == 0  # one of 25
        (row,) = found["quarantine"]
        assert row["path"] == "NORMAL/gone.png" and "cannot be read" in row["reason"]


class TestFlags:
    def refused(self, arguments: Iterable[str], capsys: pytest.CaptureFixture[str]) -> str:
        assert command.main(list(arguments)) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    @pytest.mark.parametrize("flag", ["--json", "--html"])
    @pytest.mark.parametrize("linked", [False, True])
    def test_nothing_is_written_below_the_films(
        self, fine: Path, tmp_path: Path, flag: str, linked: bool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        folder = fine / "NORMAL"
        if linked:
            (tmp_path / "link").symlink_to(folder)
            folder = tmp_path / "link"
        before = digests(fine)
        said = self.refused([str(fine), flag, str(folder / "out")], capsys)
        assert "where nothing is written" in said
        assert digests(fine) == before

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("data.spilt=given", "there is no setting 'data.spilt'; 'data' has: layout"),
            ("train.epochs=3", "there is no setting 'train'; there are: data"),
            ("data.seed=-1", "data.seed: input should be greater than or equal to 0"),
            ("data.patient_pattern=(", "is no regular expression"),
            ("data", "is not of the form part.setting=value"),
            ("data.split=style", "needs the network that finds lungs"),
        ],
    )
    def test_a_setting_that_is_wrong(
        self, fine: Path, setting: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert said in self.refused([str(fine), "--set", setting], capsys)

    def test_a_folder_that_is_none(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "is not a folder" in self.refused([str(tmp_path / "absent")], capsys)
        (tmp_path / "empty").mkdir()
        assert "is empty" in self.refused([str(tmp_path / "empty")], capsys)

    def test_an_output_that_cannot_be_written(
        self, fine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = str(tmp_path / "absent" / "out.html")
        assert "cannot be written" in self.refused([str(fine), "--html", out], capsys)


def test_all_reading_tells_how_far_it_has_come(bad: Path) -> None:
    told: dict[str, list[int]] = {}
    of_how_many: Counter[str] = Counter()

    def tell(what: str, films: int) -> Callable[[int], None]:
        assert films > 0
        of_how_many[what] += films
        return told.setdefault(what, []).append

    options = IngestOptions(stress_split="test", near_duplicates="join")
    found = inspect_films(LocalRoot(str(bad)), options, tell)
    assert set(told) >= {"films measured", "films read"}
    assert {what: sum(done) for what, done in told.items()} == of_how_many
    assert found.layout is not None
    assert of_how_many["films read"] == len(found.layout.films)


def test_no_file_name_steers_the_terminal(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main([str(bad)])
    told = capsys.readouterr().out
    assert not set(told) & {"\x1b", "\x07", "\u202e"}
    assert r"\x1b[31mred\x07.pngtwo\nlines.png: the file is truncated" in told


def test_what_is_set_aside_is_drawn_as_far_as_it_goes(
    bad: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = LocalRoot(str(bad))
    names = ("cut", "black", "tiny")
    unusable = [(f"train/NORMAL/{name}.png", f"{name}; mend it") for name in names]
    drawn = rejected_thumbnails(root, [*unusable, ("train/NORMAL/none.png", "gone")])
    assert {kind: [one.source[:22] for one in some] for kind, some in drawn.items()} == {
        **{name: ["data:image/jpeg;base64"] for name in names},
        "gone": [""],
    }
    assert not ImageFile.LOAD_TRUNCATED_IMAGES  # as the decoders of films need it
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (
            ["8 x 9 pixels is too small for a film; below data.min_side_px=64",
             "1,000 x 12 pixels is too small for a film; below data.min_side_px=64"],
            "N pixels is too small for a film",
        ),
        (
            ["the file is truncated or damaged (row 7 (of 9)); copy it again",
             "the file is truncated or damaged (no end); copy it again"],
            "the file is truncated or damaged",
        ),
        (["3 stray bytes come before the start of the PNG; x"],
         "N stray bytes come before the start of the PNG"),
    ],
)  # fmt: skip
def test_reasons_are_one_kind_whatever_their_particulars(reasons: list[str], kind: str) -> None:
    assert {kind_of(reason) for reason in reasons} == {kind}
    assert count_kinds([("a", reason) for reason in reasons]) == {kind: len(reasons)}
