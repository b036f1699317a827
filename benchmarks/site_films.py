"""Films of a site as a pushed model prepares them, random few of them, and how some are scored."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.auditor.scoring import batches
from components.radiograph_example_gen.executor import to_example
from components.radiograph_example_gen.listing import read_layout
from components.radiograph_example_gen.reading import read_image
from metrics.estimates import estimate
from metrics.scores import Scores
from models import features
from models.calibration import Calibration, OperatingPoint
from models.hyperparameters import Preprocessing
from models.input_pipeline import TransformedFilms
from radiographs.errors import DataError, UnusableImage
from radiographs.options import IngestOptions

_LOG = logging.getLogger(__name__)

_LEAST_DRAWS = 100  # no interval is shown
_EVAL_OF_FIVE = (1, 3)  # of five patients to learn from: calibration needs films of its own


@dataclass(frozen=True)
class PreparedSite:
    """The films of a site that a model judges.

    Attributes:
        examples: `[films]` serialised transformed examples.
        spec: How to parse them.
        classes: `[films]` int64, 1 for pneumonia.
        patients: `[films]` pseudonyms.
    """

    examples: np.ndarray
    spec: Mapping[str, tf.io.FixedLenFeature]
    classes: np.ndarray
    patients: np.ndarray

    def part(self, places: np.ndarray, file: Path) -> TransformedFilms:
        """Writes some of the films to a file, as Transform would have, and opens it."""
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for example in self.examples[places]:
                writer.write(example)
        return TransformedFilms((str(file),), self.spec, self.classes[places])


def prepare_site(served: Any, root: str, judging: Preprocessing) -> PreparedSite:
    """Prepares every usable film below a folder by the Transform graph of a model.

    Args:
        served: A loaded SavedModel.
        root: Of the films.
        judging: `Preprocessing.judging` of the model.

    Raises:
        DataError: If the folder holds no such films.
    """
    films = list(_usable(root, judging))
    if not films:
        raise DataError(f"{root} has no film that the model judges; give another --data-root")
    transform = served.signatures[features.TRANSFORM_FEATURES]
    prepared = [
        one
        for batch in batches(example.SerializeToString() for _, _, example in films)
        for one in _serialised(transform(**{features.EXAMPLES: tf.constant(batch)}))
    ]
    spec = {
        name: tf.io.FixedLenFeature([1], output.dtype)
        for name, output in transform.structured_outputs.items()
    }
    return PreparedSite(
        np.array(prepared, object),
        spec,
        np.array([label == features.PNEUMONIA for label, _, _ in films], np.int64),
        np.array([patient for _, patient, _ in films]),
    )


def _usable(root: str, judging: Preprocessing) -> Iterator[tuple[str, str, tf.train.Example]]:
    options = IngestOptions()
    for film in read_layout(root, options).films:
        try:
            image = read_image(root, film.path, options, judging)
        except UnusableImage as error:
            _LOG.warning("%s is left out: %s", film.path, error)
        else:
            yield film.label, film.patient_id, to_example(film, image)


def _serialised(transformed: Mapping[str, tf.Tensor]) -> Iterator[bytes]:
    arrays = {name: tensor.numpy() for name, tensor in transformed.items()}
    for place in range(len(arrays[features.IMAGE_XF])):
        feature = {name: _feature(array[place]) for name, array in arrays.items()}
        yield tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _feature(values: np.ndarray) -> tf.train.Feature:
    if values.dtype == np.int64:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if values.dtype == np.float32:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values.tolist()))


@dataclass(frozen=True)
class Few:
    """Some labelled films of a site, and all of its films that no curve learns from.

    Attributes:
        train: Places of films to learn from.
        evaluation: Places of films to stop and to calibrate by.
        rest: Places of films to score.
    """

    train: np.ndarray
    evaluation: np.ndarray
    rest: np.ndarray


def draw_few(
    patients: np.ndarray, classes: np.ndarray, counts: list[int], seed: int
) -> dict[int, Few]:
    """Draws films to learn from by patient; fewer are part of more, and the rest is one.

    Args:
        patients: `[films]` pseudonyms.
        classes: `[films]` of 0 and 1.
        counts: Of labelled films, some of which may be one more or less, as patients stay whole.
        seed: Of the draw.

    Returns:
        Films by count.

    Raises:
        ValueError: If the site has too few films, or a part would lack a class.
    """
    order = np.random.default_rng(seed).permutation(np.unique(patients))
    place_of = {patient: place for place, patient in enumerate(order)}
    rank = np.array([place_of[patient] for patient in patients])
    films_up_to = np.cumsum(np.bincount(rank))
    if films_up_to[-1] < 1.5 * max(counts):
        raise ValueError(
            f"{len(patients)} films leave too few to score beside {max(counts)}; ask for fewer"
        )
    last = {count: int(np.searchsorted(films_up_to, count)) for count in counts}
    rest = np.flatnonzero(rank > max(last.values()))
    drawn = {}
    for count, until in last.items():
        within = rank <= until
        judging = within & np.isin(rank % 5, _EVAL_OF_FIVE)
        few = Few(np.flatnonzero(within & ~judging), np.flatnonzero(judging), rest)
        for part in (few.train, few.evaluation, few.rest):
            if len(np.unique(classes[part])) < 2:
                raise ValueError(f"{count} films have a part of one class; ask for more films")
        drawn[count] = few
    return drawn


def half_of(patients: np.ndarray, seed: int) -> np.ndarray:
    """Draws half of the patients.

    Args:
        patients: `[films]` pseudonyms.
        seed: Of the draw.

    Returns:
        `[films]` of bool: whether a film is of the half.
    """
    names = np.unique(patients)
    chosen = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
    return np.isin(patients, chosen)


def score(
    site: PreparedSite,
    places: np.ndarray,
    logits: np.ndarray,
    calibration: Calibration,
    point: OperatingPoint,
) -> dict[str, float]:
    """Judges some films by their logits.

    Args:
        site: Films.
        places: `[chosen]` places of films, or `[films]` of bool.
        logits: `[chosen]` pneumonia logits of them.
        calibration: From logits to probabilities.
        point: From probabilities to decisions.

    Returns:
        Metrics by name, of `metrics.estimates`.
    """
    probabilities = calibration.probabilities(logits)
    scores = Scores(
        patients=site.patients[places],
        labels=site.classes[places],
        probabilities=probabilities,
        decisions=(probabilities >= point.threshold).astype(np.int64),
    )
    return estimate(scores, _LEAST_DRAWS).metrics
