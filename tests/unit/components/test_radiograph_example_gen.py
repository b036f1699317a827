"""The driver sees every change of a data root; the executor's parts account for every file."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import tensorflow as tf
from tfx.components.example_gen import utils
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2

from components.radiograph_example_gen import executor, listing, reading
from components.radiograph_example_gen.component import RadiographExampleGen
from components.radiograph_example_gen.driver import RadiographDriver, RadiographInputProcessor
from components.radiograph_example_gen.executor import film_files, plan_ingest, to_example
from components.radiograph_example_gen.listing import (
    list_files,
    read_bytes,
    read_layout,
    read_text,
    size_and_time,
)
from models import features
from models.hyperparameters import Preprocessing
from models.preprocessing import quality_of
from models.remote_files import write_text
from radiographs import data_roots, measures, spread
from radiographs.decoding import CanonicalFilm, ImageFacts
from radiographs.errors import DataError, UnusableImage
from radiographs.films import Film, FilmTags
from radiographs.options import IngestOptions
from radiographs.phantoms import draw_phantom
from radiographs.pseudonyms import pseudonyms_of, real_path, write_new_key
from tests.dicom_films import dicom_file
from tests.support import draw_film, encode, write_films


@pytest.fixture(name="root")
def make_root(tmp_path: Path) -> Path:
    """Five patients of each class."""
    root = tmp_path / "films"
    write_films(root, "NORMAL", 5)
    write_films(root, "PNEUMONIA", 5, first_seed=10)
    return root


class TestUnreadable:
    """A link that leads nowhere: no permission is needed to run into it."""

    def test_a_film_is_unusable_and_the_rest_is_planned(self, root: Path) -> None:
        (root / "NORMAL" / "gone.png").symlink_to(root / "nowhere.png")
        with pytest.raises(UnusableImage, match=r"cannot be read \(.+\); check its permissions"):
            read_bytes(str(root), "NORMAL/gone.png")
        layout, plan = plan_ingest(film_files(str(root), IngestOptions()))
        assert plan.split_of.keys() == {film.path for film in layout.films}
        assert "NORMAL/gone.png" in plan.split_of

    def test_a_fingerprint_can_still_be_taken(self, root: Path) -> None:
        (root / "NORMAL" / "gone.png").symlink_to(root / "nowhere.png")
        assert size_and_time(str(root), "NORMAL/gone.png") == (-1, -1)
        assert len(TestFingerprint().of(root)) == 64

    def test_a_manifest_is_named(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"^manifest\.csv cannot be read"):
            read_text(str(root), "manifest.csv")


class TestFingerprint:
    def of(self, root: Path) -> str:
        processor = RadiographInputProcessor(str(root), [])
        assert processor.resolve_span_and_version() == (0, None)
        return processor.get_input_fingerprint(0, None)

    def test_stays_while_nothing_changes(self, root: Path) -> None:
        assert self.of(root) == self.of(root)

    @pytest.mark.parametrize(
        "change",
        [
            lambda root: (root / "NORMAL" / "normal0.png").unlink(),
            lambda root: (root / "NORMAL" / "normal0.png").rename(root / "NORMAL" / "n.png"),
            lambda root: (root / "NORMAL" / "normal0.png").write_bytes(encode(draw_film(99))),
            lambda root: os.utime(root / "NORMAL" / "normal0.png", (1, 1)),
            lambda root: (root / "manifest.csv").write_text("path,label\n"),
        ],
        ids=["removed", "renamed", "rewritten", "touched", "added"],
    )
    def test_moves_with_any_file(self, root: Path, change: Callable[[Path], object]) -> None:
        before = self.of(root)
        change(root)
        assert self.of(root) != before

    def test_sees_files_at_any_depth(self, root: Path) -> None:
        before = self.of(root)
        deep = root / "NORMAL" / "ward" / "room"
        deep.mkdir(parents=True)
        (deep / "x.png").write_bytes(b"")
        assert self.of(root) != before


def driven(
    root: Path, options: IngestOptions, preprocessing: Preprocessing | None = None
) -> dict[str, Any]:
    """Returns the parameters as the driver gives them to the component."""
    component = RadiographExampleGen(str(root), options, "code", preprocessing)
    nothing = data_types.PipelineInfo("", "")
    return RadiographDriver(None).resolve_exec_properties(
        dict(component.exec_properties), nothing, data_types.ComponentInfo("", "", nothing)
    )


@pytest.mark.parametrize("folder", ["", "ram://lists"], ids=["local", "remote"])
def test_a_changed_list_of_films_left_out_is_noticed_and_the_films_are_the_same(
    root: Path, tmp_path: Path, folder: str
) -> None:
    listed = f"{folder or tmp_path}/confirmed.csv"
    options = IngestOptions(exclude_films=listed)
    found = [driven(root, options)]  # while it is not there
    for name in ("a", "b", "a"):  # of one size
        write_text(listed, f"path\nNORMAL/{name}.png\n")
        found.append(driven(root, options))
    keys = [one["source_fingerprint"] for one in found]
    assert keys[0] == driven(root, IngestOptions())["source_fingerprint"] == "code"
    assert keys[1] == keys[3]
    assert len(set(keys)) == 3
    assert len({one["input_fingerprint"] for one in found}) == 1


@pytest.mark.parametrize("folder", ["", "ram://weights"], ids=["local", "remote"])
def test_changed_weights_of_ones_own_that_find_lungs_are_noticed(
    root: Path, tmp_path: Path, folder: str
) -> None:
    weights = f"{folder or tmp_path}/lungs.npz"

    def key(lungs: Literal["none", "crop"]) -> str:
        preprocessing = Preprocessing(lungs=lungs, lung_fields_weights=weights)
        return str(driven(root, IngestOptions(), preprocessing)["source_fingerprint"])

    found = []
    for content in ("one", "two", "one"):  # of one size
        write_text(weights, content)
        found.append(key("crop"))
        assert key("none") == "code"  # they prepare no film
    assert found[0] == found[2] != found[1]
    shipped = Preprocessing(lungs="crop")
    assert driven(root, IngestOptions(), shipped)["source_fingerprint"] == "code"


class TestSpans:
    """Of a root with spans the driver looks at the window alone."""

    @pytest.fixture(name="root")
    def write_spans(self, tmp_path: Path) -> Path:
        root = tmp_path / "films"
        for number in (1, 2, 10):
            write_films(root / f"span-{number}", "NORMAL", 1, first_seed=number)
        return root

    def driven(self, root: Path, spans: str) -> tuple[int, int | None, str]:
        found = driven(root, IngestOptions(spans=spans))
        return found["span"], found["version"], found["input_fingerprint"]

    def test_the_span_is_the_latest_that_is_read(self, root: Path) -> None:
        assert self.driven(root, "all")[:2] == self.driven(root, "last:1")[:2] == (10, None)
        assert self.driven(root, "0-9")[:2] == (2, None)

    def test_it_is_the_one_that_tfx_finds(self, root: Path) -> None:
        for name in ("version-3", "version-20"):
            write_films(root / "span-10" / name, "NORMAL", 1)
        split = example_gen_pb2.Input.Split(
            name="films", pattern="span-{SPAN}/version-{VERSION}/NORMAL/*"
        )
        found = utils.calculate_splits_fingerprint_span_and_version(str(root), [split])
        assert self.driven(root, "last:2")[:2] == found[1:] == (10, 20)

    def test_what_is_outside_the_window_changes_nothing(self, root: Path) -> None:
        before = self.driven(root, "last:2")
        (root / "span-1" / "NORMAL" / "normal0.png").unlink()
        write_films(root / "span-0", "NORMAL", 1)
        assert self.driven(root, "last:2") == before

    @pytest.mark.parametrize("added", ["span-2/NORMAL", "span-11/NORMAL", "span-2/version-1/N", ""])
    def test_what_is_inside_or_beside_it_does(self, root: Path, added: str) -> None:
        before = self.driven(root, "last:2")
        write_films(root / added, "LICENCE", 1)
        assert self.driven(root, "last:2")[2] != before[2]

    def test_a_span_that_is_added_leaves_a_fixed_window_alone(self, root: Path) -> None:
        before = self.driven(root, "1-10")
        write_films(root / "span-11", "NORMAL", 1)
        assert self.driven(root, "1-10") == before

    def test_no_span_in_the_window_is_said(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"no span of data.spans=3-9: it has spans 1, 2, 10"):
            self.driven(root, "3-9")


def test_sites_and_spans_of_a_remote_root() -> None:
    root = "ram://spans/films"
    for span in (1, 2, 3):
        for place, site in enumerate(("city", "coast")):
            for label in features.LABELS:
                for number in range(4):
                    file = f"{root}/span-{span}/{site}/{label}/{number + 4 * span}.png"
                    tf.io.gfile.makedirs(file.rpartition("/")[0])
                    seed = 100 * span + 50 * place + 10 * (label == "NORMAL") + number
                    with tf.io.gfile.GFile(file, "wb") as opened:
                        opened.write(encode(draw_film(seed)))
    layout, plan = plan_ingest(film_files(root, IngestOptions(layout="sites", spans="last:2")))
    assert len(layout.films) == len(plan.split_of) == 2 * 2 * 2 * 4
    assert list(layout.folders) == [
        "span-2/city", "span-3/city", "span-2/coast", "span-3/coast",
    ]  # fmt: skip
    assert {film.patient_id for film in layout.films} == {
        f"{site}/{number}" for site in ("city", "coast") for number in range(8, 16)
    }


class TestListing:
    def test_is_relative_sorted_and_of_any_depth(self, tmp_path: Path) -> None:
        for name in ("b/ü ber.png", "a.csv", "b/c/d.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        assert list_files(str(tmp_path)) == ["a.csv", "b/c/d.png", "b/ü ber.png"]

    def test_a_missing_root_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"absent is not a folder; check --data-root"):
            list_files(str(tmp_path / "absent"))

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_byte_order_mark_is_no_text(self, tmp_path: Path, encoding: str) -> None:
        (tmp_path / "manifest.csv").write_text("path", encoding=encoding)
        assert read_text(str(tmp_path), "manifest.csv") == "path"

    def test_another_encoding_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.csv").write_bytes("größe".encode("latin-1"))
        with pytest.raises(DataError, match=r"manifest\.csv is not UTF-8 text; save it as UTF-8"):
            read_text(str(tmp_path), "manifest.csv")


class TestLinks:
    """Links of a local root: each file once, none from outside, no walk without end."""

    def find(self, root: Path) -> list[str]:
        return [film.path for film in read_layout(str(root), IngestOptions()).films]

    def test_links_that_loop_add_nothing(self, root: Path) -> None:
        before = self.find(root)
        (root / "NORMAL" / "loop").symlink_to("..")
        (root / "here").symlink_to(".")
        (root / "PNEUMONIA" / "again").symlink_to(root / "PNEUMONIA")
        layout = read_layout(str(root), IngestOptions())
        assert [film.path for film in layout.films] == before
        assert layout.ignored == [
            (path, "a link that leads back to a folder above it, or where another link has led")
            for path in ("NORMAL/loop", "PNEUMONIA/again", "here")
        ]

    def test_links_to_each_other_come_to_an_end(self, root: Path) -> None:
        for name in "abc":
            (root / name).mkdir()
        for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
            (root / one / "next").symlink_to(root / other)
        assert len(list_files(str(root))) == 10
        (root / "a" / "x.png").write_bytes(b"x")
        found = {path for path in list_files(str(root)) if "x.png" in path}
        assert {"a/x.png", "c/next/x.png"} <= found

    def test_folders_that_are_all_linked_with_each_other_are_walked_in_no_time(
        self, root: Path
    ) -> None:
        names = [f"ward{number}" for number in range(12)]
        for one in names:
            (root / one).mkdir()
            (root / one / "x.png").write_bytes(b"x")
            for other in names:
                if other != one:
                    (root / one / other).symlink_to(root / other)
        found = list_files(str(root))
        assert {f"{one}/x.png" for one in names} <= set(found)
        assert len(found) < 1000

    def test_a_folder_that_is_linked_into_both_classes_is_seen_in_both(self, root: Path) -> None:
        (root / "elsewhere").mkdir()
        (root / "elsewhere" / "1.png").write_bytes(encode(draw_film(77)))
        for label in ("NORMAL", "PNEUMONIA"):
            (root / label / "ward").symlink_to(root / "elsewhere")
        found = list_files(str(root))
        assert {"NORMAL/ward/1.png", "PNEUMONIA/ward/1.png"} <= set(found)

    def test_a_further_name_is_ignored(self, root: Path) -> None:
        before = self.find(root)
        (root / "NORMAL" / "0.png").symlink_to("normal0.png")
        (root / "elsewhere").mkdir()
        (root / "NORMAL" / "ward").symlink_to(root / "elsewhere")
        (root / "NORMAL" / "normal1.png").rename(root / "elsewhere" / "1.png")
        layout = read_layout(str(root), IngestOptions())
        found = [film.path for film in layout.films]
        assert found == sorted({*before, "NORMAL/ward/1.png"} - {"NORMAL/normal1.png"})
        assert dict(layout.ignored) == {
            "NORMAL/0.png": "another name of a film that is read: NORMAL/normal0.png",
            "elsewhere/1.png": "another name of a film that is read: NORMAL/ward/1.png",
        }

    @pytest.mark.parametrize("inside", ["NORMAL/x.png", "NORMAL/ward", "other"])
    def test_out_of_the_root_is_refused(self, root: Path, tmp_path: Path, inside: str) -> None:
        outside = tmp_path / "films of another"  # its name begins as the root's does
        outside.mkdir()
        (outside / "y.png").write_bytes(b"y")
        (root / inside).symlink_to(outside / "y.png" if inside.endswith("png") else outside)
        with pytest.raises(
            DataError, match=f"the link '{inside}' leads out of the data root, to /"
        ):
            list_files(str(root))

    def test_hidden_links_are_not_followed(self, root: Path, tmp_path: Path) -> None:
        (root / ".latest").symlink_to(tmp_path)
        assert read_layout(str(root), IngestOptions()).ignored == [
            (".latest", "hidden or system file")
        ]

    def test_a_root_that_is_a_link_itself(self, root: Path, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(root)
        assert list_files(str(link)) == list_files(f"{link}/") == list_files(str(root))
        layout, _ = plan_ingest(film_files(str(link), IngestOptions()))
        assert len(layout.films) == 10

    def test_a_broken_link_is_listed(self, root: Path) -> None:
        (root / "NORMAL" / "gone.png").symlink_to("nowhere.png")
        (root / "NORMAL" / "self.png").symlink_to("self.png")
        assert {"NORMAL/gone.png", "NORMAL/self.png"} < set(list_files(str(root)))

    def test_a_pipe_is_no_file(self, root: Path) -> None:
        os.mkfifo(root / "NORMAL" / "pipe.png")
        layout = read_layout(str(root), IngestOptions())
        assert layout.ignored == [("NORMAL/pipe.png", "a pipe, socket or device, not a file")]


class TestDicom:
    """DICOM files in class folders, beside pictures."""

    @pytest.fixture(name="options")
    def make_key(self, tmp_path: Path) -> IngestOptions:
        write_new_key(tmp_path / "key")
        return IngestOptions(pseudonym_key_file=str(tmp_path / "key"))

    @pytest.fixture(name="root")
    def add_dicom(self, root: Path) -> Path:
        """Two films of Jane, one of somebody without a name, and one that is lateral."""
        films: dict[str, dict[str, Any]] = {
            "jane.dcm": {"PatientID": "Jane"},
            "jane again": {"PatientID": "Jane"},
            "nobody.dcm": {},
            "side.dcm": {"ViewPosition": "LL"},
        }
        for name, tags in films.items():
            content = dicom_file(draw_film(len(name)), AccessionNumber=name[:4], **tags)
            (root / "NORMAL" / name).write_bytes(content)
        return root

    def test_films_are_hidden_and_read(self, root: Path, options: IngestOptions) -> None:
        layout, plan = plan_ingest(film_files(str(root), options))
        found = [film for film in layout.films if film.path.startswith("dicom/")]
        assert sorted(map(real_path, (film.path for film in found))) == [
            "NORMAL/jane again", "NORMAL/jane.dcm", "NORMAL/nobody.dcm",
        ]  # fmt: skip
        assert len({film.patient_id for film in found}) == 2
        for film in found:
            assert reading.read_image(str(root), film.path, options).facts.source_format == "DICOM"
            assert size_and_time(str(root), film.path)[0] > 6400
        assert plan.split_of.keys() == {film.path for film in layout.films}
        ((aside, reason),) = layout.ignored
        assert (real_path(aside), reason) == ("NORMAL/side.dcm", "no frontal view by its tags")

    def test_with_a_key_all_patients_are_pseudonyms(
        self, root: Path, options: IngestOptions
    ) -> None:
        shutil.rmtree(root / "NORMAL")
        write_films(root, "NORMAL", 5)
        films = read_layout(str(root), options).films
        pseudonyms, _ = pseudonyms_of(options.pseudonym_key_file, remote=False)
        assert {film.path: film.patient_id for film in films}["NORMAL/normal1.png"] == (
            pseudonyms.of("patient", "normal1")
        )

    def test_notes_and_errors_name_nobody(self, root: Path, options: IngestOptions) -> None:
        (root / "PNEUMONIA" / "Jane Doe").write_bytes((root / "NORMAL" / "jane.dcm").read_bytes())
        with pytest.raises(DataError, match=r"'dicom/\w{20}' \(NORMAL\)") as error:
            plan_ingest(film_files(str(root), options))
        assert "ane" not in str(error.value) + "".join(error.value.files.values())

    def test_a_file_that_is_gone_names_nobody(self, root: Path, options: IngestOptions) -> None:
        film = next(
            one for one in read_layout(str(root), options).films if "jane" in real_path(one.path)
        )
        (root / real_path(film.path)).unlink()
        with pytest.raises(UnusableImage, match="cannot be read") as error:
            read_bytes(str(root), film.path)
        assert "jane" not in str(error.value)

    def test_one_that_is_named_as_a_picture_is_unusable(
        self, root: Path, options: IngestOptions
    ) -> None:
        (root / "NORMAL" / "jane.png").write_bytes((root / "NORMAL" / "jane.dcm").read_bytes())
        with pytest.raises(UnusableImage, match=r"it is DICOM.*rename it to end in \.dcm"):
            reading.read_image(str(root), "NORMAL/jane.png", options)

    def test_a_header_longer_than_what_is_read_first(
        self, root: Path, options: IngestOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        films = listing.TfxRoot(str(root))
        expected = data_roots.read_headers(films, ["NORMAL/jane.dcm"], options)
        monkeypatch.setattr(data_roots, "HEADER_BYTES", 400)
        assert data_roots.read_headers(films, ["NORMAL/jane.dcm"], options) == expected
        assert expected["NORMAL/jane.dcm"].patient == "Jane"


class TestLabelConflicts:
    """The same bytes under both labels."""

    @pytest.fixture(name="root")
    def add_conflict(self, root: Path) -> Path:
        """The third film of each class is the same."""
        content = (root / "NORMAL" / "normal2.png").read_bytes()
        (root / "PNEUMONIA" / "pneumonia2.png").write_bytes(content)
        return root

    def test_stop_the_run(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"'NORMAL/normal2\.png' \(NORMAL\) and 'PN") as error:
            plan_ingest(film_files(str(root), IngestOptions()))
        assert list(error.value.files) == ["label_conflicts.csv"]

    def test_are_left_out_on_request(self, root: Path) -> None:
        layout, plan = plan_ingest(film_files(str(root), IngestOptions(label_conflicts="drop")))
        assert len(layout.films) == len(plan.split_of) == 8
        assert [path for path, _ in layout.ignored] == [
            "NORMAL/normal2.png", "PNEUMONIA/pneumonia2.png",
        ]  # fmt: skip
        assert any("2 films with the same bytes" in note for note in plan.notes)

    def test_a_link_under_the_other_label_is_one(self, root: Path) -> None:
        (root / "PNEUMONIA" / "pneumonia2.png").unlink()
        (root / "PNEUMONIA" / "link.png").symlink_to(root / "NORMAL" / "normal0.png")
        with pytest.raises(DataError, match=r"'PNEUMONIA/link\.png' \(PNEUMONIA\)"):
            plan_ingest(film_files(str(root), IngestOptions()))

    def test_files_that_are_no_films_are_none(self, root: Path) -> None:
        (root / "PNEUMONIA" / "pneumonia2.png").write_bytes(b"")
        (root / "NORMAL" / "normal2.png").write_bytes(b"")
        layout, _ = plan_ingest(film_files(str(root), IngestOptions()))
        assert len(layout.films) == 10


class TestPlan:
    def test_what_is_set_aside_and_doubtful_is_said(
        self, root: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_films(root / "test_set", "NORMAL", 2, first_seed=30)
        with caplog.at_level("INFO", logger=executor.__name__):
            _, plan = plan_ingest(film_files(str(root), IngestOptions()))
        assert caplog.messages == [
            "ignored 2 files: 2 not in a class folder; most in test_set (2)", *plan.notes,
        ]  # fmt: skip
        assert plan.notes[0].startswith("'test_set' is not read as a split, so its 2 files are")
        assert plan.notes[1].startswith("No file name tells the patient")
        assert plan.notes[2] == "No splits are given."

    def test_patients_of_identical_files_stay_together(self, root: Path) -> None:
        content = (root / "NORMAL" / "normal0.png").read_bytes()
        for number in (1, 2):
            (root / "NORMAL" / f"normal{number}.png").write_bytes(content)
        _, plan = plan_ingest(film_files(str(root), IngestOptions()))
        assert len({plan.split_of[f"NORMAL/normal{number}.png"] for number in range(3)}) == 1
        assert set(plan.split_of.values()) == set(features.SPLITS)

    def test_the_darker_patients_are_the_stress_split(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        root = tmp_path / "films"
        rng = np.random.default_rng(0)
        for label in features.LABELS:
            (root / label).mkdir(parents=True)
            for number in range(20):
                film = draw_film(0, 96) // (4 if number >= 17 else 1)
                film = cv2.add(film, rng.integers(0, 20, film.shape, dtype=np.uint8))
                (root / label / f"{label}{number}.png").write_bytes(encode(film))
        (root / "NORMAL" / "gone.png").symlink_to(root / "nowhere.png")
        (root / "NORMAL" / "cut.png").write_bytes(encode(draw_film(50))[:200])
        monkeypatch.setattr(spread, "_ITEMS_PER_MESSAGE", 21)
        monkeypatch.setattr(spread, "_AT_ONCE", 7)
        with caplog.at_level("INFO", logger="radiographs"):
            _, plan = plan_ingest(film_files(str(root), IngestOptions(stress_split="test")))
        assert {path for path, split in plan.split_of.items() if split == "test"} == {
            f"{label}/{label}{number}.png" for label in features.LABELS for number in (17, 18, 19)
        }
        assert plan.notes[-1].startswith("test holds the 6 patients whose films differ most")
        assert caplog.messages[:3] == [
            "Measuring 42 films, for the stress split",
            "21 of 42 films measured",
            "42 of 42 films measured",
        ]

    def test_a_random_split_measures_nothing(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(measures, "measure_films", None)
        _, plan = plan_ingest(film_files(str(root), IngestOptions()))
        assert set(plan.split_of.values()) == set(features.SPLITS)

    def test_the_choice_of_the_stress_split_is_part_of_the_cache_key(self, root: Path) -> None:
        random, stress = (
            RadiographExampleGen(str(root), IngestOptions(stress_split=choice))
            for choice in ("none", "test")
        )
        assert random.exec_properties[executor.OPTIONS] != stress.exec_properties[executor.OPTIONS]


class TestReadImage:
    def test_what_the_ingest_hands_on_is_what_the_graph_can_read(self, root: Path) -> None:
        film = reading.read_image(str(root), "NORMAL/normal0.png", IngestOptions())
        written = (root / "NORMAL" / "normal0.png").read_bytes()
        assert film.facts.sha256 == hashlib.sha256(written).hexdigest()
        assert quality_of(film.encoded) == features.QUALITY_OK

    def test_what_the_graph_alone_cannot_read_is_unusable(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Should a decoder let through what TensorFlow refuses, as Pillow has done before."""
        read = reading.read_film

        def without_end(data: bytes, options: IngestOptions) -> CanonicalFilm:
            film = read(data, options)
            return dataclasses.replace(film, encoded=film.encoded[:-40])

        monkeypatch.setattr(reading, "read_film", without_end)
        with pytest.raises(UnusableImage, match="finds it not decodable"):
            reading.read_image(str(root), "NORMAL/normal0.png", IngestOptions())

    def test_films_read_at_once_are_those_read_each_alone(self, root: Path) -> None:
        paths = ["NORMAL/normal0.png", "none.png", "NORMAL/broken.png", "NORMAL/normal1.png"]
        (root / "NORMAL" / "broken.png").write_bytes(b"no film")
        (root / "none.png").write_bytes(b"")
        judging = Preprocessing(lungs="none").judging
        together = reading.read_and_describe(str(root), paths, IngestOptions(), judging)
        assert [str(one) for one in together if isinstance(one, UnusableImage)] == [
            "the file is empty; copy it again from its source",
            "the content is no image; only JPEG, PNG and DICOM are read",
        ]
        for path, both in zip(paths[::3], together[::3], strict=True):
            (alone,) = reading.read_and_describe(str(root), [path], IngestOptions(), judging)
            assert not isinstance(both, UnusableImage) and not isinstance(alone, UnusableImage)
            assert both[0].encoded == (root / path).read_bytes()
            assert both[0].facts == alone[0].facts
            np.testing.assert_array_equal(both[1], alone[1])

    def test_chunks_hold_every_item_in_order(self) -> None:
        items = range(17)
        parts = list(spread.chunks(items, 8))
        assert [len(part) for part in parts] == [8, 8, 1]
        assert [item for part in parts for item in part] == list(items)

    @pytest.mark.parametrize("lungs", ["crop", "mask"])
    def test_where_lungs_are_looked_for_a_film_without_is_unusable(
        self, tmp_path: Path, lungs: Literal["crop", "mask"]
    ) -> None:
        chest, judging = draw_phantom(1).pixels, Preprocessing(lungs=lungs).judging
        for name, pixels in (("chest", chest), ("sideways", np.rot90(chest))):
            cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
            reading.read_image(str(tmp_path), f"{name}.png", IngestOptions())
        reading.read_image(str(tmp_path), "chest.png", IngestOptions(), judging)
        with pytest.raises(UnusableImage, match=r"no lungs found; .*lungs=none does without"):
            reading.read_image(str(tmp_path), "sideways.png", IngestOptions(), judging)

    def test_weights_that_are_none_are_found_before_the_films(self, tmp_path: Path) -> None:
        file = tmp_path / "own.npz"
        file.write_bytes(b"no weights")
        own = Preprocessing(lungs="crop", lung_fields_weights=str(file))
        with pytest.raises(ValueError, match=r"lung_fields_weights: .*own\.npz is no file"):
            reading.check_judging(own.judging)
        reading.check_judging(Preprocessing(lung_fields_weights=str(file)).judging)


def test_example_holds_what_is_known_of_the_film() -> None:
    film = Film(
        "NORMAL/größe.png", "NORMAL", "none", "größe", site="Zürich", view="AP", sex="F",
        age_years=7,
        tags=FilmTags("L", "DX", "CHEST", 0.25, "Philips", "5e", 3),
    )  # fmt: skip
    facts = ImageFacts(640, 480, 0.25, "PNG", sha256="0a1b")
    image = CanonicalFilm(b"pixels", facts, np.zeros((1, 1), np.uint8))
    example = to_example(film, image, b"drawn")
    values = {}
    for name, feature in example.features.feature.items():
        (values[name],) = getattr(feature, feature.WhichOneof("kind")).value
    assert values == {
        "image": b"pixels",
        "label": b"NORMAL",
        "subtype": b"none",
        "patient_id": "größe".encode(),
        "site": "Zürich".encode(),
        "view": b"AP",
        "sex": b"F",
        "age_years": 7,
        "width_px": 640,
        "height_px": 480,
        "mean_intensity": 0.25,
        "source_format": b"PNG",
        "sha256": b"0a1b",
        "style": b"unknown",
        "lesion_mask": b"drawn",
        "laterality": b"L",
        "modality": b"DX",
        "body_part": b"CHEST",
        "pixel_spacing_mm": 0.25,
        "manufacturer": b"Philips",
        "device_model": b"5e",
        "study_day": 3,
    }
