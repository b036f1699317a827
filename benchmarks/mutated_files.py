"""Runs the ingest over good films and spoilt files in one folder, and accounts for each of them.

JPEG, PNG and DICOM lie in two class folders. RadiographExampleGen runs as in a pipeline, in a
process of its own whose memory is watched from outside. Every good film has to become an example.
Every spoilt file has to be set aside with a reason; or it is a film after all, as where a bit of a
comment flips, and then the ops that train and serve decode it. Ends with 1 if a good film is
missing, a spoilt file is lost, a reason is one that no file should have, or memory or time passes
its bound.

    python -m benchmarks.mutated_files --films 500 --mutants 500 --seed 0
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.comparison import describe_machine
from benchmarks.processes import Measured, peak_mb, run_measured
from pipeline.flags import positive
from radiographs.decoding import UNFORESEEN, read_film
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions
from radiographs.pseudonyms import hidden, pseudonyms_of, write_new_key
from radiographs.quarantine import count_kinds
from tests.mutated_films import FilmFile, sound_files, spoilt_files, write_files

MOST_MB = 4_295  # 4 GiB, codecs in processes of their own included
MOST_SECONDS_A_FILE = 2  # on average
_START_SECONDS = 120
_SLOWEST = 5
_KEY, _FILMS, _WORK = "pseudonym.key", "films", "work"


@dataclass(frozen=True)
class Account:
    """What became of the files.

    Attributes:
        arrived: Spoilt files that are films after all, by kind of damage.
        quarantined: Reasons of the spoilt files in quarantine, by path.
        ignored: Reasons of the spoilt files that are set aside before.
        faults: Sentences about what must not be.
    """

    arrived: Mapping[str, int]
    quarantined: Mapping[str, str]
    ignored: Mapping[str, str]
    faults: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say; returns 1 where something must not be, else 0."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow's notes would bury the result
    flags = _parse(arguments)
    if flags.work:
        ingest(flags.work)
        return 0
    sound = sound_files(flags.films, flags.seed)
    spoilt = spoilt_files(sound, flags.mutants, flags.seed)
    with tempfile.TemporaryDirectory(prefix="mutated_files_") as name:
        folder = Path(name)
        write_folder(folder, [*sound, *spoilt])
        measured = _in_own_process(folder, len(sound) + len(spoilt))
        faults = _faults_of_run(measured, len(sound) + len(spoilt))
        if measured.status:
            print(*faults, sep="\n")
            return 1
        found = account(folder, sound, spoilt)
    for line in _report(sound, spoilt, found, measured):
        print(line)
    print(*faults, *found.faults, sep="\n")
    return int(bool(faults or found.faults))


def write_folder(folder: Path, files: Sequence[FilmFile]) -> None:
    """Writes files into a data root below a folder, and a key of pseudonyms beside it."""
    write_files(folder / _FILMS, files)
    write_new_key(folder / _KEY)


def ingest(folder: Path) -> None:
    """Runs RadiographExampleGen over the films of `write_folder`."""
    from components.radiograph_example_gen.component import RadiographExampleGen
    from tests.support import run_components

    work = folder / _WORK
    work.mkdir()
    run_components(work, RadiographExampleGen(str(folder / _FILMS), _options(folder)))


def account(folder: Path, sound: Sequence[FilmFile], spoilt: Sequence[FilmFile]) -> Account:
    """Looks up what became of each file.

    Args:
        folder: Of `write_folder`, after `ingest`.
        sound: Good films.
        spoilt: The others.
    """
    from pipeline.lineage import run_outputs

    outputs = run_outputs(folder / _WORK / "metadata.sqlite", "once")
    examples = dict(_examples(Path(outputs["RadiographExampleGen", "examples"].uri)))
    report = Path(outputs["RadiographExampleGen", "report"].uri)
    films = {row["path"]: row["sha256"] for row in _rows(report / "films.csv")}
    asides = [
        {row["path"]: row["reason"] for row in _rows(report / name)}
        for name in ("quarantine.csv", "ignored.csv")
    ]
    pseudonyms, _ = pseudonyms_of(str(folder / _KEY), remote=False)
    shown = {
        file.path: (file.path, str(hidden(file.path, pseudonyms))) for file in (*sound, *spoilt)
    }

    def told(table: Mapping[str, str], file: FilmFile) -> str:
        return next((table[path] for path in shown[file.path] if path in table), "")

    faults, arrived = [], []
    for file in (*sound, *spoilt):
        digest = told(films, file)
        reason = next(filter(None, (told(aside, file) for aside in asides)), "")
        what = f"{file.path} ({file.kind})"
        if bool(digest) == bool(reason):
            faults.append(f"{what} is lost, or both a film and none: '{digest}', '{reason}'")
        elif reason and (file in sound or UNFORESEEN in reason):
            faults.append(f"{what} is set aside: {reason}")
        elif digest and (digest != sha256(file.data).hexdigest() or not examples.get(digest)):
            faults.append(f"{what} is an example that the graph's ops do not decode")
        elif digest and file not in sound:
            arrived.append(file.kind)
    quarantined, ignored = (
        {file.path: told(aside, file) for file in spoilt if told(aside, file)} for aside in asides
    )
    return Account(Counter(arrived), quarantined, ignored, faults)


def _examples(uri: Path) -> Iterator[tuple[str, bool]]:
    """Yields the digest of each example, and whether its film decodes to the size it tells of."""
    import tensorflow as tf

    from models import features

    files = [str(file) for file in sorted(uri.glob("Split-*/*.gz"))]
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        told = tf.train.Example.FromString(record).features.feature
        sides = tuple(
            told[name].int64_list.value[0] for name in (features.HEIGHT_PX, features.WIDTH_PX)
        )
        shape: tuple[int, ...] = ()
        with suppress(tf.errors.InvalidArgumentError):
            film = told[features.IMAGE].bytes_list.value[0]
            shape = tuple(tf.io.decode_image(film, expand_animations=False).shape)
        yield told[features.SHA256].bytes_list.value[0].decode(), shape[:2] == sides


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _options(folder: Path) -> IngestOptions:
    return IngestOptions(max_quarantine_fraction=1, pseudonym_key_file=str(folder / _KEY))


def _in_own_process(folder: Path, files: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.mutated_files", "--work", str(folder)]
    most_seconds = _START_SECONDS + MOST_SECONDS_A_FILE * files
    return run_measured("ingest", command, Path(__file__).parents[1], most_seconds)


def _faults_of_run(measured: Measured, files: int) -> list[str]:
    faults = []
    peak = peak_mb(measured.samples, measured.whole)
    if measured.status:
        seconds = measured.whole.seconds
        faults.append(f"the ingest ended with status {measured.status} after {seconds:.0f} s")
    if peak > MOST_MB:
        faults.append(f"it took {peak:,.0f} MB, more than {MOST_MB:,}")
    return faults


def _report(
    sound: Sequence[FilmFile], spoilt: Sequence[FilmFile], found: Account, measured: Measured
) -> Iterator[str]:
    machine = describe_machine()
    peak = peak_mb(measured.samples, measured.whole)
    yield f"{len(sound):,} good films of {len({file.kind for file in sound})} kinds"
    yield f"{len(spoilt):,} spoilt files of {len({file.kind for file in spoilt})} kinds: "
    yield f"- {len(found.quarantined):,} in quarantine"
    yield f"- {len(found.ignored):,} set aside by their tags"
    yield f"- {sum(found.arrived.values()):,} films after all, which the graph's ops decode"
    yield f"{measured.whole.seconds:.0f} s, {peak:,.0f} MB at most (bound {MOST_MB:,})"
    yield f"{machine}\n\n| quarantined because | files |\n|---|---:|"
    for reason, count in count_kinds(found.quarantined.items()).items():
        yield f"| {reason} | {count} |"
    yield "\n| films after all | files |\n|---|---:|"
    for kind, count in sorted(found.arrived.items()):
        yield f"| {kind} | {count} |"
    yield "\n| slowest to decode, one of a kind, alone | seconds |\n|---|---:|"
    for seconds, kind in sorted(_seconds_by_kind(spoilt), reverse=True)[:_SLOWEST]:
        yield f"| {kind} | {seconds:.1f} |"


def _seconds_by_kind(files: Sequence[FilmFile]) -> Iterator[tuple[float, str]]:
    for kind, data in {file.kind: file.data for file in files}.items():
        started = time.perf_counter()
        with suppress(UnusableImage):
            read_film(data, IngestOptions())
        yield time.perf_counter() - started, kind


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutated_files", description=__doc__)
    parser.add_argument("--films", type=positive, default=500, help="good ones (500)")
    parser.add_argument("--mutants", type=positive, default=500, help="spoilt files (500)")
    parser.add_argument("--seed", type=int, default=0, help="of films and damage (0)")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
