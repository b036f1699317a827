"""How many copies of films are found, and how many other films are taken for copies.

Some films of each folder are copied in the ways that files come to differ in. A copy is found if it
is in the group of its film; a false pair is one of films of two patients in one group.

    python -m benchmarks.near_duplicates --data-root DIR [DIR ...] --copies 200
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.comparison import describe_machine
from pipeline.flags import positive
from radiographs.data_roots import read_layout
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.local_roots import LocalRoot
from radiographs.near_duplicates import (
    Fingerprint,
    Pair,
    fingerprint,
    near_duplicates,
    reduced,
    same_film,
)
from radiographs.options import IngestOptions

_PROGRAM = "benchmarks.near_duplicates"
_SQUARE_PX = 224

Film = npt.NDArray[np.uint8]


def _encoded(film: Film, quality: int) -> Film:
    data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _sized(film: Film, height: int, width: int) -> Film:
    return np.asarray(cv2.resize(film, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cropped(film: Film, top: float, left: float, bottom: float, right: float) -> Film:
    height, width = film.shape
    return film[
        round(top * height) : height - round(bottom * height),
        round(left * width) : width - round(right * width),
    ]


def _levels(film: Film, factor: float, offset: float) -> Film:
    return np.clip(film * factor + offset, 0, 255).astype(np.uint8)


CHANGES: Mapping[str, Callable[[Film], Film]] = {
    "JPEG of quality 40": lambda film: _encoded(film, 40),
    "half the size": lambda film: _sized(film, film.shape[0] // 2, film.shape[1] // 2),
    "squashed to 224 x 224, JPEG of quality 75": lambda film: _encoded(
        _sized(film, _SQUARE_PX, _SQUARE_PX), 75
    ),
    "1 % cropped off each side": lambda film: _cropped(film, 0.01, 0.01, 0.01, 0.01),
    "2 % cropped off each side": lambda film: _cropped(film, 0.02, 0.02, 0.02, 0.02),
    "2 % cropped off top and left": lambda film: _cropped(film, 0.02, 0.02, 0, 0),
    "a fifth darker": lambda film: _levels(film, 0.8, 0),
    "a tenth brighter, by 15 levels more, clipped": lambda film: _levels(film, 1.1, 15),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints a table and returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {_PROGRAM}", description=__doc__)
    parser.add_argument("--data-root", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--copies", type=positive, default=200, help="films that are copied (200)")
    flags = parser.parse_args(words)
    print(f"`python -m {_PROGRAM} {shlex.join(words)}`\n\n{describe_machine()}\n")
    columns = [measure(root, flags.copies) for root in flags.data_root]
    names = [f"`{root.name}`" for root in flags.data_root]
    print(f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for row in columns[0]:
        print(f"| {row} | {' | '.join(column[row] for column in columns)} |")
    return 0


def measure(folder: Path, copies: int) -> dict[str, str]:
    """Measures a folder.

    Args:
        folder: Of films.
        copies: How many of them are copied.

    Returns:
        What was measured, by the name of the row.
    """
    root, options = LocalRoot(str(folder)), IngestOptions(label_conflicts="drop")
    patient_of: dict[str, str] = {}
    prints: dict[str, Fingerprint] = {}
    digests: dict[str, str] = {}
    small: dict[str, Film] = {}
    for film in read_layout(root, options).films:
        try:
            read = read_film(root.content(film.path), options)
        except UnusableImage:
            continue
        patient_of[film.path] = film.patient_id
        prints[film.path], small[film.path] = fingerprint(read.grey), reduced(read.grey)
        digests[film.path] = read.facts.sha256
    began = time.perf_counter()
    groups = near_duplicates(prints, digests, partial(_compare, small))
    seconds = time.perf_counter() - began
    false = sum(
        patient_of[one] != patient_of[other]
        for group in groups
        for one, other in combinations(group, 2)
    )
    values = {
        "films": f"{len(prints):,}",
        "seconds of the search": f"{seconds:.1f}",
        "groups": f"{len(groups):,}",
        "pairs of two patients, in 1,000 films": f"{1000 * false / len(prints):.2f}",
    }
    chosen = list(prints)[:: max(1, len(prints) // copies)]
    for change, apply in CHANGES.items():
        found = _found(folder, chosen, apply, prints, digests, small)
        values[f"found: {change}"] = f"{found:.3f}"
    return values


def _found(
    folder: Path,
    chosen: Sequence[str],
    apply: Callable[[Film], Film],
    prints: Mapping[str, Fingerprint],
    digests: Mapping[str, str],
    small: Mapping[str, Film],
) -> float:
    """Returns the share of copies that are in the group of their film."""
    more, more_small = dict(prints), dict(small)
    for path in chosen:
        whole = np.asarray(cv2.imread(str(folder / path), cv2.IMREAD_GRAYSCALE), np.uint8)
        copy = apply(whole)
        more[f"copy of {path}"], more_small[f"copy of {path}"] = fingerprint(copy), reduced(copy)
    groups = near_duplicates(
        more, {path: digests.get(path, path) for path in more}, partial(_compare, more_small)
    )
    group_of = {path: place for place, group in enumerate(groups) for path in group}
    first = {digest: path for path, digest in reversed(sorted(digests.items()))}
    together = [
        group_of.get(f"copy of {path}", -1) == group_of.get(first[digests[path]], -2)
        for path in chosen
    ]
    return float(np.mean(together))


def _compare(small: Mapping[str, Film], pairs: Sequence[Pair]) -> list[bool]:
    return [same_film(small[one], small[other]) for one, other in pairs]


if __name__ == "__main__":
    sys.exit(main())
