"""What a user reads when a run stops: the cause behind the exceptions of the libraries."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pipeline.failures import Failure, explain
from radiographs.errors import DataError, UnusableImage

WORK = Path("/somewhere/work")
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
        assert explain(error, WORK, "RadiographExampleGen") == expected

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_full_disk(self, explicit: bool, number: int) -> None:
        error = wrapped(OSError(number, "some words", "/somewhere/work/x"), explicit=explicit)
        failure = explain(error, WORK, "Transform")
        assert failure.sentence.startswith(FULL)
        assert not failure.of_data

    def test_no_permission(self, explicit: bool) -> None:
        error = wrapped(PermissionError(errno.EACCES, "denied", "/data/a.png"), explicit=explicit)
        failure = explain(error, WORK, "Transform")
        assert failure.sentence.startswith("/data/a.png may not be written or read; change its ")
        assert not failure.of_data


@pytest.mark.parametrize(
    "text",
    [
        "FAILED_PRECONDITION: /work/x; No space left on device",
        "mysql or sqlite: database or disk is full",
        "Disk quota exceeded",
    ],
)
def test_full_disk_as_other_libraries_say_it(text: str) -> None:
    assert explain(wrapped(RuntimeError(text)), WORK, "Trainer").sentence.startswith(FULL)


def test_an_unusable_image_is_a_matter_of_data() -> None:
    assert explain(UnusableImage("all pixels are equal"), WORK, "").of_data


def test_anything_else_is_named_with_its_component() -> None:
    failure = explain(wrapped(KeyError("x")), WORK, "Trainer")
    assert failure == Failure(f"ValueError in Trainer: with a long story{TRACE}", of_data=False)
    assert explain(KeyError("x"), WORK, "").sentence == f"KeyError: 'x'{TRACE}"
    assert explain(RuntimeError(), WORK, "").sentence == f"RuntimeError: no message{TRACE}"


def test_files_to_keep_come_along() -> None:
    error = DataError("too many", {"quarantine.csv": "path,reason\n"})
    assert explain(wrapped(error), WORK, "").files == {"quarantine.csv": "path,reason\n"}


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert explain(one, WORK, "").sentence == f"RuntimeError: one{TRACE}"
