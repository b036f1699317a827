"""How much memory the shortcut audit and the input of an epoch take, by the number of films.

Prints a Markdown table. Each figure is the most that a fresh process held, so that nothing one
measurement leaves behind counts for the next. Films are phantoms as Transform would write them,
a few of them moved about, since drawing fifty thousand would take hours.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import peak_mb, run_measured
from pipeline.flags import positive

WRITE, IMPORTS, EPOCH, AUDIT = "write", "imports", "epoch", "audit"
FILMS = (5_000, 20_000, 50_000)

_MEASURED = {IMPORTS: "imports alone", EPOCH: "input of an epoch", AUDIT: "shortcut audit"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say; returns 0, or 1 if a measurement failed."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow's notes would bury the result
    flags = _parse(arguments)
    if flags.work:
        _work(flags)
        return 0
    columns = [f"films of {flags.size_px} px", "MB on disk", *_MEASURED.values()]
    print(f"| {' | '.join(columns)} |\n|{'---:|' * len(columns)}", flush=True)
    for films in flags.films:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _in_own_process(WRITE, folder, films, flags)
            figures = [_in_own_process(what, folder, films, flags) for what in _MEASURED]
            size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        row = [films, size_mb, *figures]
        print(f"| {' | '.join(f'{one:,.0f}' for one in row)} |", flush=True)
    print(
        f"\nPeak resident memory in MB; controls learn from {flags.control_films:,} films at most."
    )
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--films", type=positive, nargs="+", default=FILMS, help="sizes of train")
    parser.add_argument("--size-px", type=positive, default=128, help="height and width (128)")
    parser.add_argument(
        "--control-films", type=positive, default=20_000, help="evaluation.control_films (20000)"
    )
    parser.add_argument("--work", choices=(WRITE, *_MEASURED), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _in_own_process(what: str, folder: Path, films: int, flags: argparse.Namespace) -> float:
    """Returns the peak memory of one piece of work in MB.

    Raises:
        RuntimeError: If the process fails.
    """
    command = [
        sys.executable, "-m", "benchmarks.memory", "--work", what, "--folder", str(folder),
        "--films", str(films), "--size-px", str(flags.size_px),
        "--control-films", str(flags.control_films),
    ]  # fmt: skip
    measured = run_measured(what, command, Path(__file__).parents[1])
    if measured.status:
        raise RuntimeError(f"{what} with {films} films ended with status {measured.status}")
    return peak_mb(measured.samples, measured.whole)


def _work(flags: argparse.Namespace) -> None:
    from benchmarks import memory_work  # late: imports TensorFlow, which --help need not wait for

    if flags.work == WRITE:
        memory_work.write_transformed(flags.folder, flags.films[0], flags.size_px)
    elif flags.work == EPOCH:
        memory_work.read_epoch(flags.folder, flags.size_px)
    elif flags.work == AUDIT:
        memory_work.audit_shortcuts(flags.folder, flags.size_px, flags.control_films)


if __name__ == "__main__":
    sys.exit(main())
