"""Turns an exception from deep inside a run into one sentence for the user.

A wrong reason is worse than none: what is not certain is told as the library told it.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from urllib.error import URLError

from pipeline.places import (
    Place,
    free_bytes,
    full_places,
    has_no_inodes,
    path_of,
    place_of,
)
from radiographs.errors import DataError

_AGAIN = "run the same command again, it goes on from what has finished"
_URL = re.compile(r"\b[a-z][a-z0-9]+://[^\s'\",;]*[^\s'\",;:.)]")
_UNREACHED = (ConnectionError, TimeoutError, socket.gaierror, URLError)


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


@dataclass(frozen=True)
class _Cause:
    """An exception, and what is known of where it arose."""

    error: BaseException
    places: Sequence[Place]
    component: str

    def said(self, numbers: Sequence[int], phrases: Sequence[str]) -> str:
        """Returns the phrase that tells the kind of the error, or an empty string."""
        if isinstance(self.error, OSError) and self.error.errno in numbers:
            return phrases[0]
        return next((phrase for phrase in phrases if phrase in str(self.error)), "")

    @property
    def within(self) -> str:
        """Returns ` in <component>`, or nothing."""
        return f" in {self.component}" if self.component else ""


def explain(error: BaseException, places: Sequence[Place], component: str) -> Failure:
    """Finds the cause that a user can act on.

    Args:
        error: What was raised; its causes are searched too.
        places: Where the run writes, the work directory first.
        component: Which component ran, or an empty string.

    Returns:
        A sentence, without a stack trace.
    """
    causes = list(_causes(error))
    for one in causes:
        if isinstance(one, DataError):
            return Failure(str(one), of_data=True, files=one.files)
    for reason in _REASONS:
        for one in causes:
            sentence = reason(_Cause(one, places, component))
            if sentence:
                return Failure(sentence, of_data=False)
    where = f" in {component}" if component else ""
    # Of a long message, TensorFlow's and Beam's above all, the last line says what it was.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    what = lines[-1] if lines else "no message"
    return Failure(
        f"{type(error).__name__}{where}: {what}; the stack trace is in log.txt", of_data=False
    )


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C or SIGTERM is behind an exception; Beam makes another of it.

    Args:
        error: What was raised; its causes are searched too.
    """
    return any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error))


def _full_disk(cause: _Cause) -> str:
    phrase = cause.said((errno.ENOSPC,), ("No space left on device", "database or disk is full"))
    return _no_room(cause, phrase, "the disk that holds {place} is full") if phrase else ""


def _quota(cause: _Cause) -> str:
    phrase = cause.said((errno.EDQUOT,), ("Disk quota exceeded",))
    return _no_room(cause, phrase, "the quota on the disk of {place} is used up") if phrase else ""


def _no_room(cause: _Cause, phrase: str, what: str) -> str:
    path = path_of(cause.error, phrase)
    found = [place_of(path, cause.places)] if path else full_places(cause.places)
    if len(found) != 1:
        free = ", ".join(
            f"{free_bytes(place) / 1e6:,.0f} MB in {place}"
            for place in cause.places
            if place.path.is_dir()
        )
        return f"a disk is full; free now are {free}; make room and {_AGAIN}"
    (place,) = found
    if has_no_inodes(place.path):
        what = "the disk that holds {place} has no inodes left for another file"
        return f"{what.format(place=place)}; remove files there{_or_move(place)} and {_AGAIN}"
    return f"{what.format(place=place)}; free some space{_or_move(place)} and {_AGAIN}"


def _or_move(place: Place) -> str:
    """Returns how to go elsewhere; a work directory stays, or what has finished would be lost."""
    return f", or {place.elsewhere}," if place.role else ""


def _read_only(cause: _Cause) -> str:
    phrase = cause.said(
        (errno.EROFS,), ("Read-only file system", "attempt to write a readonly database")
    )
    if not phrase:
        return ""
    path = path_of(cause.error, phrase)
    place = place_of(path, cause.places) if path else cause.places[0]
    if not path and phrase != "attempt to write a readonly database":
        return ""
    return f"{path or place} cannot be written, its file system is read-only{_then(place)}"


def _no_permission(cause: _Cause) -> str:
    phrase = cause.said(
        (errno.EACCES, errno.EPERM), ("Permission denied", "Operation not permitted")
    )
    path = path_of(cause.error, phrase) if phrase else None
    if not path:
        return ""
    place = place_of(path, cause.places)
    other = f" or {place.elsewhere}" if place.elsewhere else ""
    return f"{path} may not be written or read; change its permissions{other}"


def _too_many_files(cause: _Cause) -> str:
    if not cause.said((errno.EMFILE, errno.ENFILE), ("Too many open files",)):
        return ""
    return f"too many files are open{cause.within}; raise the limit (ulimit -n 4096) and {_AGAIN}"


def _too_many_threads(cause: _Cause) -> str:
    if "can't start new thread" not in str(cause.error):
        return ""
    return (
        f"the system allows no further thread{cause.within}; raise the limits on processes and "
        f"memory (ulimit -u, ulimit -v) and {_AGAIN}"
    )


def _long_name(cause: _Cause) -> str:
    phrase = cause.said((errno.ENAMETOOLONG,), ("File name too long",))
    path = path_of(cause.error, phrase) if phrase else None
    if not path:
        return ""
    place = place_of(path, cause.places)
    return f"the file system takes no name as long as {path}{_then(place, 'shorten it')}"


def _bad_disk(cause: _Cause) -> str:
    phrase = cause.said((errno.EIO, errno.ESTALE), ("Input/output error", "Stale file handle"))
    path = path_of(cause.error, phrase) if phrase else None
    if not path:
        return ""
    return f"the disk that holds {path} cannot be read or written ({phrase}); check it and {_AGAIN}"


def _then(place: Place, otherwise: str = "mount it otherwise") -> str:
    return f"; {place.elsewhere or otherwise}"


def _out_of_memory(cause: _Cause) -> str:
    phrase = cause.said(
        (errno.ENOMEM,),
        ("Cannot allocate memory", "OOM when allocating", "std::bad_alloc", "out of memory"),
    )
    if not phrase and not isinstance(cause.error, MemoryError):
        return ""
    whose = "the GPU's memory" if "GPU" in str(cause.error) else "memory"
    return (
        f"{whose} ran out{cause.within}; end what else uses it, or lower train.batch_size, "
        "preprocessing.image_size_px or beam.workers"
    )


def _killed(cause: _Cause) -> str:
    killed = "exited with return code -9" in str(cause.error)
    if not killed and not isinstance(cause.error, BrokenProcessPool):
        return ""
    return (
        f"a worker process was killed{cause.within}, which a system does where memory runs out; "
        "lower beam.workers, or end what else uses memory"
    )


def _unreachable(cause: _Cause) -> str:
    text = str(cause.error)
    fetching = "URL fetch failure on" in text  # Keras, of weights
    url = _URL.search(text)
    if not url or not (fetching or isinstance(cause.error, _UNREACHED)):
        return ""
    return f"{url[0]} cannot be reached{cause.within}; check the network and {_AGAIN}"


def _no_temporary_folder(cause: _Cause) -> str:
    if "No usable temporary directory" not in str(cause.error):
        return ""
    return "no temporary file can be written; set TMPDIR to a folder that may be written"


# A full disk comes first: much else follows from it.
_REASONS: tuple[Callable[[_Cause], str], ...] = (
    _full_disk,
    _quota,
    _read_only,
    _too_many_files,
    _too_many_threads,
    _no_temporary_folder,
    _out_of_memory,
    _killed,
    _long_name,
    _no_permission,
    _bad_disk,
    _unreachable,
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
