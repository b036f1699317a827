"""Shortcut audit: controls that cannot see the lungs, trained and scored like the model.

What such a control reaches comes from how a film was taken and filed, not from disease
(Maguolo and Nanni, A critic evaluation of methods for COVID-19 automatic detection from
X-ray images, Information Fusion 76, 2021). A model that is hardly better may have learned
the same. Networks are trained on half of the resolution, without augmentation, for few epochs
and on a bounded number of films, to bound the time. They see films as Transform made them, in
[0, 1]: moments of the whole film would tell of the lungs. Lungs that Transform found are black to
every control; where it did not look for them, what is hidden is where they usually are. Where
Transform evened out the contrast tile by tile, a little of the lungs shows in the frame, which
makes the control stronger and so the audit stricter.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import keras
import numpy as np
import tensorflow as tf

from components.auditor.alterations import ALTERATIONS
from components.auditor.control_films import ControlFilms, control_films, control_pixels
from components.auditor.findings import Control
from components.auditor.served_pixels import ServedPixels
from metrics.comparisons import auc_margin
from metrics.scores import Scores
from models.hyperparameters import Hyperparameters, Train
from models.imbalance import class_weights
from models.input_pipeline import TransformedFilms
from models.network import build_network
from models.optimisation import compile_network

_LOG = logging.getLogger(__name__)

FILE_STATISTICS = "file statistics"


def compare(name: str, control: np.ndarray, model: Scores, samples: int) -> Control:
    """Compares a control with the model on the same films.

    Args:
        name: Of the control.
        control: `[films]` scores that rise with P(pneumonia).
        model: What the model said of the same films, of both classes.
        samples: Draws of patients.

    Returns:
        AUC and margin with their intervals.
    """
    compared = Control(name=name, **asdict(auc_margin(control, model, samples)))
    _LOG.info("%s: AUC %.4f, margin of the model %+.4f", name, compared.auc, compared.margin)
    return compared


@dataclass(frozen=True)
class NetworkControls:
    """Trained networks that see no lungs.

    Attributes:
        networks: By name, each with the mask of what it sees of a film whose lungs are hidden,
            `[side, side, 1]` uint8.
        prepared: How the model prepares a film.
    """

    networks: dict[str, tuple[keras.Model, np.ndarray]]
    prepared: ServedPixels

    def score(self, examples: Iterable[tf.train.Example]) -> dict[str, np.ndarray]:
        """Scores films in one pass.

        Args:
            examples: Raw, of which only the image has to be there.

        Returns:
            `[films]` scores by control.
        """
        size_px = self.prepared.settings.image_size_px
        scores: dict[str, list[np.ndarray]] = {name: [] for name in self.networks}
        for transformed in self.prepared.transformed(examples):
            pixels = control_pixels(transformed, size_px)
            for name, (network, mask) in self.networks.items():
                answer = network.predict_on_batch(control_inputs(pixels, mask))
                scores[name].append(np.asarray(answer)[:, 0])
        return {name: np.concatenate(of_batches) for name, of_batches in scores.items()}


def network_controls(
    train: TransformedFilms,
    prepared: ServedPixels,
    settings: Hyperparameters,
    epochs: int,
    at_most: int,
) -> NetworkControls:
    """Trains a network for each alteration.

    Args:
        train: The transformed train split.
        prepared: How the model prepares films.
        settings: Network and optimisation of the model.
        epochs: Passes over the films that a control learns from.
        at_most: How many these are.

    Returns:
        The trained controls.
    """
    size_px = settings.preprocessing.image_size_px
    networks = {}
    with control_films(train, size_px, at_most, settings.train.seed) as films:
        for name, mask_of in ALTERATIONS.items():
            _LOG.info("training the control '%s' on %d films", name, len(films.labels))
            mask = mask_of(size_px // 2)
            networks[name] = train_control(films, mask, settings, epochs), mask
    return NetworkControls(networks, prepared)


def train_control(
    films: ControlFilms, mask: np.ndarray, settings: Hyperparameters, epochs: int
) -> keras.Model:
    """Trains the project's own network to tell pneumonia on altered films.

    Args:
        films: Of both classes.
        mask: `[side, side, 1]` uint8: what the control sees.
        settings: Network and optimisation; of a backbone only what shapes the own network. A
            control starts from nothing, so where the model does not, it has the default
            learning rate: the small one of a fine-tuning would teach it nothing.
        epochs: Passes over the films.

    Returns:
        Model from `control_inputs` to `[films, 1]` P(pneumonia).
    """
    train = _from_nothing(settings)
    keras.utils.set_random_seed(train.seed)
    # Half the resolution may be halved once less.
    depth = min(settings.network.depth, films.side_px.bit_length() - 2)
    shape = {"backbone": "cnn", "weights": "none", "depth": depth, "clinical": False}
    network = build_network(films.side_px, settings.network.model_copy(update=shape), "binary")
    steps = -(-len(films.labels) // train.batch_size)
    compile_network(network, "binary", train, epochs, steps)
    batches = films.shuffled(train.batch_size, train.seed)
    network.fit(
        batches.map(lambda pixels, label: (control_inputs(pixels, mask), label)).prefetch(2),
        epochs=epochs,
        class_weight=class_weights(np.bincount(films.labels, minlength=2).tolist()),
        shuffle=False,  # the dataset does it
        verbose=0,
    )
    return network


def control_inputs(pixels: tf.Tensor, mask: np.ndarray) -> tf.Tensor:
    """Returns what a control is given.

    Args:
        pixels: `[batch, side, side, 1]` uint8.
        mask: `[side, side, 1]` uint8 of 0 and 1.

    Returns:
        Same shape, float32 in [0, 1]; 0 where the control may not look.
    """
    return tf.cast(pixels * mask, tf.float32) / 255.0


def _from_nothing(settings: Hyperparameters) -> Train:
    network, train = settings.network, settings.train
    if network.from_nothing:
        return train
    return train.model_copy(update={"learning_rate": Train().learning_rate})
