"""Do maps hang on what a network has learned? Films with a bright square, and no more than that.

J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: where weights are drawn anew,
layer by layer from the last, or labels are shuffled before training, a map of what was learned has
to change. One that shows the edges of the film does not, and is caught here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from scipy.stats import spearmanr

from benchmarks.explanation_maps import positive_differences
from models.cut_open import activations_and_logits
from models.grad_cam import grad_cam, layer_maps, mean_of
from models.hyperparameters import Network
from models.network import build_network

SIDE = 64
SQUARE = 14
FILMS = 256
SHOWN = 32
DRAWS = 6  # of weights; a single one may look the way of what was learned, or away from it
SIMILAR = 0.5  # rank correlation from which on two maps say the same

Explain = Callable[[keras.Model, np.ndarray], np.ndarray]


def draw_films(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws clouds, each with a bright and a dark square; only the bright one is the disease.

    Returns:
        Films, labels, and where the bright square is.
    """
    rng = np.random.default_rng(seed)
    clouds = ndimage.gaussian_filter(rng.normal(size=(count, SIDE, SIDE)), (0, 4, 4))
    films = clouds / clouds.std(axis=(1, 2), keepdims=True)
    labels = np.arange(count) % 2
    masks = np.zeros(films.shape, bool)
    for film, mask, label in zip(films, masks, labels, strict=True):
        for sign in (1, -1):
            row, column = rng.integers(0, SIDE - SQUARE, 2)
            place = slice(row, row + SQUARE), slice(column, column + SQUARE)
            if sign < 0 or label:
                film[place] += 3.0 * sign
                mask[place] |= sign > 0
    return films[..., np.newaxis].astype(np.float32), labels, masks


def train(labels: np.ndarray, films: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(0)
    network = build_network(SIDE, Network(width=8, depth=4, dense_units=16, dropout=0.0))
    network.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    network.fit(films, labels, batch_size=32, epochs=14, verbose=0)
    return network


@pytest.fixture(scope="module", name="shown")
def draw_shown() -> tuple[np.ndarray, np.ndarray]:
    films, labels, masks = draw_films(1, 2 * SHOWN)
    return films[labels == 1], masks[labels == 1]


@pytest.fixture(scope="module", name="trained")
def train_on_labels() -> keras.Model:
    films, labels, _ = draw_films(0, FILMS)
    return train(labels, films)


def explanation(network: keras.Model, films: np.ndarray) -> np.ndarray:
    reference = tf.zeros([SIDE, SIDE, 1])
    heat, _ = grad_cam(activations_and_logits(network, True), tf.constant(films), reference)
    return tf.image.resize(heat[..., tf.newaxis], [SIDE, SIDE]).numpy()[..., 0]


def edges(_: keras.Model, films: np.ndarray) -> np.ndarray:
    """The planted fault: a map of the film that asks no network."""
    return np.stack([ndimage.gaussian_gradient_magnitude(film[..., 0], 1.5) for film in films])


def keeps_what_is_positive(network: keras.Model, films: np.ndarray) -> np.ndarray:
    """Another planted fault: it points well, and shows mostly how a film differs from none."""
    reference = tf.zeros([SIDE, SIDE, 1])
    cut_open = activations_and_logits(network, True)
    maps, _ = layer_maps(cut_open, tf.constant(films), reference, positive_differences)
    return tf.image.resize(mean_of(maps)[..., tf.newaxis], [SIDE, SIDE]).numpy()[..., 0]


def similarity(maps: np.ndarray, others: np.ndarray) -> float:
    """Mean rank correlation of the maps of a film; a map without heat is like no other."""
    pairs = [
        spearmanr(one.ravel(), other.ravel()).statistic if np.ptp(one) and np.ptp(other) else 0.0
        for one, other in zip(maps, others, strict=True)
    ]
    return float(np.mean(pairs))


def cascade(trained: keras.Model, seed: int) -> Iterator[keras.Model]:
    """Draws weights anew: of the head, then of the last convolution too, then of every layer."""
    keras.utils.set_random_seed(seed)
    drawn = keras.models.clone_model(trained)
    network = keras.models.clone_model(trained)
    network.set_weights(trained.get_weights())
    weighted = [layer.name for layer in network.layers if layer.weights]
    for last in (2, 4, len(weighted)):
        for name in weighted[-last:]:
            network.get_layer(name).set_weights(drawn.get_layer(name).get_weights())
        yield network


def changes_with_weights(explain: Explain, trained: keras.Model, films: np.ndarray) -> bool:
    """Whether a map changes in a cascade of weights, in the mean of a few draws.

    A head drawn anew still weighs the features that were learned, so that a map may change there
    but little; in the end nothing of what was learned is left.
    """
    maps = explain(trained, films)
    similar = np.mean(
        [
            [similarity(maps, explain(network, films)) for network in cascade(trained, seed)]
            for seed in range(DRAWS)
        ],
        axis=0,
    )
    return bool(similar[-1] < SIMILAR and similar[0] < 0.95)


def changes_with_labels(explain: Explain, trained: keras.Model, films: np.ndarray) -> bool:
    learned_from, labels, _ = draw_films(0, FILMS)
    memorised = train(np.random.default_rng(5).permutation(labels), learned_from)
    return similarity(explain(trained, films), explain(memorised, films)) < SIMILAR


def test_the_map_points_at_what_was_learned(
    trained: keras.Model, shown: tuple[np.ndarray, np.ndarray]
) -> None:
    films, masks = shown
    maps = explanation(trained, films).reshape(SHOWN, -1)
    hits = masks.reshape(SHOWN, -1)[np.arange(SHOWN), maps.argmax(axis=1)]
    assert hits.mean() > 0.8


@pytest.mark.parametrize("check", [changes_with_weights, changes_with_labels])
def test_the_map_changes_with_what_was_learned(
    check: Callable[..., bool], trained: keras.Model, shown: tuple[np.ndarray, np.ndarray]
) -> None:
    assert check(explanation, trained, shown[0])
    for fault in (edges, keeps_what_is_positive):
        assert not check(fault, trained, shown[0])  # so the check would have noticed
