"""Kills the local runner at a chosen moment, and looks at what a run has left.

From outside and by signals that no program can catch: what survives is what the disk holds.
"""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import local_runner
from components.pusher.executor import CARD
from models.features import SPLITS
from pipeline.lineage import run_outputs, unfinished_inputs
from pipeline.locations import WorkDirectory

START, ACCOUNT = "start", "account"  # before the first component, after the last
LAST_COMPONENT = "ReportGen"

_POLLING_SECONDS = 0.005
_EVENT = re.compile(r"Component (\S+) is (running|finished)\.$")


# One process imports TFX and is forked for each run, which saves most of a run's start.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["local_runner", "pipeline.local"])


class WatchedRun:
    """A local runner in a process group of its own, watched by its log."""

    def __init__(
        self,
        work: WorkDirectory,
        flags: Sequence[str],
        main: Callable[[Sequence[str]], int] = local_runner.main,
    ):
        """Starts it.

        Args:
            work: Its work directory.
            flags: Of `local_runner.py`, but for `--workdir`.
            main: Takes all flags and returns the exit status.
        """
        self._work = work
        self._earlier = set(_run_ids(work))
        arguments = ["--workdir", str(work.path), *flags]
        self._process = _PROCESSES.Process(target=_run_silently, args=(main, arguments))
        self._process.start()
        with suppress(ProcessLookupError):  # it has ended already
            while os.getpgid(self._id) != self._id:
                time.sleep(_POLLING_SECONDS)

    @property
    def _id(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def stages(self) -> Iterator[tuple[str, bool]]:
        """Yields each component as it begins (True) and as it ends, until the run has ended."""
        log: IO[str] | None = None
        begun = ""  # a line that is not complete yet
        while True:
            ended = self._process.exitcode is not None
            log = log or self._open_log()
            *lines, begun = (begun + (log.read() if log else "")).split("\n")
            for event in filter(None, map(_EVENT.search, lines)):
                yield event[1], event[2] == "running"
            if ended:
                return
            time.sleep(_POLLING_SECONDS)

    def wait_for(self, stage: str) -> None:
        """Returns when a stage begins, or the run has ended."""
        if stage == START:
            return
        awaited = (LAST_COMPONENT, False) if stage == ACCOUNT else (stage, True)
        for reached in self.stages():
            if reached == awaited:
                return

    def pause(self) -> None:
        """Stops all its processes where they are."""
        os.killpg(self._id, signal.SIGSTOP)

    def go_on(self) -> None:
        """Lets paused processes go on."""
        os.killpg(self._id, signal.SIGCONT)

    def kill(self) -> bool:
        """Kills all its processes; returns whether the run had not ended before."""
        if self._process.exitcode is None:
            os.killpg(self._id, signal.SIGKILL)
        return self.finish() == -signal.SIGKILL

    def finish(self) -> int:
        """Waits for the end; returns the exit status, or the signal that ended it, below 0."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def _open_log(self) -> IO[str] | None:
        for run_id in set(_run_ids(self._work)) - self._earlier:
            file = self._work.run(run_id) / "log.txt"
            if file.is_file():
                return file.open(encoding="utf-8", errors="replace")
        return None


def _run_silently(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    sys.exit(main(arguments))


def _run_ids(work: WorkDirectory) -> list[str]:
    if not work.runs.is_dir():
        return []
    return [path.name for path in work.runs.iterdir() if path.is_dir() and not path.is_symlink()]


def latest_run(work: WorkDirectory) -> str:
    """Returns the id that `runs/latest` leads to."""
    return os.readlink(work.runs / "latest")


def digests_of_splits(work: WorkDirectory, run_id: str) -> dict[str, list[str]]:
    """Returns the SHA-256 of each example of a run, in order of the digests, by split."""
    artifact = run_outputs(work.metadata, run_id)["RadiographExampleGen", "examples"]
    return {
        split: sorted(
            hashlib.sha256(example).hexdigest()
            for file in (Path(artifact.uri) / f"Split-{split}").iterdir()
            for example in _records(file)
        )
        for split in SPLITS
    }


def _records(file: Path) -> Iterator[bytes]:
    """Yields the records of a gzipped TFRecord file: length, its checksum, content, checksum."""
    with gzip.open(file) as content:
        while head := content.read(12):
            yield content.read(int.from_bytes(head[:8], "little"))
            content.read(4)


def faults_of(work: WorkDirectory, run_id: str) -> list[str]:
    """Returns what a run that was pushed used or left half-written.

    Args:
        work: Its work directory.
        run_id: Of the run.

    Returns:
        A sentence for each input that no finished execution put out, for each folder beside the
        versions, and for each version that is not what a Trainer wrote.
    """
    outputs = run_outputs(work.metadata, run_id)
    trained = {
        _contents(folder)
        for folder in (work.path / "artifacts" / "Trainer" / "model").glob("*/Format-Serving")
    }
    pushed = outputs["Pusher", "pushed_model"].custom_properties["pushed_version"]
    own = Path(outputs["Trainer", "model"].uri) / "Format-Serving"
    faults = list(unfinished_inputs(work.metadata, run_id))
    for folder in sorted(work.serving_root.iterdir()):
        if not folder.name.isdigit():
            faults.append(f"{folder.name} lies beside the versions")
        elif _contents(folder) not in trained:
            faults.append(f"version {folder.name} is not what a Trainer wrote")
    if _contents(work.serving_root / pushed.string_value) != _contents(own):
        faults.append("the pushed version is not the trained model")
    return faults


def _contents(folder: Path) -> frozenset[tuple[str, str]]:
    return frozenset(
        (str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest())
        for file in folder.rglob("*")
        if file.is_file() and file.relative_to(folder) != Path(CARD)  # which the Pusher adds
    )
