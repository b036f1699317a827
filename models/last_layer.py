"""The last layer, learnt again from films of which no group tells the class (DFR).

Kirichenko et al., Last Layer Re-Training is Sufficient for Robustness to Spurious Correlations,
ICLR 2023: a network that goes by a shortcut has most often learnt the features of the matter too,
and a logistic regression on draws with as many films of each class in each group weighs them
anew. The weights are averaged over draws, as a draw holds few films.

Three things are not as in the paper. It divides each feature by its own deviation; here one number
divides them all, as a unit that hardly ever answers would come to count as much as any other. Its
penalty is L1, for features by the thousand; a few dozen take L2. And it tries several strengths of
the penalty by the worst group of held-out films, of which a group has too few here; one from the
middle of its range is taken.

The draws are of train, without augmentation: what the paper calls DFR on train. It finds films
that the network has not learnt from better, as it tells those that it has apart too easily. Here
these are the eval films, by which the epoch, the calibration and the operating point are chosen,
and a layer that had learnt from them would be judged by them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from models.calibration import MIN_GROUP_FILMS
from models.clinical import Given, film_of
from models.cut_open import mirror_image, of_films_alone, up_to_last_hidden
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms, evaluation_batches
from models.network import LOGITS

_DRAWS = 20  # as in the paper
_INVERSE_PENALTY = 0.1  # the paper tries 1 to 0.01
_STEPS = 1000  # of a regression at most

_LOG = logging.getLogger(__name__)


def balanced_draws(films: TransformedFilms, settings: Hyperparameters) -> list[np.ndarray]:
    """Draws films so that each group has as many of each class as any other.

    A group that has few films of a class is left out, which is said: its films of another class
    alone would teach what the draws are to undo.

    Args:
        films: The train split.
        settings: `train.group_by` and `train.seed`.

    Returns:
        `[drawn]` int64 each, places in the split, none twice.

    Raises:
        ValueError: If no group has enough films of each class.
    """
    by = settings.train.group_by
    groups = films.groups(by)
    names = np.unique(groups)
    classes = range(len(films.counts))
    counts = np.array([[np.sum(films.classes[groups == n] == c) for c in classes] for n in names])
    enough = counts.min(axis=1) >= MIN_GROUP_FILMS
    if not enough.any():
        raise ValueError(
            f"train.retrain_last_layer=true needs a {by} with at least {MIN_GROUP_FILMS} train "
            f"films of each class, and there is none; choose another train.group_by or leave it out"
        )
    if not enough.all():
        left_out = ", ".join(name.decode() for name in names[~enough])
        _LOG.warning(
            "the last layer is retrained without the films of %s %s, which has fewer than %d of "
            "a class",
            by,
            left_out,
            MIN_GROUP_FILMS,
        )
    pairs = [
        np.flatnonzero((groups == name) & (films.classes == one))
        for name in names[enough]
        for one in classes
    ]
    size = counts[enough].min()
    random = np.random.default_rng(settings.train.seed)
    return [
        np.concatenate([random.choice(pair, size, replace=False) for pair in pairs])
        for _ in range(_DRAWS)
    ]


def retrain_last_layer(
    network: keras.Model,
    films: TransformedFilms,
    draws: Sequence[np.ndarray],
    settings: Hyperparameters,
) -> None:
    """Puts the mean of logistic regressions, one a draw, in the place of the last layer.

    Args:
        network: Of `build_network`, trained; changed in place.
        films: The train split.
        draws: Of `balanced_draws`.
        settings: Of the training.
    """
    # What a network is told beside a film it has also learnt to do without.
    ways = (False, True) if settings.network.clinical else (False,)
    hidden = [last_hidden(network, films, settings, films_alone) for films_alone in ways]
    scale = np.std(hidden) or 1.0  # of a dead network
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_STEPS)
    fits = [
        clone(regression).fit(
            np.concatenate([one[draw] for one in hidden]) / scale,
            np.tile(films.classes[draw], len(ways)),
        )
        for draw in draws
    ]
    weights = np.mean([fit.coef_ for fit in fits], axis=0) / scale
    biases = np.mean([fit.intercept_ for fit in fits], axis=0)
    network.get_layer(LOGITS).set_weights([weights.T, biases])
    _LOG.info("last layer retrained on %d draws of %d films", len(draws), len(draws[0]))


def last_hidden(
    network: keras.Model,
    films: TransformedFilms,
    settings: Hyperparameters,
    films_alone: bool = False,
) -> np.ndarray:
    """Returns what the last layer is given.

    Where answers are the mean logit of a film and its mirror image, so is this: the last layer
    is linear.

    Args:
        network: Of `build_network`.
        films: Any split.
        settings: Of the training.
        films_alone: Whether a network with `network.clinical` is told nothing beside them.

    Returns:
        `[films, dense_units]` float32.
    """
    cut = up_to_last_hidden(network)
    cut = of_films_alone(cut) if films_alone else cut

    @tf.function(reduce_retracing=True)
    def hidden_of(given: Given) -> tf.Tensor:
        hidden = cut(given, training=False)
        if not settings.network.flip_average:
            return hidden
        return (hidden + cut(mirror_image(given), training=False)) / 2

    batches = evaluation_batches(films, settings)
    return np.concatenate(
        [hidden_of(film_of(given) if films_alone else given).numpy() for given, _ in batches]
    )
