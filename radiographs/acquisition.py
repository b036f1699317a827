"""How a film was taken, in numbers, and which patients' films were taken most unlike the rest.

A random split by patient tests a model on the kinds of acquisition it was trained on, so it
says little about the next hospital. The stress split is cut along what is measured here: size,
compression, exposure, borders and sharpness. Disease changes some of these too, if far less, which
is why the cut is made within each class.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from radiographs.decoding import CanonicalFilm

# Name of each number of `acquisition_statistics`, in its order.
STATISTICS = (
    "aspect ratio",
    "megapixels",
    "bytes per pixel",
    "sharpness",
    "mean intensity",
    "contrast",
    "5th percentile",
    "median",
    "95th percentile",
    "top border",
    "bottom border",
    "left border",
    "right border",
)
_RATIOS = 4  # the first so many are compared as ratios, the others as differences
_SMALLEST_RATIO = 1e-6  # stands for zero, which has no logarithm

_COPY_SIDE_PX = 128
_BORDER_PX = 8  # of the copy, a sixteenth of the film

# Few kinds, so that each is large enough to hold films of every class.
_KINDS = 6
# A kind needs this share of the films of every class to count: a smaller one is an oddity of a
# few patients, or of one class alone, which could not be told apart on films of that kind.
_MIN_CLASS_SHARE = 0.05
_EXPLAINED_VARIANCE = 0.95
_CONSTANT = 1e-9  # spread below which a statistic says nothing


def acquisition_statistics(film: CanonicalFilm, file_bytes: int) -> np.ndarray:
    """Measures how a film was taken.

    Grey levels are those of a copy of 128 x 128 pixels, in [0, 1], so that films of different
    size can be compared.

    Args:
        film: As it was read.
        file_bytes: Size of its file.

    Returns:
        [len(STATISTICS)] float64: width / height; millions of pixels; bytes of the file per
        pixel; mean absolute difference of vertical neighbours; mean, standard deviation and
        percentiles of the grey levels; their means in the outer sixteenth at each side.
    """
    facts = film.facts
    pixels = facts.width_px * facts.height_px
    levels = (film.grey / 255).astype(np.float32)
    side = (_COPY_SIDE_PX, _COPY_SIDE_PX)
    copy = np.asarray(Image.fromarray(levels).resize(side, Image.Resampling.BOX), np.float64)
    borders = (copy[:_BORDER_PX], copy[-_BORDER_PX:], copy[:, :_BORDER_PX], copy[:, -_BORDER_PX:])
    return np.array(
        [
            facts.width_px / facts.height_px,
            pixels / 1e6,
            file_bytes / pixels,
            np.abs(np.diff(copy, axis=0)).mean(),
            copy.mean(),
            copy.std(),
            *np.percentile(copy, (5, 50, 95)),
            *(border.mean() for border in borders),
        ]
    )


def strangeness(statistics: np.ndarray, films: np.ndarray) -> np.ndarray:
    """Tells how far patients lie from all others towards one other kind of acquisition.

    The statistics are decorrelated (PCA, whitened), so that what several of them say counts
    once, and clustered into kinds of acquisition (k-means). Of the kinds that every class has
    films of, the one furthest from the centre gives the direction, and a patient's place along
    it is what is returned. One direction for all: a split cut along it holds out a kind of
    acquisition, while outliers to all sides would leave similar films on either side of the cut.
    Classes decide which kinds may count, all in the same manner, and never the place of a patient.

    Args:
        statistics: [patients, len(STATISTICS)], means of the films of each patient.
        films: [patients, classes] int, numbers of films.

    Returns:
        [patients] float64 in standard deviations, 0 at the centre of all patients; all 0 where
        the films do not differ.
    """
    points = _decorrelated(statistics)
    if not points.size:
        return np.zeros(len(statistics))
    kinds = min(_KINDS, len(np.unique(points.round(9), axis=0)))
    # One thread: sums are the same on every machine, and threads that wait for a busy core do not.
    with threadpool_limits(1):
        clusters = KMeans(kinds, n_init=10, random_state=0).fit(points)
    centres = clusters.cluster_centers_
    of_kind = np.array([films[clusters.labels_ == kind].sum(axis=0) for kind in range(kinds)])
    smallest_share = (of_kind / np.maximum(films.sum(axis=0), 1)).min(axis=1)
    distance = np.linalg.norm(centres, axis=1)
    eligible = np.minimum(smallest_share, _MIN_CLASS_SHARE)
    furthest = max(range(kinds), key=lambda kind: (eligible[kind], distance[kind]))
    return points @ centres[furthest] / max(distance[furthest], _CONSTANT)


def largest_differences(inside: np.ndarray, outside: np.ndarray, count: int = 3) -> str:
    """Names the statistics in which two sets of films differ most.

    Args:
        inside: [films, len(STATISTICS)].
        outside: [other films, len(STATISTICS)].
        count: How many to name.

    Returns:
        Means as words, the most different first by their standard deviations, such as
        `median 0.31 against 0.48, ...`; empty where nothing differs.
    """
    spread = _comparable(np.concatenate([inside, outside])).std(axis=0)
    gap = np.abs(_comparable(inside).mean(axis=0) - _comparable(outside).mean(axis=0))
    score = np.divide(gap, spread, out=np.zeros_like(gap), where=spread > _CONSTANT)
    means = inside.mean(axis=0), outside.mean(axis=0)
    named = [index for index in np.argsort(-score)[:count] if score[index] > 0]
    return ", ".join(f"{STATISTICS[i]} {means[0][i]:.3g} against {means[1][i]:.3g}" for i in named)


def _comparable(statistics: np.ndarray) -> np.ndarray:
    """Returns the statistics with ratios as logarithms."""
    ratios = np.log(np.maximum(statistics[:, :_RATIOS], _SMALLEST_RATIO))
    return np.concatenate([ratios, statistics[:, _RATIOS:]], axis=1)


def _decorrelated(statistics: np.ndarray) -> np.ndarray:
    """Returns [patients, components] of unit variance; no components if nothing differs."""
    values = _comparable(statistics)
    values = values[:, values.std(axis=0) > _CONSTANT]
    if not values.size:
        return values
    whitening = PCA(_EXPLAINED_VARIANCE, whiten=True, svd_solver="full")
    return whitening.fit_transform(StandardScaler().fit_transform(values))
