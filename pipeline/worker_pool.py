"""`python -m pipeline.worker_pool --port N`: starts the workers of a portable Beam engine.

It is Beam's own pool, which starts them by the `python` of its path and tells them their id as a
parameter alone. Some of a worker's calls take the id from the environment, where the start program
of Beam's images puts it, and Prism asks for it in each. So a worker is started here as in such an
image, by this very Python: `pipeline.beam_worker`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from apache_beam.runners.worker import worker_pool_main

_ROOT = Path(__file__).parents[1]  # of the project, which workers import


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is stopped by Ctrl-C or SIGTERM; its workers end with it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.worker_pool", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="that engines find the pool at")
    port = parser.parse_args(arguments).port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with tempfile.TemporaryDirectory(prefix="worker_pool_") as folder:
        starter = _write_starter(Path(folder))
        pool = [f"--service_port={port}", f"--container_executable={starter}"]
        worker_pool_main.main(pool)
    return 0


def _write_starter(folder: Path) -> Path:
    """Writes the program that the pool calls with what a worker is told."""
    starter = folder / "start_worker"
    # The pool reads nothing of what a worker prints, which would stop once a pipe is full of it.
    command = f'exec {shlex.quote(sys.executable)} -m pipeline.beam_worker "$@" >&2'
    starter.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    starter.chmod(0o700)
    return starter


if __name__ == "__main__":
    sys.exit(main())
