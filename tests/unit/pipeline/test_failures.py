"""What a user reads when a run stops: the cause behind the exceptions of the libraries."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from pipeline.failures import Failure, explain, was_interrupted
from pipeline.places import Place
from radiographs.errors import DataError, UnusableImage
from tests.support import fill, mount

WORK = Path("/somewhere/work")
TEMPORARY = Path("/elsewhere/tmp")
PLACES = [
    Place(WORK, "", "choose another --workdir"),
    Place(TEMPORARY, "temporary files", "set TMPDIR to another folder"),
]
TRACE = "; the stack trace is in log.txt"
FULL = f"the disk that holds {WORK} is full; free some space and run the same command again"


def wrapped(cause: BaseException, *, explicit: bool = True) -> BaseException:
    """The cause inside two more exceptions, as Beam and TFX do it."""
    try:
        try:
            try:
                raise cause
            except BaseException as error:
                if explicit:
                    raise RuntimeError("[while running 'ReadFilm']") from error
                raise RuntimeError("[while running 'ReadFilm']")  # noqa: B904
        except RuntimeError as error:
            raise ValueError("the component failed\nwith a long story") from error
    except ValueError as error:
        return error


@pytest.mark.parametrize("explicit", [True, False], ids=["cause", "context"])
class TestCauses:
    def test_data_is_to_blame(self, explicit: bool) -> None:
        error = wrapped(DataError("the data root is odd; mend it"), explicit=explicit)
        expected = Failure("the data root is odd; mend it", of_data=True)
        assert explain(error, PLACES, "RadiographExampleGen") == expected

    def test_full_disk(self, explicit: bool) -> None:
        error = wrapped(OSError(errno.ENOSPC, "words", "/somewhere/work/x"), explicit=explicit)
        failure = explain(error, PLACES, "Transform")
        assert failure.sentence.startswith(FULL)
        assert not failure.of_data

    def test_no_permission(self, explicit: bool) -> None:
        error = wrapped(PermissionError(errno.EACCES, "denied", "/data/a.png"), explicit=explicit)
        failure = explain(error, PLACES, "Transform")
        assert failure.sentence == "/data/a.png may not be written or read; change its permissions"
        assert not failure.of_data


def said(error: BaseException, component: str = "Trainer") -> str:
    """The sentence about an error inside two more, which is not the data's fault."""
    failure = explain(wrapped(error), PLACES, component)
    assert not failure.of_data
    return failure.sentence


class TestFullDisk:
    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOSPC, "words", "/elsewhere/tmp/a/b"),
            OSError(errno.ENOSPC, "words", b"/elsewhere/tmp/a/b"),
            OSError(errno.ENOSPC, "words", "/somewhere/work/a", None, "/elsewhere/tmp/a"),
            RuntimeError("RESOURCE_EXHAUSTED: /elsewhere/tmp/a b; No space left on device"),
            RuntimeError(
                "in /somewhere/work\n[Errno 28] No space left on device: '/elsewhere/tmp/a'"
            ),
        ],
    )
    def test_is_the_one_of_the_file_that_is_named(self, error: BaseException) -> None:
        assert said(error) == (
            f"the disk that holds {TEMPORARY} (temporary files) is full; free some space, or set "
            "TMPDIR to another folder, and run the same command again, it goes on from what has "
            "finished"
        )

    def test_is_that_of_a_file_elsewhere(self) -> None:
        error = OSError(errno.ENOSPC, "words", "/home/me/.keras/models/w.h5")
        assert said(error).startswith(
            "the disk that holds /home/me/.keras/models is full; free some space and run the same"
        )

    def test_of_nested_places_is_the_inner_one(self) -> None:
        inner = Place(WORK / "tmp", "temporary files", "set TMPDIR to another folder")
        error = OSError(errno.ENOSPC, "words", "/somewhere/work/tmp/a")
        assert explain(error, [PLACES[0], inner], "").sentence.startswith(
            f"the disk that holds {WORK}/tmp (temporary files) is full"
        )

    @pytest.mark.parametrize("text", ["No space left on device", "database or disk is full"])
    def test_is_found_by_writing_where_no_file_is_named(
        self, tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setattr("pipeline.places._SCARCE_BYTES", 0)
        fill(disk / "filling")
        places = [Place(tmp_path, "", ""), Place(disk, "temporary files", "set TMPDIR")]
        sentence = explain(RuntimeError(text), places, "").sentence
        assert sentence.startswith(f"the disk that holds {disk} (temporary files) is full; free")
        places = [Place(disk, "", ""), Place(tmp_path, "temporary files", "set TMPDIR")]
        sentence = explain(RuntimeError(text), places, "").sentence
        assert sentence.startswith(f"the disk that holds {disk} is full; free some space and run")

    def test_is_found_by_writing_where_several_files_are_named(
        self, tmp_path: Path, disk: Path
    ) -> None:
        fill(disk / "filling")
        error = shutil.Error(
            [("/a/x", f"{disk}/x", f"No space left on device: '/a/x' -> '{disk}/x'")]
        )
        places = [Place(tmp_path, "", ""), Place(disk, "temporary files", "set TMPDIR")]
        sentence = explain(error, places, "").sentence
        assert sentence.startswith(f"the disk that holds {disk} (temporary files) is full; free")

    def test_that_has_room_again_is_told_by_its_size(self, tmp_path: Path, disk: Path) -> None:
        places = [Place(tmp_path, "", ""), Place(disk, "temporary files", "set TMPDIR")]
        sentence = explain(OSError(errno.ENOSPC, "words"), places, "").sentence
        assert sentence.startswith(f"the disk that holds {disk} (temporary files) is full")

    def test_is_left_open_where_all_have_room(
        self, tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipeline.places._SCARCE_BYTES", 1000)
        places = [Place(tmp_path, "", ""), Place(disk, "temporary files", "set TMPDIR")]
        sentence = explain(OSError(errno.ENOSPC, "words"), places, "").sentence
        assert sentence.startswith("a disk is full; free now are ")
        assert f"1 MB in {disk} (temporary files); make room and run the same" in sentence

    def test_without_inodes_says_so(self, disk: Path) -> None:
        mount("-o", "remount,nr_inodes=2", str(disk))
        (disk / "one").touch()
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as full:
            (disk / "two").touch()
        place = Place(disk, "temporary files", "set TMPDIR to another folder")
        assert explain(full.value, [place], "").sentence == (
            f"the disk that holds {disk} (temporary files) has no inodes left for another file; "
            "remove files there, or set TMPDIR to another folder, and run the same command again, "
            "it goes on from what has finished"
        )

    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.EDQUOT, "words", "/somewhere/work/x"),
            RuntimeError("/somewhere/work/x; Disk quota exceeded"),
        ],
    )
    def test_by_quota_says_so(self, error: BaseException) -> None:
        assert said(error).startswith(f"the quota on the disk of {WORK} is used up; free some")


AGAIN = "run the same command again, it goes on from what has finished"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.EROFS, "words", "/elsewhere/tmp/x"),
            "/elsewhere/tmp/x cannot be written, its file system is read-only; set TMPDIR to "
            "another folder",
        ),
        (
            RuntimeError("attempt to write a readonly database"),
            "/somewhere/work cannot be written, its file system is read-only; choose another "
            "--workdir",
        ),
        (
            PermissionError(errno.EACCES, "words", "/elsewhere/tmp/x"),
            "/elsewhere/tmp/x may not be written or read; change its permissions or set TMPDIR to "
            "another folder",
        ),
        (
            RuntimeError("PERMISSION_DENIED: /somewhere/work/x; Permission denied"),
            "/somewhere/work/x may not be written or read; change its permissions or choose "
            "another --workdir",
        ),
        (
            OSError(errno.EMFILE, "words", "/somewhere/work/x"),
            f"too many files are open in Trainer; raise the limit (ulimit -n 4096) and {AGAIN}",
        ),
        (
            RuntimeError("/somewhere/work/x; Too many open files"),
            f"too many files are open in Trainer; raise the limit (ulimit -n 4096) and {AGAIN}",
        ),
        (
            OSError(errno.ENAMETOOLONG, "words", "/somewhere/work/long"),
            "the file system takes no name as long as /somewhere/work/long; choose another "
            "--workdir",
        ),
        (
            MemoryError(),
            "memory ran out in Trainer; end what else uses it, or lower train.batch_size, "
            "preprocessing.image_size_px or beam.workers",
        ),
        (
            RuntimeError("OOM when allocating tensor with shape[9] on /job:x/device:GPU:0"),
            "the GPU's memory ran out in Trainer; end what else uses it, or lower "
            "train.batch_size, preprocessing.image_size_px or beam.workers",
        ),
        (
            RuntimeError("can't start new thread"),
            "the system allows no further thread in Trainer; raise the limits on processes and "
            f"memory (ulimit -u, ulimit -v) and {AGAIN}",
        ),
        (
            RuntimeError("Worker subprocess exited with return code -9"),
            "a worker process was killed in Trainer, which a system does where memory runs out; "
            "lower beam.workers, or end what else uses memory",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            "no temporary file can be written; set TMPDIR to a folder that may be written",
        ),
        (
            OSError(errno.EIO, "Input/output error", "/somewhere/work/x"),
            "the disk that holds /somewhere/work/x cannot be read or written (Input/output error); "
            f"check it and {AGAIN}",
        ),
        (
            ValueError("URL fetch failure on https://a.example/w.h5: None -- [Errno -2] unknown"),
            f"https://a.example/w.h5 cannot be reached in Trainer; check the network and {AGAIN}",
        ),
        (
            ConnectionError("cannot connect to gs://bucket/films."),
            f"gs://bucket/films cannot be reached in Trainer; check the network and {AGAIN}",
        ),
    ],
)  # fmt: skip
def test_what_a_machine_may_lack_is_named(error: BaseException, sentence: str) -> None:
    assert said(error) == sentence


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "of a worker on this machine"),
        PermissionError(errno.EACCES, "of nobody knows what"),
        RuntimeError("RESOURCE_EXHAUSTED: of nobody knows what"),
        ValueError("see https://a.example/help for what it means"),
    ],
)
def test_what_is_not_certain_is_told_as_it_was_told(error: BaseException) -> None:
    assert said(error) == f"ValueError in Trainer: with a long story{TRACE}"


def test_an_unusable_image_is_a_matter_of_data() -> None:
    assert explain(UnusableImage("all pixels are equal"), PLACES, "").of_data


def test_anything_else_is_named_with_its_component() -> None:
    failure = explain(wrapped(KeyError("x")), PLACES, "Trainer")
    assert failure == Failure(f"ValueError in Trainer: with a long story{TRACE}", of_data=False)
    assert explain(KeyError("x"), PLACES, "").sentence == f"KeyError: 'x'{TRACE}"
    assert explain(RuntimeError(), PLACES, "").sentence == f"RuntimeError: no message{TRACE}"


def test_files_to_keep_come_along() -> None:
    error = DataError("too many", {"quarantine.csv": "path,reason\n"})
    assert explain(wrapped(error), PLACES, "").files == {"quarantine.csv": "path,reason\n"}


@pytest.mark.parametrize("explicit", [True, False], ids=["cause", "context"])
def test_ctrl_c_is_seen_behind_what_a_library_makes_of_it(explicit: bool) -> None:
    assert was_interrupted(KeyboardInterrupt())
    assert was_interrupted(wrapped(KeyboardInterrupt(), explicit=explicit))
    assert not was_interrupted(wrapped(KeyError("x"), explicit=explicit))


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert explain(one, PLACES, "").sentence == f"RuntimeError: one{TRACE}"
