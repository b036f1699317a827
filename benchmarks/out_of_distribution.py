"""What a pushed model holds for no film: `python -m benchmarks.out_of_distribution`.

Real films that the model has not learnt from should be judged: at most 2 % of each site may be
set aside. Other pictures should be: at least 95 % of all of them, because `quality` says so or
`out_of_distribution` is above 1. The films that are turned, upended and inverted come from all
sites alike.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import tensorflow as tf

from benchmarks.other_pictures import other_pictures, turned_films
from components.auditor.scoring import batches, image_of, read_examples
from models import features
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory

HELD_OUT = "held-out films of the run"
_ENDINGS = (".jpg", ".jpeg", ".png")
_TURNED_FILMS = 40  # of each site


@dataclass(frozen=True)
class Answers:
    """What became of pictures of one kind.

    Attributes:
        pictures: How many were sent.
        not_judged: Those with a `quality` other than ok.
        strange: Those that were judged and are out of distribution.
    """

    pictures: int
    not_judged: int
    strange: int

    @property
    def set_aside(self) -> float:
        """Share of the pictures that get no answer to be relied on."""
        return (self.not_judged + self.strange) / self.pictures


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, asks the model and prints Markdown tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.out_of_distribution",
        description=(__doc__ or "").split("\n\n")[0],
    )
    parser.add_argument("workdir", type=Path, help="of a run that pushed a model")
    parser.add_argument(
        "--site", action="append", default=[], metavar="NAME=FOLDER", help="other real films"
    )
    parser.add_argument("--each", type=int, default=20, help="pictures of each kind drawn (20)")
    given = parser.parse_args(arguments)
    work = WorkDirectory(given.workdir.resolve())
    films = {HELD_OUT: held_out_films(work)}
    for site in given.site:
        name, _, folder = site.partition("=")
        files = sorted(path for path in Path(folder).rglob("*") if path.suffix in _ENDINGS)
        if not files:
            parser.error(f"--site {site}: {folder} holds no JPEG or PNG file")
        films[name] = [file.read_bytes() for file in files]
    served = tf.saved_model.load(str(newest_model(work)))
    print(table("real films", {name: ask(served, some) for name, some in films.items()}))
    others = {kind: ask(served, files) for kind, files in pictures(films, given.each).items()}
    print(table("other pictures", others))
    print(f"One film takes {milliseconds(served, films[HELD_OUT][:200]):.2f} ms in a batch of 32.")


def newest_model(work: WorkDirectory) -> Path:
    """Returns the folder of the newest version that was pushed; exits where there is none."""
    versions = [folder for folder in work.serving_root.glob("*") if folder.name.isdigit()]
    if not versions:
        sys.exit(
            f"{work.serving_root} holds no model; give the work directory of a run that pushed one"
        )
    return max(versions, key=lambda folder: int(folder.name))


def held_out_films(work: WorkDirectory) -> list[bytes]:
    """Returns the encoded films of the test split of the latest run."""
    run = os.readlink(work.runs / "latest")
    examples = run_outputs(work.metadata, run)["RadiographExampleGen", "examples"]
    return [image_of(one) for one in read_examples([f"{examples.uri}/Split-{features.TEST}"])]


def pictures(films: Mapping[str, Sequence[bytes]], each: int) -> dict[str, list[bytes]]:
    """Makes the mixed set.

    Args:
        films: Encoded, by site.
        each: Pictures of each kind that is drawn.

    Returns:
        PNG files by kind.
    """
    upright = [
        cv2.imdecode(np.frombuffer(film, np.uint8), cv2.IMREAD_GRAYSCALE)
        for site in films.values()
        for film in site[:: max(1, len(site) // _TURNED_FILMS)][:_TURNED_FILMS]
    ]
    made = {**other_pictures(each), **turned_films(upright)}
    return {
        kind: [cv2.imencode(".png", picture)[1].tobytes() for picture in some]
        for kind, some in made.items()
        if some
    }


def ask(served: Any, files: Iterable[bytes]) -> Answers:
    """Sends files to a loaded model."""
    counts = np.zeros(3, int)
    for batch in batches(files):
        answer = served.signatures[features.PREDICT_IMAGES](
            **{features.IMAGE_BYTES: tf.constant(batch)}
        )
        judged = answer[features.QUALITY].numpy() == features.QUALITY_OK.encode()
        strange = judged & (answer[features.OUT_OF_DISTRIBUTION].numpy() > 1)
        counts += [len(judged), int(np.sum(~judged)), int(np.sum(strange))]
    return Answers(*counts.tolist())


def table(title: str, answers: Mapping[str, Answers]) -> str:
    """Returns counts and shares as a Markdown table, all kinds together last."""
    rows = [f"| {title} | pictures | not judged | out of distribution | set aside |"]
    rows.append("|---|---:|---:|---:|---:|")
    every = np.sum([[one.pictures, one.not_judged, one.strange] for one in answers.values()], 0)
    for name, one in [*answers.items(), ("all", Answers(*every.tolist()))]:
        rows.append(
            f"| {name} | {one.pictures} | {one.not_judged} | {one.strange} | {one.set_aside:.1%} |"
        )
    return "\n".join([*rows, ""])


def milliseconds(served: Any, films: Sequence[bytes], rounds: int = 3) -> float:
    """Measures `predict_images`, the least of some rounds, per film."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        ask(served, films)
        best = min(best, 1000 * (time.perf_counter() - start) / len(films))
    return best


if __name__ == "__main__":
    main()
