"""Turns an exception from deep inside a run into one sentence for the user."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from radiographs.errors import DataError

_DISK_FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")


@dataclass(frozen=True)
class Failure:
    """Why a run stopped.

    Attributes:
        sentence: What, where, what to do.
        of_data: Whether the data is to blame.
        files: What has to be kept with the run, text by file name.
    """

    sentence: str
    of_data: bool
    files: Mapping[str, str] = field(default_factory=dict)


def explain(error: BaseException, work: Path, component: str) -> Failure:
    """Finds the cause that a user can act on.

    Args:
        error: What was raised; its causes are searched too.
        work: The work directory.
        component: Which component ran, or an empty string.

    Returns:
        A sentence, without a stack trace.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, DataError):
            return Failure(str(cause), of_data=True, files=cause.files)
    for cause in causes:
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or any(text in str(cause) for text in _DISK_FULL):
            return Failure(
                f"the disk that holds {work} is full; free some space and run the same command "
                "again, it goes on from what has finished",
                of_data=False,
            )
    for cause in causes:
        if isinstance(cause, PermissionError) and cause.filename:
            return Failure(
                f"{cause.filename} may not be written or read; change its permissions or choose "
                "another --workdir",
                of_data=False,
            )
    where = f" in {component}" if component else ""
    # Of a long message, TensorFlow's and Beam's above all, the last line says what it was.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = lines[-1] if lines else "no message"
    return Failure(
        f"{type(error).__name__}{where}: {what}; the stack trace is in log.txt", of_data=False
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
