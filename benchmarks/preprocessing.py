"""What reading and preparing films takes, beside a bare OpenCV loop over the same files.

RadiographExampleGen, the schema gate and Transform run as in a real run; the loop decodes, resizes
by areas and evens out the contrast (CLAHE), on one core. Each runs in a process of its own. For
growth, films are copied under other names with another comment in the file, so that no two are
the same to the ingest. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np

from benchmarks.comparison import Part, describe_machine, pipeline_parts
from benchmarks.processes import Span, run_measured
from pipeline.flags import positive

_COMPONENTS = ("RadiographExampleGen", "Transform")
_RUN_ID = "preprocessing"
_COMMENT = b"\xff\xfe"  # marker of a comment segment; ITU-T T.81, table B.1
_START_BYTES = 2  # of a JPEG, before its first segment


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say; returns 0, or 1 if a measurement failed."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow's notes would bury the result
    flags = _parse(arguments)
    if flags.work:
        _run_components(flags)
        return 0
    print(
        "| films | MB on disk | OpenCV, images a second | ingest + Transform, images a second "
        "a core | ratio | ingest, peak MB | Transform, peak MB |\n|---:|---:|---:|---:|---:|---:|"
        "---:|",
        flush=True,
    )
    for copies in flags.copies:
        with tempfile.TemporaryDirectory(prefix="preprocessing_") as name:
            print(_row(Path(name), copies, flags), flush=True)
    machine = describe_machine()
    print(f"\npreprocessing.lungs={flags.lungs}; {machine['cores']} cores, {machine['processor']}")
    return 0


def copy_films(root: Path, copies: int, to: Path) -> list[Path]:
    """Copies class folders of JPEG films so that every copy is another file.

    Args:
        root: Holds NORMAL and PNEUMONIA at any depth.
        copies: Of each film.
        to: Gets the same class folders.

    Returns:
        The copies.
    """
    written = []
    for film in sorted(root.rglob("*.jp*g")):
        content = film.read_bytes()
        for number in range(copies):
            comment = f"copy {number}".encode()
            length = struct.pack(">H", len(comment) + 2)
            file = to / film.parent.name / f"copy{number}x{film.name}"
            file.parent.mkdir(parents=True, exist_ok=True)
            start, rest = content[:_START_BYTES], content[_START_BYTES:]
            file.write_bytes(start + _COMMENT + length + comment + rest)
            written.append(file)
    return written


def opencv_loop(files: Sequence[Path], size_px: int) -> float:
    """Returns how many films a bare loop prepares in a second, on one core.

    Args:
        files: JPEG films.
        size_px: Height and width of the result.
    """
    cv2.setNumThreads(1)
    clahe = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))
    started = time.monotonic()
    for file in files:
        encoded = np.frombuffer(file.read_bytes(), np.uint8)
        grey = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        clahe.apply(cv2.resize(grey, (size_px, size_px), interpolation=cv2.INTER_AREA))
    return len(files) / (time.monotonic() - started)


def _row(folder: Path, copies: int, flags: argparse.Namespace) -> str:
    files = copy_films(flags.data_root, copies, folder / "films")
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    bare = opencv_loop(files, flags.size_px)
    ingest, transform = _components(folder, flags)
    cores = os.cpu_count() or 1
    ours = len(files) / (ingest.seconds + transform.seconds) / cores
    return (
        f"| {len(files):,} | {megabytes:,.0f} | {bare:.0f} | {ours:.1f} | {ours / bare:.2f} "
        f"| {ingest.peak_mb:,.0f} | {transform.peak_mb:,.0f} |"
    )


def _components(folder: Path, flags: argparse.Namespace) -> list[Part]:
    """Runs the components in a process of their own and returns those that are measured.

    Raises:
        RuntimeError: If the process fails.
    """
    from pipeline.lineage import finished_components  # late: imports TFX's metadata store
    from pipeline.locations import WorkDirectory

    command = [
        sys.executable, "-m", "benchmarks.preprocessing", "--work", str(folder),
        "--data-root", str(folder / "films"), "--lungs", flags.lungs,
        "--size-px", str(flags.size_px), "--workers", str(flags.workers),
    ]  # fmt: skip
    measured = run_measured(_RUN_ID, command, Path(__file__).parents[1])
    if measured.status:
        raise RuntimeError(f"preprocessing ended with status {measured.status}")
    finished = finished_components(WorkDirectory(folder / "work").metadata, _RUN_ID)
    spans = [Span(name, one.started, one.ended) for name, one in finished.items()]
    parts = {part.name: part for part in pipeline_parts(measured, spans)}
    return [parts[name] for name in _COMPONENTS]


def _run_components(flags: argparse.Namespace) -> None:
    """Runs the pipeline up to Transform."""
    from tfx import v1 as tfx

    from pipeline.config import load_config
    from pipeline.local import NamedDagRunner
    from pipeline.locations import PACKAGED_SCHEMA, WorkDirectory
    from pipeline.pipeline import create_pipeline

    settings = (
        f"preprocessing.lungs={flags.lungs}", f"preprocessing.image_size_px={flags.size_px}",
        f"beam.workers={flags.workers}", "preprocessing.contrast=clahe",
        "data.near_duplicates=ignore",  # each copy would be held against each
    )  # fmt: skip
    config = load_config("standard", None, settings)
    work = WorkDirectory(flags.work / "work")
    work.schema_file.parent.mkdir(parents=True)
    work.schema_file.write_bytes(PACKAGED_SCHEMA.read_bytes())
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(work.metadata))
    pipeline = create_pipeline(config, work.locations(flags.data_root), connection)
    with suppress(_AllPrepared):
        NamedDagRunner(_RUN_ID, lambda: None, _stop_after_transform).run(pipeline)


class _AllPrepared(Exception):
    """The last component that is measured has run."""


@contextmanager
def _stop_after_transform(component: str) -> Iterator[None]:
    yield
    if component == _COMPONENTS[-1]:
        raise _AllPrepared


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preprocessing", description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True, help="class folders of JPEG films")
    parser.add_argument("--copies", type=positive, nargs="+", default=(1,), help="of each film (1)")
    parser.add_argument("--lungs", choices=("none", "crop", "mask"), default="none", help="(none)")
    parser.add_argument("--size-px", type=positive, default=128, help="height and width (128)")
    parser.add_argument("--workers", type=positive, default=1, help="beam.workers (1)")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
