"""How far a picture is from the films that a network learnt from, to know when not to answer.

Of each picture the middle stages of the network give a mean and a deviation of each channel.
Two normal laws are fitted to these features: one of the train films, as they are and as other
scanners would show them, and one of the same films made into other pictures (`counterexamples`).
The distance is the Mahalanobis distance to the first over that to the second (relative
Mahalanobis: Ren et al., A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection,
2021; Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS
2018), divided by a threshold from the eval split, so that 1 is the threshold everywhere.

Fitting is scikit-learn's and happens once, outside any graph; a graph needs two matrices.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from models.augmentation import augment
from models.counterexamples import counterexample
from models.cut_open import middle_stages, of_films_alone
from models.hyperparameters import Augmentation, Hyperparameters
from models.input_pipeline import TransformedFilms
from models.preprocessing import standardise, unpack_images
from models.remote_files import local_copy, written_beside

Array = npt.NDArray[np.float32]

DISTANCE_FILE = "film_distance.npz"  # in the model_run artifact

# Eval films of the same site, changed as another scanner might, may lie beyond it: this share.
_SHARE_BEYOND = 0.01
# By what factor real films of other sites may lie farther away than those changed films, chosen
# on four sites and three models (benchmarks/out_of_distribution.py). Where lungs are looked for,
# little that is no film is left to be caught, and so few real ones need be lost.
_MARGIN, _MARGIN_WITH_LUNGS = 1.15, 1.3

_MOST_FILMS = 2000  # of train: more change hardly anything and cost time
_MOST_COMPONENTS = 512  # of the features, so that the matrices of a wide backbone stay small
_BATCH_FILMS = 64
_LEAST_VARIANCE = 1e-6
_LEAST_DISTANCE = 1e-6
_LEAST_SCALE = 0.01  # of a feature, of the mean one

# What scanners, rooms and archives do to a film, each beyond what training does.
_OTHER_SCANNERS = Augmentation(
    rotation_degrees=10,
    scale=0.1,
    aspect=0.2,
    shift=0.05,
    brightness=0.2,
    contrast=0.5,
    gamma=0.7,
    sharpness=1.0,
    noise_stddev=0.03,
    erase=0,
)


@dataclass(frozen=True, eq=False)
class FilmDistance:
    """Two whitening maps and a threshold.

    Attributes:
        weights: `[features, 2 * components]` float32: the map that whitens films, and the one
            that whitens counterexamples.
        offsets: `[2 * components]` float32, what the means of both become.
        threshold: Quotient of the two distances that counts as 1.
    """

    weights: Array
    offsets: Array
    threshold: float

    def of_features(self, features: tf.Tensor) -> tf.Tensor:
        """Measures pictures.

        Args:
            features: `[batch, features]` float32, of `pooled`.

        Returns:
            `[batch]` float32 from 0 on; above 1 a picture is unlike the films.
        """
        whitened = tf.matmul(features, tf.constant(self.weights)) - tf.constant(self.offsets)
        to_films, to_others = (tf.norm(part, axis=-1) for part in tf.split(whitened, 2, axis=-1))
        return to_films / (self.threshold * tf.maximum(to_others, _LEAST_DISTANCE))


def pooled(stages: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns mean and deviation of each channel.

    Args:
        stages: Activations, each `[batch, rows, columns, channels]` float32.

    Returns:
        `[batch, 2 * all channels]` float32.
    """
    parts = []
    for stage in stages:
        mean, variance = tf.nn.moments(tf.cast(stage, tf.float32), axes=[1, 2])
        parts += [mean, tf.sqrt(variance + _LEAST_VARIANCE)]
    return tf.concat(parts, axis=-1)


def fit_distance(
    network: keras.Model,
    train: TransformedFilms,
    evaluation: TransformedFilms,
    settings: Hyperparameters,
) -> FilmDistance:
    """Fits both laws on train films and chooses the threshold on eval films.

    Args:
        network: Trained, of `build_network`.
        train: The train split; of a large one, some films.
        evaluation: The eval split.
        settings: Of the training.

    Returns:
        The distance of this network.
    """
    features_of = _Features(network, settings)
    films = np.concatenate([features_of(train), features_of(train, changed=True)])
    distance = fit_laws(films, features_of(train, changed=True, counterexamples=True))
    held_out = np.concatenate([features_of(evaluation), features_of(evaluation, changed=True)])
    looks_for_lungs = settings.preprocessing.lungs != "none"
    return with_threshold(distance, held_out, _MARGIN_WITH_LUNGS if looks_for_lungs else _MARGIN)


def fit_laws(films: Array, others: Array) -> FilmDistance:
    """Fits both laws, with the shrunk covariance of Ledoit and Wolf (2004).

    Args:
        films: `[films, features]` float32.
        others: `[pictures, features]` float32, of counterexamples.

    Returns:
        The distance with a threshold of 1.
    """
    exact = [np.asarray(pictures, np.float64) for pictures in (films, others)]
    deviations = exact[0].std(axis=0)
    # A channel that no film excites would otherwise decide alone.
    scales = np.maximum(deviations, _LEAST_SCALE * deviations.mean())
    both = np.concatenate(exact) / scales
    components = min(_MOST_COMPONENTS, *both.shape)
    reduced = PCA(components, random_state=0).fit(both)
    weights, offsets = [], []
    for pictures in exact:
        law = LedoitWolf().fit(reduced.transform(pictures / scales))
        variances, axes = np.linalg.eigh(law.covariance_)
        whitening = axes / np.sqrt(variances)
        weights.append(reduced.components_.T @ whitening / scales[:, np.newaxis])
        offsets.append((law.location_ + reduced.mean_ @ reduced.components_.T) @ whitening)
    return FilmDistance(
        np.concatenate(weights, axis=1).astype(np.float32),
        np.concatenate(offsets).astype(np.float32),
        threshold=1.0,
    )


def with_threshold(distance: FilmDistance, held_out: Array, margin: float) -> FilmDistance:
    """Sets the threshold, with a margin for sites that nobody has seen.

    Args:
        distance: With a threshold of 1.
        held_out: `[films, features]` float32, of films that the laws were not fitted on.
        margin: Factor that films of other sites may lie farther away.

    Returns:
        The same with a threshold that one film in a hundred would pass without the margin.
    """
    distances = distance.of_features(tf.constant(held_out)).numpy()
    threshold = margin * float(np.quantile(distances, 1 - _SHARE_BEYOND))
    return FilmDistance(distance.weights, distance.offsets, threshold)


def keep_distance(distance: FilmDistance, folder: str) -> None:
    """Keeps a distance beside the network, for whoever exports it again.

    Args:
        distance: Of `fit_distance`.
        folder: URI of the model_run artifact.
    """
    with written_beside(posixpath.join(folder, DISTANCE_FILE)) as path:
        np.savez(
            path,
            weights=distance.weights,
            offsets=distance.offsets,
            threshold=distance.threshold,
        )


def read_distance(folder: str) -> FilmDistance:
    """Returns what `keep_distance` kept in the model_run artifact at a URI."""
    with local_copy(posixpath.join(folder, DISTANCE_FILE)) as path:
        kept = np.load(path)
        return FilmDistance(kept["weights"], kept["offsets"], float(kept["threshold"]))


class _Features:
    """Features of films as they are, as changed, and of counterexamples made from them."""

    def __init__(self, network: keras.Model, settings: Hyperparameters):
        stages = of_films_alone(keras.Model(network.input, middle_stages(network)))
        self._settings = settings
        self._pooled = tf.function(
            lambda images: pooled(tf.nest.flatten(stages(images, training=False))),
            reduce_retracing=True,
        )
        self._augmented = tf.function(
            lambda pixels, seed: augment(pixels, seed, _OTHER_SCANNERS), reduce_retracing=True
        )

    def __call__(
        self, films: TransformedFilms, changed: bool = False, counterexamples: bool = False
    ) -> Array:
        return np.concatenate(list(self._batches(films, changed, counterexamples)))

    def _batches(
        self, films: TransformedFilms, changed: bool, counterexamples: bool
    ) -> Iterator[Array]:
        preparation = self._settings.preprocessing
        random = np.random.default_rng(self._settings.train.seed)
        places = np.sort(random.permutation(len(films.classes))[:_MOST_FILMS])
        for start in range(0, len(places), _BATCH_FILMS):
            parsed = films.take(tf.constant(places[start : start + _BATCH_FILMS]))
            pixels = unpack_images(parsed, preparation.image_size_px)
            if counterexamples:
                pixels = _made_into_others(pixels.numpy(), start, random)
            if changed:
                seed = tf.constant([self._settings.train.seed, start], tf.int64)
                pixels = self._augmented(pixels, seed)
            yield self._pooled(standardise(pixels, parsed, preparation.normalisation)).numpy()


def _made_into_others(pixels: Array, first: int, random: np.random.Generator) -> tf.Tensor:
    made = [
        counterexample(film[..., 0], first + place, random) for place, film in enumerate(pixels)
    ]
    return tf.constant(np.stack(made)[..., np.newaxis])
