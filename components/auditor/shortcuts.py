"""Shortcut audit: controls that cannot see the lungs, trained and scored like the model.

What such a control reaches comes from how a film was taken and filed, not from disease
(Maguolo and Nanni, A critic evaluation of methods for COVID-19 automatic detection from
X-ray images, Information Fusion 76, 2021). A model that is hardly better may have learned
the same. Networks are trained on half of the resolution, without augmentation and for
few epochs, to bound the time. They see films as Transform made them, in [0, 1]: moments of
the whole film would tell of the lungs. Where Transform evened out the contrast tile by
tile, a little of the lungs shows in the frame, which makes the control stronger and so the
audit stricter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.auditor.intervals import (
    Interval,
    Scores,
    bootstrap,
    interval_of_auc,
    percentile_interval,
    weighted_auc,
)
from components.auditor.pixels import decode_film, image_size
from components.auditor.scoring import batches, image_of
from models import features
from models.hyperparameters import Hyperparameters, Train
from models.imbalance import class_weights
from models.input_pipeline import TransformedFilms
from models.network import build_network
from models.optimisation import compile_network
from models.preprocessing import unpack_images

_LOG = logging.getLogger(__name__)

LUNGS_BLACKED_OUT = "lungs blacked out"
OUTER_FRAME = "outer frame"
FILE_STATISTICS = "file statistics"

LUNG_CENTRES = ((0.47, 0.29), (0.47, 0.71))  # row and column, of the side
LUNG_SEMI_AXES = (0.37, 0.21)  # the same; both ellipses together cover 49 % of the film
FRAME_WIDTH = 20 / 224  # of the side

_STATISTICS_SIDE_PX = 256
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Control:
    """What can be told without the lungs.

    Attributes:
        name: Of the control.
        auc: On the films that the model was scored on.
        auc_interval: 95 %, over patients.
        margin: AUC of the model above it.
        margin_interval: 95 %, over patients drawn for both alike.
    """

    name: str
    auc: float
    auc_interval: Interval
    margin: float
    margin_interval: Interval


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

    def aucs(weights: np.ndarray) -> np.ndarray:
        scores = (control, model.probabilities)
        return np.stack([weighted_auc(weights, model.labels, one) for one in scores], axis=1)

    control_auc, model_auc = aucs(np.ones((1, len(control))))[0]
    draws = bootstrap(aucs, model.patients, samples)
    compared = Control(
        name,
        auc=float(control_auc),
        auc_interval=interval_of_auc(float(control_auc), draws[:, 0], model.labels, model.patients),
        margin=float(model_auc - control_auc),
        margin_interval=percentile_interval(draws[:, 1] - draws[:, 0]),
    )
    _LOG.info("%s: AUC %.4f, margin of the model %+.4f", name, compared.auc, compared.margin)
    return compared


# Networks.


def network_controls(
    train: TransformedFilms,
    test: np.ndarray,
    settings: Hyperparameters,
    epochs: int,
) -> Iterator[tuple[str, np.ndarray]]:
    """Trains and scores a network for each alteration.

    Args:
        train: The transformed train split.
        test: `[films, side, side, 1]` uint8, of `served_pixels`.
        settings: Network and optimisation of the model.
        epochs: Passes over the train split.

    Yields:
        Name of the control and its `[films]` scores of the test films.
    """
    films, labels = transformed_pixels(train, settings.preprocessing.image_size_px)
    for name, alter in ALTERATIONS.items():
        _LOG.info("training the control '%s' on %d films", name, len(films))
        network = train_control(alter(films), labels, settings, epochs)
        yield name, network.predict(_inputs(alter(test)), verbose=0)[:, 0]


def train_control(
    films: np.ndarray, labels: np.ndarray, settings: Hyperparameters, epochs: int
) -> keras.Model:
    """Trains the project's own network to tell pneumonia on altered films.

    Args:
        films: `[films, side, side, 1]` uint8.
        labels: `[films]` of 0 and 1, both present.
        settings: Network and optimisation; of a backbone only what shapes the own network. A
            control starts from nothing, so where the model does not, it has the default
            learning rate: the small one of a fine-tuning would teach it nothing.
        epochs: Passes over the films.

    Returns:
        Model from films of `_inputs` to `[films, 1]` P(pneumonia).
    """
    keras.utils.set_random_seed(settings.train.seed)
    side_px = films.shape[1]
    # Half the resolution may be halved once less.
    depth = min(settings.network.depth, side_px.bit_length() - 2)
    shape = {"backbone": "cnn", "weights": "none", "depth": depth}
    network = build_network(side_px, settings.network.model_copy(update=shape), "binary")
    steps = -(-len(films) // settings.train.batch_size)
    compile_network(network, "binary", _from_nothing(settings), epochs, steps)
    pairs = tf.data.Dataset.from_tensor_slices((films, labels.astype(np.float32)[:, None]))
    shuffled = pairs.shuffle(len(films), seed=settings.train.seed).batch(settings.train.batch_size)
    network.fit(
        shuffled.map(lambda pixels, label: (_inputs(pixels), label)),
        epochs=epochs,
        class_weight=class_weights(np.bincount(labels, minlength=2).tolist()),
        shuffle=False,  # the dataset does it
        verbose=0,
    )
    return network


def _from_nothing(settings: Hyperparameters) -> Train:
    network, train = settings.network, settings.train
    if network.from_nothing:
        return train
    return train.model_copy(update={"learning_rate": Train().learning_rate})


def transformed_pixels(films: TransformedFilms, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads transformed films at half of their resolution.

    Args:
        films: A split as Transform wrote it.
        size_px: Height and width that Transform resized to.

    Returns:
        `[films, size_px // 2, size_px // 2, 1]` uint8 and labels `[films]` int64.
    """
    pixels, labels = [], []
    for batch in films.serialised().batch(256):
        parsed = films.parse(batch)
        pixels.append(_halved(parsed, size_px))
        labels.append(tf.reshape(parsed[features.LABEL_XF], [-1]).numpy())
    return np.concatenate(pixels), np.concatenate(labels)


def served_pixels(served: Any, examples: Iterable[tf.train.Example], size_px: int) -> np.ndarray:
    """Prepares raw films by the Transform graph of the served model, as `transformed_pixels`.

    Args:
        served: A loaded SavedModel.
        examples: Raw examples.
        size_px: Height and width that Transform resizes to.

    Returns:
        `[films, size_px // 2, size_px // 2, 1]` uint8.
    """
    transform = served.signatures[features.TRANSFORM_FEATURES]
    pixels = []
    for batch in batches(examples):
        serialised = tf.constant([example.SerializeToString() for example in batch])
        pixels.append(_halved(transform(**{features.EXAMPLES: serialised}), size_px))
    return np.concatenate(pixels)


def black_out_lungs(films: np.ndarray) -> np.ndarray:
    """Blackens both lung fields.

    Two upright ellipses, one a lung: centres at 47 % of the height and 29 % and 71 % of
    the width, semi-axes of 37 % of the height and 21 % of the width.

    Args:
        films: `[films, height, width, 1]` uint8.

    Returns:
        The same, 49 % of each film being 0.
    """
    return np.where(_lungs(films.shape[1], films.shape[2])[..., None], 0, films).astype(np.uint8)


def keep_frame(films: np.ndarray) -> np.ndarray:
    """Blackens all but a frame of `FRAME_WIDTH` of the side.

    Args:
        films: `[films, side, side, 1]` uint8.

    Returns:
        The same with an inside of 0.
    """
    width_px = max(1, round(FRAME_WIDTH * films.shape[1]))
    framed = films.copy()
    framed[:, width_px:-width_px, width_px:-width_px] = 0
    return framed


def _lungs(height_px: int, width_px: int) -> np.ndarray:
    rows = ((np.arange(height_px) + 0.5) / height_px)[:, None]
    columns = ((np.arange(width_px) + 0.5) / width_px)[None]
    inside = np.zeros((height_px, width_px), dtype=bool)
    for row, column in LUNG_CENTRES:
        distance = ((rows - row) / LUNG_SEMI_AXES[0]) ** 2
        inside |= distance + ((columns - column) / LUNG_SEMI_AXES[1]) ** 2 <= 1
    return inside


def _halved(transformed: Mapping[str, tf.Tensor], size_px: int) -> np.ndarray:
    pixels = tf.nn.avg_pool2d(unpack_images(transformed, size_px), 2, 2, "VALID")
    return tf.cast(tf.round(255.0 * pixels), tf.uint8).numpy()


def _inputs(films: np.ndarray | tf.Tensor) -> tf.Tensor:
    return tf.cast(films, tf.float32) / 255.0


ALTERATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    LUNGS_BLACKED_OUT: black_out_lungs,
    OUTER_FRAME: keep_frame,
}


# File statistics.


def statistics_control(
    train: Iterable[tf.train.Example], test: Iterable[tf.train.Example]
) -> np.ndarray:
    """Fits a logistic regression to what a file says without its picture.

    Args:
        train: Raw examples to learn from, of both classes.
        test: Raw examples to score.

    Returns:
        `[test films]` P(pneumonia).
    """
    statistics, labels = [], []
    for example in train:
        statistics.append(file_statistics(image_of(example)))
        label = example.features.feature[features.LABEL].bytes_list.value[0]
        labels.append(label == features.PNEUMONIA.encode())
    regression = LogisticRegression(class_weight="balanced", max_iter=1000)
    fitted = make_pipeline(StandardScaler(), regression).fit(np.array(statistics), labels)
    of_test = [file_statistics(image_of(example)) for example in test]
    return fitted.predict_proba(np.array(of_test))[:, 1]


def file_statistics(data: bytes) -> np.ndarray:
    """Measures an encoded film as a whole.

    Args:
        data: JPEG or PNG file.

    Returns:
        `[16]` float: width, height, aspect ratio, encoded bytes, and of the grey levels
        mean, standard deviation, skewness, excess kurtosis, seven percentiles and the share of
        the brightest level.
    """
    width_px, height_px = image_size(data)
    levels = decode_film(data, _STATISTICS_SIDE_PX).ravel().astype(np.float64)
    mean, stddev = levels.mean(), levels.std()
    standardised = (levels - mean) / max(stddev, 1e-6)
    return np.array(
        [
            width_px, height_px, width_px / height_px, len(data),
            mean, stddev, np.mean(standardised**3), np.mean(standardised**4) - 3,
            *np.percentile(levels, _PERCENTILES), np.mean(levels == 255),
        ]
    )  # fmt: skip
