"""Class probabilities of films, each from a classifier that has seen no film of its patient.

The classifier is a logistic regression on a sample of a Gaussian kernel (C. Williams and M. Seeger,
"Using the Nyström Method to Speed Up Kernel Machines", NIPS 2000). All films at once are described,
reduced and scaled, for which no label is needed; only the regression sees labels.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Array = npt.NDArray[np.float32]

LEAST_PATIENTS = 10  # of each class, and so the most folds; fewer would leave some without one

_FITTED_FILMS = 10_000  # at most in a fit, so that its time and memory are bounded
_FILMS_AT_ONCE = 5000
_COMPONENTS = 100
_LANDMARKS = 600  # films that stand for the kernel
_GAMMA = 0.3  # of the kernel, where films are at a mean square distance of 2
_INVERSE_PENALTY = 10.0
_ITERATIONS = 300


def groups_of(films: Sequence[Sequence[Hashable]]) -> npt.NDArray[np.int64]:
    """Finds out which films may not judge one another.

    Args:
        films: What each film could share with others, such as its patient and its bytes.

    Returns:
        `[films]` number of its group: films that share something, directly or through others.
    """
    together: DisjointSet = DisjointSet(range(len(films)))
    first: dict[Hashable, int] = {}
    for film, shared in enumerate(films):
        for one in shared:
            together.merge(film, first.setdefault(one, film))
    return np.array([together[film] for film in range(len(films))], np.int64)


def too_few(classes: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], count: int) -> list[int]:
    """Returns which of so many classes have fewer than `LEAST_PATIENTS` groups."""
    return [one for one in range(count) if len(np.unique(groups[classes == one])) < LEAST_PATIENTS]


def out_of_fold(
    descriptions: npt.NDArray[np.floating],
    classes: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    folds: int,
    seed: int = 0,
) -> Array:
    """Judges every film by films of other groups.

    Args:
        descriptions: `[films, length]`.
        classes: `[films]` class index by the given labels; no class is among `too_few`.
        groups: `[films]`, of `groups_of`.
        folds: Parts that films are judged in, `LEAST_PATIENTS` at most.
        seed: Of folds and samples.

    Returns:
        `[films, classes]` float32 probabilities.
    """
    films = _reduced(descriptions, seed)
    judged = np.zeros((len(films), classes.max() + 1), np.float32)
    for others, part in _folds(classes, groups, folds, seed):
        some = np.random.default_rng(seed).permutation(others)[:_FITTED_FILMS]
        classifier = _classifier(films.shape[1], len(some), seed).fit(films[some], classes[some])
        for start in range(0, len(part), _FILMS_AT_ONCE):
            batch = part[start : start + _FILMS_AT_ONCE]
            judged[np.ix_(batch, classifier.classes_)] = classifier.predict_proba(films[batch])
    return judged


def _reduced(descriptions: npt.NDArray[np.floating], seed: int) -> Array:
    """Returns the main components of all films, fitted on some, at a mean variance of 1."""
    some = np.random.default_rng(seed).permutation(len(descriptions))[:_FITTED_FILMS]
    fitted = descriptions[some].astype(np.float32)
    components = min(_COMPONENTS, *fitted.shape)
    reduction = make_pipeline(
        StandardScaler(), PCA(components, svd_solver="randomized", random_state=seed)
    )
    scale = max(reduction.fit_transform(fitted).std(), np.finfo(np.float32).tiny)
    batches = (
        reduction.transform(descriptions[start : start + _FILMS_AT_ONCE].astype(np.float32))
        for start in range(0, len(descriptions), _FILMS_AT_ONCE)
    )
    return np.concatenate([batch / scale for batch in batches]).astype(np.float32)


def _folds(
    classes: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], folds: int, seed: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    yield from parts.split(classes, classes, groups)


def _classifier(components: int, films: int, seed: int) -> Pipeline:
    return make_pipeline(
        Nystroem(gamma=_GAMMA / components, n_components=min(_LANDMARKS, films), random_state=seed),
        LogisticRegression(C=_INVERSE_PENALTY, max_iter=_ITERATIONS),
    )
