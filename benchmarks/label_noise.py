"""How well planted wrong labels are found: `python -m benchmarks.label_noise --data-root D`.

The labels of some films, chosen by chance, are flipped, and each way of judging labels ranks all
films. What is printed are means over the seeds: the average precision of the ranking, how many
films are listed as doubtful, how many of these were flipped, and how many of the flipped are
listed. Films with wrong labels of their own count against a way, as nobody knows of them.

`--networks` adds ways that need networks: short trainings of a small one on folds, and one that was
trained on the wrong labels, by itself and by a regression on its last layer but one.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.comparison import describe_machine
from components.label_auditor.description import describe
from components.label_auditor.doubts import find_doubts
from components.label_auditor.out_of_fold import groups_of, out_of_fold
from components.radiograph_example_gen.listing import read_layout
from components.radiograph_example_gen.reading import read_image
from components.report_gen.environment import number
from models import features
from models.hyperparameters import Network
from models.network import build_network
from models.preprocessing import prepare_pixels
from pipeline.config import ConfigError, PipelineConfig, load_config
from pipeline.flags import add_config_flags, positive
from radiographs.errors import UnusableImage

Array = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]

_PROGRAM = "benchmarks.label_noise"
_DEFAULT_PRESET = "standard"
_FOLDS = 5
_SMALL = Network(width=12, depth=4, dropout=0.2)
_SMALL_SIDE_PX = 64
_EPOCHS, _LONG = 4, 12  # of a network of a fold, and of the one that learns wrong labels by heart
_FILMS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Films:
    """Films and what is known of them.

    Attributes:
        pixels: `[films, side, side]` uint8, as Transform makes them.
        classes: `[films]` index of the label in `features.LABELS`.
        groups: `[films]` number of the patient.
    """

    pixels: npt.NDArray[np.uint8]
    classes: Classes
    groups: Classes


# From films and given classes to `[films, 2]` probabilities.
Way = Callable[[Films, Classes], Array]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints the table and returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    flags = _parse(words)
    try:
        config = load_config(flags.preset or _DEFAULT_PRESET, flags.config, flags.set)
    except ConfigError as error:
        print(f"label_noise: {error}", file=sys.stderr)
        return 2
    films = read_films(flags.data_root, config)
    ways = {**WAYS, **(NETWORK_WAYS if flags.networks else {})}
    print(f"`python -m {_PROGRAM} {shlex.join(words)}`\n\n{describe_machine()}\n")
    for row in table(films, ways, flags.flipped, flags.seeds):
        print(row, flush=True)
    return 0


def read_films(data_root: Path, config: PipelineConfig) -> Films:
    """Prepares the usable films of a folder as a run does.

    Args:
        data_root: In a layout that the ingest reads.
        config: Of a run.
    """
    encoded, films = [], []
    for film in read_layout(str(data_root), config.data).films:
        try:
            read = read_image(str(data_root), film.path, config.data, config.preprocessing.judging)
        except UnusableImage:
            continue
        encoded.append(read.encoded)
        films.append((film.label, film.patient_id, read.facts.sha256))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def prepare(batch: tf.Tensor) -> tf.Tensor:
        return prepare_pixels(batch, config.preprocessing, config.data)[0]

    batches = range(0, len(encoded), _FILMS_AT_ONCE)
    pixels = [prepare(tf.constant(encoded[start : start + _FILMS_AT_ONCE])) for start in batches]
    return Films(
        np.concatenate(pixels),
        np.array([features.LABELS.index(label) for label, _, _ in films]),
        groups_of([(("patient", patient), ("bytes", digest)) for _, patient, digest in films]),
    )


def table(
    films: Films, ways: Mapping[str, Way], flipped: Sequence[float], seeds: int
) -> Iterator[str]:
    """Yields the rows of a Markdown table.

    Args:
        films: Of `read_films`.
        ways: By name.
        flipped: Shares of films whose label is turned round.
        seeds: How many choices of these films, each.
    """
    yield "| judged by | flipped | average precision | listed | of these flipped | found | s |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, way in ways.items():
        for share in flipped:
            found = np.mean([measure(films, way, share, seed) for seed in range(seeds)], axis=0)
            precision, listed, correct, recall, seconds = found
            yield (
                f"| {name} | {share:.0%} | {number(precision)} | {listed:.0f} "
                f"| {number(correct, 2)} | {number(recall, 2)} | {seconds:.0f} |"
            )


def measure(films: Films, way: Way, share: float, seed: int) -> tuple[float, ...]:
    """Flips labels and looks for them.

    Args:
        films: Of `read_films`.
        way: Of judging.
        share: Of films whose label is turned round; 0 for none.
        seed: Of the choice.

    Returns:
        Average precision, films listed, share of these that were flipped, share of the flipped
        that is listed, seconds. What has no meaning without flipped labels is NaN.
    """
    count = round(share * len(films.classes))
    wrong = np.zeros(len(films.classes), bool)
    wrong[np.random.default_rng(seed).permutation(len(wrong))[:count]] = True
    given = np.where(wrong, 1 - films.classes, films.classes)
    start = time.perf_counter()
    doubts = find_doubts(given, way(films, given))
    seconds = time.perf_counter() - start
    listed, hit = int(doubts.doubtful.sum()), int((doubts.doubtful & wrong).sum())
    if not count:
        return np.nan, listed, np.nan, np.nan, seconds
    ranked = average_precision_score(wrong, -doubts.quality)
    return ranked, listed, hit / max(listed, 1), hit / count, seconds


def shipped(films: Films, given: Classes) -> Array:
    """Judges as LabelAuditor does."""
    described = np.stack([describe(pixels) for pixels in films.pixels])
    return out_of_fold(described, given, films.groups, _FOLDS)


def coarse_regression(films: Films, given: Classes) -> Array:
    """Judges by a plain logistic regression on grey levels at 32 pixels."""
    inputs = _inputs(films, 32).reshape(len(given), -1)
    return _by_folds(inputs, given, films.groups)


def edge_regression(films: Films, given: Classes) -> Array:
    """Judges by a plain logistic regression on the shipped description."""
    described = np.stack([describe(pixels) for pixels in films.pixels]).astype(np.float32)
    return _by_folds(described, given, films.groups)


def short_networks(films: Films, given: Classes) -> Array:
    """Judges by networks of a few epochs, one a fold."""
    images = _inputs(films, _SMALL_SIDE_PX)
    judged = np.zeros((len(given), 2), np.float32)
    for others, part in GroupKFold(_FOLDS).split(images, given, films.groups):
        network = _trained(images[others], given[others], _EPOCHS)
        judged[part] = _two(network.predict(images[part], verbose=0))
    return judged


def model_itself(films: Films, given: Classes) -> Array:
    """Judges by a network that was trained on these very labels."""
    images = _inputs(films, _SMALL_SIDE_PX)
    return _two(_trained(images, given, _LONG).predict(images, verbose=0))


def last_layer(films: Films, given: Classes) -> Array:
    """Judges by regressions on features of a network that was trained on these very labels."""
    images = _inputs(films, _SMALL_SIDE_PX)
    network = _trained(images, given, _LONG)
    inner = keras.Model(network.input, network.layers[-4].output)  # before dropout and logits
    return _by_folds(inner.predict(images, verbose=0), given, films.groups)


WAYS: Mapping[str, Way] = {
    "edges and grey levels, kernel regression (LabelAuditor)": shipped,
    "the same, plain regression": edge_regression,
    "grey levels at 32 pixels, plain regression": coarse_regression,
}
NETWORK_WAYS: Mapping[str, Way] = {
    f"networks of {_EPOCHS} epochs at {_SMALL_SIDE_PX} pixels, one a fold": short_networks,
    "regression on features of a network trained on these labels": last_layer,
    "a network trained on these labels": model_itself,
}


def _by_folds(inputs: Array, given: Classes, groups: Classes) -> Array:
    judged = np.zeros((len(given), 2), np.float32)
    for others, part in GroupKFold(_FOLDS).split(inputs, given, groups):
        regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
        judged[part] = regression.fit(inputs[others], given[others]).predict_proba(inputs[part])
    return judged


def _inputs(films: Films, side_px: int) -> Array:
    """Returns `[films, side, side, 1]` float32, each film standardised."""
    resized = tf.image.resize(films.pixels[..., np.newaxis], (side_px, side_px), "area")
    return np.asarray(tf.image.per_image_standardization(resized))


def _trained(images: Array, given: Classes, epochs: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    network = build_network(_SMALL_SIDE_PX, _SMALL, "binary")
    steps = -(-len(given) // 32) * epochs
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    network.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    network.fit(images, given, batch_size=32, epochs=epochs, verbose=0)
    return network


def _two(probability: Array) -> Array:
    return np.concatenate([1 - probability, probability], axis=1)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {_PROGRAM}", description="Plant wrong labels and look for them."
    )
    add = parser.add_argument
    add("--data-root", type=Path, required=True, help="films, as for local_runner")
    add("--seeds", type=positive, default=2, help="choices of films to flip (2)")
    add(
        "--flipped", type=float, nargs="+", default=[0.0, 0.02, 0.05],
        help="shares of films whose label is flipped (0 0.02 0.05)",
    )  # fmt: skip
    add("--networks", action="store_true", help="ways that train networks, too")
    add_config_flags(parser, _DEFAULT_PRESET)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
