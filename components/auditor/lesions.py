"""How well marked lesions agree with drawn ones, where a model marks them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.auditor.scoring import batches, image_of
from metrics.bootstrap import bootstrap, percentile_interval
from metrics.score_intervals import Interval
from models import features
from radiographs.formats.png import decode_grey_png

MARKED = 0.5  # from which on a place counts as lesion
DICE = "dice"
POINTING = "pointing"  # share of films whose surest place is in a lesion
HEAT_POINTING = "heat_pointing"  # the same of the heatmap, which has seen no mask
DRAWN_SHARE = "drawn_share"  # of the film that is lesion, which a place by chance would point at
MARKED_NORMALS = "marked_normals"  # share of normal films with any place marked

_FILMS_A_CALL = 8  # gradients of a film take far more memory than its answer


@dataclass(frozen=True)
class Lesions:
    """What was reached on test films with drawn lesions, and on normal ones.

    Attributes:
        films: With a lesion drawn on them, and judged.
        normal_films: Judged.
        metrics: Means over films, `MARKED_NORMALS` over the normal ones; none where there is no
            film.
        intervals: 95 %, by patients.
    """

    films: int
    normal_films: int
    metrics: dict[str, float]
    intervals: dict[str, Interval]


def audit_lesions(
    served: Any, examples: Iterable[tf.train.Example], at_most: int, samples: int
) -> Lesions:
    """Compares what a model marks with what somebody has drawn.

    Args:
        served: A loaded SavedModel of `network.segmentation`.
        examples: Raw test films, in an order that means nothing; read once.
        at_most: Films with lesions, and as many normal ones; the first.
        samples: Draws of patients.

    Returns:
        What was reached.
    """
    reached: dict[bool, list[tuple[bytes, dict[str, float]]]] = {True: [], False: []}
    for batch in batches(_chosen(examples, at_most), _FILMS_A_CALL):
        answer = served.signatures[features.EXPLAIN_IMAGES](
            **{features.IMAGE_BYTES: tf.constant([image_of(one) for one in batch])}
        )
        maps = zip(
            *(answer[name].numpy() for name in (features.LESIONS, features.HEATMAP)), strict=True
        )
        for example, (marked, heat) in zip(batch, maps, strict=True):
            if np.isfinite(marked).all():
                drawn = drawn_lesions(example)
                patient = _value(example, features.PATIENT_ID)
                reached[drawn is not None].append((patient, _metrics(marked, heat, drawn)))
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for of_films in reached.values():
        for name, (value, interval) in _means(of_films, samples).items():
            metrics[name], intervals[name] = value, interval
    return Lesions(len(reached[True]), len(reached[False]), metrics, intervals)


def dice(found: npt.NDArray[np.bool_], drawn: npt.NDArray[np.bool_]) -> float:
    """Returns twice what two masks share over what both hold; 1 where neither holds anything."""
    both = int(found.sum()) + int(drawn.sum())
    return 2 * int((found & drawn).sum()) / both if both else 1.0


def drawn_lesions(example: tf.train.Example) -> npt.NDArray[np.bool_] | None:
    """Returns the lesions that were drawn on a film.

    Args:
        example: Raw.

    Returns:
        `[height, width]` of the film; None where there is no mask, or nothing in it.
    """
    mask = _value(example, features.LESION_MASK)
    drawn = decode_grey_png(mask) > 0 if mask else None
    return drawn if drawn is not None and drawn.any() else None


def _chosen(examples: Iterable[tf.train.Example], at_most: int) -> Iterator[tf.train.Example]:
    left = {features.PNEUMONIA: at_most, features.NORMAL: at_most}
    for example in examples:
        label = _value(example, features.LABEL).decode()
        if left[label] and (label == features.NORMAL or drawn_lesions(example) is not None):
            left[label] -= 1
            yield example


def _metrics(
    marked: npt.NDArray[np.float32],
    heat: npt.NDArray[np.float32],
    drawn: npt.NDArray[np.bool_] | None,
) -> dict[str, float]:
    if drawn is None:
        return {MARKED_NORMALS: float((marked >= MARKED).any())}
    whole = cv2.resize(marked, drawn.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return {
        DICE: dice(whole >= MARKED, drawn),
        POINTING: float(_points_at(marked, drawn)),
        HEAT_POINTING: float(_points_at(heat, drawn)),
        DRAWN_SHARE: float(drawn.mean()),
    }


def _points_at(where: npt.NDArray[np.float32], drawn: npt.NDArray[np.bool_]) -> bool:
    """Tells whether the middle of the largest place of a square map lies in a drawn lesion."""
    place = np.unravel_index(np.argmax(where), where.shape)
    row, column = (
        int((index + 0.5) / cells * side)
        for index, cells, side in zip(place, where.shape, drawn.shape, strict=True)
    )
    return bool(drawn[row, column])


def _means(
    of_films: Sequence[tuple[bytes, dict[str, float]]], samples: int
) -> dict[str, tuple[float, Interval]]:
    if not of_films:
        return {}
    patients = np.array([patient for patient, _ in of_films])
    names = list(of_films[0][1])
    values = np.array([[of_film[name] for name in names] for _, of_film in of_films])

    def mean(weights: np.ndarray) -> np.ndarray:
        return weights @ values / weights.sum(axis=1, keepdims=True)

    draws = bootstrap(mean, patients, samples)
    means = values.mean(axis=0)
    return {
        name: (float(means[column]), percentile_interval(draws[:, column]))
        for column, name in enumerate(names)
    }


def _value(example: tf.train.Example, name: str) -> bytes:
    return next(itertools.chain(example.features.feature[name].bytes_list.value, (b"",)))
