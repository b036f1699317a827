"""Styles of acquisition, found without labels: films that look alike around the lungs.

Films of a ward, a scanner or a year share collimation, markers, printed values, sharpness and
noise. Where such a style goes with a class, a model can learn it in place of the disease, and a
test split that shares the styles does not tell. So styles are found by what lies outside the
lungs, become a slice of every measure, and can be held out as a whole.

A film is described by a map of fine detail: how far its grey levels lie from a blurred copy, cell
by cell, the lungs left out. Maps are reduced to a few components and clustered. The number of
styles is the largest one on which halves of the films agree (T. Lange et al., "Stability-Based
Validation of Clustering Solutions", Neural Computation 16, 2004), measured by the adjusted Rand
index (L. Hubert and P. Arabie, "Comparing Partitions", Journal of Classification 2, 1985): a style
that half of the films would not show again says nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from models.features import STYLES
from radiographs.usual_lungs import usual_lungs

SIDE_PX = 128  # height and width of the copy of a film that is described
CELL_PX = 8  # of that copy
DESCRIPTION_LENGTH = (SIDE_PX // CELL_PX) ** 2

FITTED_FILMS = 5000  # at most, so that the time and memory of a fit are bounded

Description = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
Place = tuple[str, float]  # name of a film's style and its distance to the centre of that

_RIM_PX = 4  # around the lungs, left out with them
_BLUR_PX = 2.0  # standard deviation; what it takes away is fine detail
_LEAST_SEEN = 9  # pixels of a cell outside the lungs, or it says what the others say

_COMPONENTS = 10
_SPREAD = 1e-6  # standard deviation below which films do not differ
_HALVINGS = 10
_LEAST_AGREEMENT = 0.75
_LEAST_SHARE, _LEAST_FILMS = 0.02, 20  # of the films that are fitted, in the smallest style
_STARTS = 3


def describe_surroundings(
    grey: npt.NDArray[np.uint8], lungs: npt.NDArray[np.bool_] | None = None
) -> Description:
    """Describes what a film shows outside the lungs.

    Args:
        grey: `[height, width]` uint8, the upright film.
        lungs: `[SIDE_PX, SIDE_PX]` bool, true in the lung fields of the film squashed to that
            size; None where nobody looked, for the place where lungs usually are.

    Returns:
        `[DESCRIPTION_LENGTH]` float32 of at least 0, rows of cells: logarithm of 1 and the mean
        distance, in grey levels, from the blurred film.
    """
    copy = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    hidden = usual_lungs(SIDE_PX) if lungs is None else _widened(lungs)
    outside = (~hidden).astype(np.float32)
    detail = np.abs(copy - cv2.GaussianBlur(copy, (0, 0), _BLUR_PX)) * outside
    seen = _cell_sums(outside)
    is_seen = seen >= _LEAST_SEEN
    means = np.divide(_cell_sums(detail), seen, out=np.zeros_like(seen), where=is_seen)
    means[~is_seen] = means[is_seen].mean() if is_seen.any() else 0
    return np.log1p(means).ravel().astype(np.float32)


@dataclass(frozen=True)
class Styles:
    """Where the styles of a set of films lie.

    Attributes:
        mean: `[DESCRIPTION_LENGTH]` float64 of the films fitted.
        axes: `[components, DESCRIPTION_LENGTH]` float64.
        centres: `[styles, components]` float64, the style with most fine detail first.
        agreement: Mean adjusted Rand index between halves of the films that each find so many
            styles; NaN where there is one style only, as nothing is divided there.
    """

    mean: Array
    axes: Array
    centres: Array
    agreement: float

    @property
    def names(self) -> tuple[str, ...]:
        """The first so many of `STYLES`."""
        return STYLES[: len(self.centres)]

    def nearest(self, descriptions: npt.ArrayLike) -> tuple[list[str], Array]:
        """Finds the style of films.

        Args:
            descriptions: `[films, DESCRIPTION_LENGTH]`.

        Returns:
            The name of the style of each, and `[films]` distances to its centre.
        """
        places = (np.asarray(descriptions, np.float64) - self.mean) @ self.axes.T
        distances = np.linalg.norm(places[:, np.newaxis] - self.centres, axis=-1)
        nearest = distances.argmin(axis=1)
        return [self.names[style] for style in nearest], distances.min(axis=1)


def rank(path: str, seed: int) -> bytes:
    """Returns by what films are put in an order that tells nothing of them; the first are fitted.

    Args:
        path: Of the film.
        seed: Of the order.
    """
    return hashlib.sha256(f"{seed}/{path}".encode("utf-8", "surrogateescape")).digest()


def find_styles(descriptions: Mapping[str, Description], seed: int) -> Styles:
    """Finds the styles of films.

    Args:
        descriptions: Of `describe_surroundings`, by path; at least one. Their order does not
            matter, and of many films `FITTED_FILMS` are taken.
        seed: Of that choice and of the clustering.

    Returns:
        As many styles as halves of the films agree on, one where they agree on none.
    """
    rng = np.random.default_rng(seed)
    chosen = sorted(descriptions, key=lambda path: rank(path, seed))[:FITTED_FILMS]
    points = np.array([descriptions[path] for path in chosen], np.float64)
    mean = points.mean(axis=0)
    # One thread: sums are the same on every machine, and threads that wait for a busy core do not.
    with threadpool_limits(1):
        axes = _axes(points)
        places = (points - mean) @ axes.T
        centres, agreement = places.mean(axis=0, keepdims=True), math.nan
        for count in range(len(STYLES), 1, -1):
            agreed = _agreement(places, count, rng.integers(2**31, size=_HALVINGS).tolist())
            if agreed >= _LEAST_AGREEMENT:
                fitted = _clusters(places, count, seed).cluster_centers_
                centres, agreement = fitted, agreed
                break
    detail = (mean + centres @ axes).mean(axis=1)
    return Styles(mean, axes, centres[np.argsort(-detail, kind="stable")], agreement)


def _agreement(places: Array, count: int, seeds: Sequence[int]) -> float:
    """Returns how far halves agree on so many styles; 0 where one of these would be too small."""
    least = max(_LEAST_FILMS, _LEAST_SHARE * len(places))
    all_alike = not places.shape[1]
    if all_alike or len(places) < 2 * count * _LEAST_FILMS:
        return 0.0
    indices = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(places))
        halves = order[::2], order[1::2]
        one, other = (_clusters(places[half], count, seed).predict(places) for half in halves)
        if min(np.bincount(half, minlength=count).min() for half in (one, other)) < least:
            return 0.0
        indices.append(adjusted_rand_score(one, other))
    return float(np.mean(indices))


def _clusters(places: Array, count: int, seed: int) -> KMeans:
    return KMeans(count, n_init=_STARTS, random_state=int(seed)).fit(places)


def _axes(points: Array) -> Array:
    """Returns `[components, DESCRIPTION_LENGTH]`; none where the films do not differ."""
    if points.std(axis=0).max() < _SPREAD:
        return np.zeros((0, points.shape[1]))
    components = min(_COMPONENTS, len(points) - 1)
    return PCA(components, svd_solver="full").fit(points).components_


def _widened(lungs: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    square = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
    return cv2.dilate(lungs.astype(np.uint8), square).astype(bool)


def _cell_sums(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    cells = SIDE_PX // CELL_PX
    return values.reshape(cells, CELL_PX, cells, CELL_PX).sum(axis=(1, 3))
