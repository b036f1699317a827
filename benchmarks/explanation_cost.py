"""What an explanation costs: `python -m benchmarks.explanation_cost MODEL [MODEL ...] --films DIR`.

`predict_images` and `explain_images` of each SavedModel are called on the same films, a round of
each after the other, so that a busy machine slows all alike. The least time over all rounds counts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from models.features import EXPLAIN_IMAGES, IMAGE_BYTES, PREDICT_IMAGES


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explanation_cost", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("models", nargs="+", help="folders of SavedModels")
    parser.add_argument("--films", type=Path, required=True, help="folder of JPEG or PNG films")
    parser.add_argument("--count", type=int, default=32, help="films a call (32)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    given = parser.parse_args(arguments)
    files = sorted(
        path for path in given.films.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png")
    )
    films = tf.constant([file.read_bytes() for file in files[: given.count]])
    print(table(milliseconds(given.models, films, given.rounds)))


def milliseconds(
    models: Sequence[str], films: tf.Tensor, rounds: int
) -> dict[str, dict[str, float]]:
    """Measures both signatures of each model.

    Args:
        models: Folders of SavedModels.
        films: `[films]` string, encoded.
        rounds: Measurements of each.

    Returns:
        Milliseconds a film, the least of all rounds, by model and signature.
    """
    loaded = {model: tf.saved_model.load(model) for model in models}
    best = {
        model: dict.fromkeys((PREDICT_IMAGES, EXPLAIN_IMAGES), float("inf")) for model in models
    }
    for _ in range(rounds + 1):  # the first one traces and allocates, and is never the least
        for model, of_model in best.items():
            for name in of_model:
                start = time.perf_counter()
                loaded[model].signatures[name](**{IMAGE_BYTES: films})
                taken = 1000 * (time.perf_counter() - start) / len(films)
                of_model[name] = min(of_model[name], taken)
    return best


def table(best: dict[str, dict[str, float]]) -> str:
    """Returns the measurements as a Markdown table; the last column is against the first model."""
    rows = ["| model | predict, ms a film | explain | ratio | explain, of the first |"]
    rows.append("|---|---:|---:|---:|---:|")
    first = next(iter(best.values()))[EXPLAIN_IMAGES]
    for model, of_model in best.items():
        predict, explain = of_model[PREDICT_IMAGES], of_model[EXPLAIN_IMAGES]
        cells = f"{predict:.2f} | {explain:.2f} | {explain / predict:.2f} | {explain / first:.2f}"
        rows.append(f"| {model} | {cells} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
