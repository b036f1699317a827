"""Decodes compressed pixels in processes of their own, which may die without harm.

A process is kept for the next film; several threads get one each.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from radiographs.formats.decoder import damaged

# Run as a file, the worker imports none of ours and starts at once.
_WORKER = Path(__file__).with_name("codec_worker.py")
_RUN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
_SECONDS = 60.0  # a film of 100 megapixels takes a few

_idle: list[_Process] = []


def decode(coding: str, width_px: int, height_px: int, bits: int, data: bytes) -> np.ndarray:
    """Decodes one grey frame.

    Args:
        coding: As of `codec_worker.decode`, and so are the others.
        width_px: Of the frame.
        height_px: Of the frame.
        bits: Of a sample.
        data: The compressed frame.

    Returns:
        `[height, width]` of integers.

    Raises:
        UnusableImage: If the codec fails, whichever way.
    """
    process = _idle_one() or _Process()
    request = {"coding": coding, "width_px": width_px, "height_px": height_px, "bits": bits}
    samples = process.ask(request, data)  # one that fails is not kept
    if process.alive:
        _idle.append(process)
    if samples is None or samples.size != width_px * height_px:
        raise damaged(f"its {coding} pixels cannot be decoded")
    return samples.reshape(height_px, width_px)


def _idle_one() -> _Process | None:
    with contextlib.suppress(IndexError):  # none is left
        while True:
            process = _idle.pop()
            if process.alive:
                return process
    return None


class _Process:
    def __init__(self) -> None:
        path = os.pathsep.join(part or os.getcwd() for part in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Threads of NumPy's would take address space, which is rationed, on every core.
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )
        self._owner = os.getpid()

    @property
    def alive(self) -> bool:
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, request: dict[str, object], data: bytes) -> np.ndarray | None:
        """Returns the samples, or None where the codec fails."""
        alarm = threading.Timer(_SECONDS, self._process.kill)
        alarm.start()
        try:
            return self._asked(request, data)
        except (OSError, ValueError):  # it died while it was asked, or while it answered
            self._process.kill()
            self._process.wait()
            return None
        finally:
            alarm.cancel()

    def _asked(self, request: dict[str, object], data: bytes) -> np.ndarray | None:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        requests.write(json.dumps({**request, "bytes": len(data)}).encode() + b"\n" + data)
        requests.flush()
        answer = json.loads(answers.readline())
        if "error" in answer:
            return None
        return np.frombuffer(answers.read(answer["bytes"]), np.dtype(answer["dtype"]))
