"""Runs a command and watches how long it takes and how much memory its processes hold.

From outside and alike for every command, so that what is measured needs no change and
start-up and imports count too.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLING_SECONDS = 0.2  # between two looks at the memory; one look takes a few milliseconds
_BYTES_PER_MB = 1e6


@dataclass(frozen=True)
class Sample:
    """The memory of a command at one moment.

    Attributes:
        at: Seconds since the epoch.
        mb: Resident memory of the process and all below it, in millions of bytes.
    """

    at: float
    mb: float


@dataclass(frozen=True)
class Span:
    """A stretch of time with a name, in seconds since the epoch."""

    name: str
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended - self.started


@dataclass(frozen=True)
class Measured:
    """A command that ran.

    Attributes:
        whole: From before the process was made until it had ended.
        samples: Of its memory, in order of time.
        status: Its exit status.
    """

    whole: Span
    samples: tuple[Sample, ...]
    status: int


def run_measured(
    name: str, command: Sequence[str], folder: Path, most_seconds: float = math.inf
) -> Measured:
    """Runs a command to its end; all it prints goes to the standard error stream.

    Args:
        name: Of the span.
        command: Program and arguments.
        folder: Where it runs.
        most_seconds: After these it is stopped, and its status is that of a signal.

    Returns:
        Its time, memory and exit status.
    """
    samples: list[Sample] = []
    started = time.time()
    process = subprocess.Popen(command, cwd=folder, stdout=sys.stderr)
    try:
        running = True
        while running and time.time() < started + most_seconds:
            samples.append(Sample(time.time(), tree_memory_mb(process.pid)))
            running = not _has_ended(process)
    finally:
        process.terminate()  # of no effect, unless it runs still
        process.wait()
    return Measured(Span(name, started, time.time()), tuple(samples), process.returncode)


def tree_memory_mb(pid: int) -> float:
    """Returns the resident memory of a process and all below it.

    Args:
        pid: Of the topmost process.

    Returns:
        Millions of bytes; pages that processes share count once for each. 0 if the process
        has ended.
    """
    try:
        top = psutil.Process(pid)
        processes = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(map(_resident_bytes, processes)) / _BYTES_PER_MB


def peak_mb(samples: Sequence[Sample], span: Span) -> float:
    """Returns the most memory that was held within a span.

    Args:
        samples: At least one.
        span: One shorter than the distance of two samples may have none of its own.

    Returns:
        Millions of bytes: the largest sample in the span or, if it has none, the one
        closest to its middle.
    """
    within = [sample.mb for sample in samples if span.started <= sample.at <= span.ended]
    if within:
        return max(within)
    middle = (span.started + span.ended) / 2
    return min(samples, key=lambda sample: abs(sample.at - middle)).mb


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=SAMPLING_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0  # ended since it was listed
