"""What looking for lungs adds to a film, on one core: `python -m benchmarks.lung_fields`.

The graph that prepares films is run as the served model runs it, film by film, once for each
way of framing lungs; a round of each after the other, so that a busy machine slows all alike.
The least time of a way over all rounds counts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from models.hyperparameters import Preprocessing
from models.preprocessing import prepare_pixels
from radiographs.options import IngestOptions

WAYS = ("none", "crop", "mask")


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lung_fields", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("films", type=Path, help="folder of JPEG or PNG films")
    parser.add_argument("--count", type=int, default=100, help="films a round (100)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument("--size-px", type=int, default=128, help="of the prepared film (128)")
    given = parser.parse_args(arguments)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
    endings = (".jpg", ".jpeg", ".png")
    files = sorted(path for path in given.films.rglob("*") if path.suffix.lower() in endings)
    if not files:
        parser.error(f"{given.films} holds no JPEG or PNG file")
    films = [file.read_bytes() for file in files[: given.count]]
    print(table(milliseconds(films, given.size_px, given.rounds), len(films)))


def milliseconds(films: Sequence[bytes], size_px: int, rounds: int) -> dict[str, float]:
    """Measures every way of framing.

    Args:
        films: encoded.
        size_px: of the prepared film.
        rounds: measurements of each way.

    Returns:
        Milliseconds a film, the least of all rounds, by way.
    """
    prepare = {way: _prepare(way, size_px) for way in WAYS}
    for way in WAYS:
        prepare[way](tf.constant(films[:1]))
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(rounds):
        for way in WAYS:
            start = time.perf_counter()
            for film in films:
                prepare[way](tf.constant([film]))
            best[way] = min(best[way], 1000 * (time.perf_counter() - start) / len(films))
    return best


def table(best: dict[str, float], films: int) -> str:
    """Returns the measurements as a Markdown table."""
    rows = ["| preprocessing.lungs | ms a film | added |", "|---|---:|---:|"]
    rows += [f"| {way} | {ms:.2f} | {ms - best['none']:.2f} |" for way, ms in best.items()]
    return "\n".join([*rows, "", f"{films} films, one core."])


def _prepare(way: str, size_px: int) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    settings = Preprocessing.model_validate({"lungs": way, "image_size_px": size_px})

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def prepare(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return prepare_pixels(encoded, settings, IngestOptions())[:2]

    return prepare


if __name__ == "__main__":
    main()
