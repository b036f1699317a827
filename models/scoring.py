"""How well a network does on films it has not learned from, and what its logits mean there."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

from models.calibration import Calibration, OperatingPoint, choose_operating_point, fit_calibration
from models.clinical import Given, film_of
from models.cut_open import activations_and_logits, of_films_alone
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms, class_indices, evaluation_batches
from models.network import class_probabilities, pneumonia_logit
from models.selective import with_uncertain_band

# An AUC of nearly 1 does not tell two epochs apart, and what smoothing does to probabilities makes
# an early epoch look best.
CALIBRATED_LOG_LOSS = "calibrated_log_loss"


class Scorer:
    """Scores the same films again and again while a network learns."""

    def __init__(
        self,
        network: keras.Model,
        films: TransformedFilms,
        settings: Hyperparameters,
        films_alone: bool = False,
    ):
        """Keeps the network, which may learn on, and the films.

        Args:
            network: Of `build_network`.
            films: Usually the eval split.
            settings: Of the training.
            films_alone: Whether age, sex and view are unknown to a network that takes them.
        """
        cut_open = activations_and_logits(network, settings.network.flip_average)
        batches = evaluation_batches(films, settings)
        if films_alone:
            cut_open = of_films_alone(cut_open)
            batches = batches.map(lambda given, targets: (film_of(given), targets))

        @tf.function(reduce_retracing=True)
        def logits_of(given: Given) -> tf.Tensor:
            return cut_open(given, training=False)[1]

        self._logits_of = logits_of
        self._batches = batches

    def __call__(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores every film.

        Returns:
            Logits, `[films, 1]` or `[films, 3]` float32, and class indices, `[films]` int64.
        """
        scored = [
            (self._logits_of(given).numpy(), class_indices(targets).numpy())
            for given, targets in self._batches
        ]
        logits, classes = zip(*scored, strict=True)
        return np.concatenate(logits), np.concatenate(classes)


def films_to_calibrate_on(
    train: TransformedFilms, evaluation: TransformedFilms, settings: Hyperparameters
) -> TransformedFilms:
    """Returns the films that the weights have not seen: eval, and train where nothing learns."""
    return train.joined(evaluation) if settings.network.learns == "nothing" else evaluation


def groups_to_calibrate_on(films: TransformedFilms, settings: Hyperparameters) -> np.ndarray | None:
    """Returns the groups of films whose worst is to count, `[films]`, or None where all do alike.

    Args:
        films: That calibration is fitted on.
        settings: `train.calibrate_on` and `train.group_by`.
    """
    train = settings.train
    return films.groups(train.group_by) if train.calibrate_on == "worst_group" else None


def calibrate(
    logits: np.ndarray,
    classes: np.ndarray,
    settings: Hyperparameters,
    groups: np.ndarray | None = None,
) -> tuple[Calibration, OperatingPoint]:
    """Fits the calibration and chooses the operating point, with its uncertain band if wished.

    Args:
        logits: Of a `Scorer`, of films not trained on.
        classes: Of the same.
        settings: Of the training.
        groups: Of the same films, of `groups_to_calibrate_on`.
    """
    calibration, probabilities = _calibrated(logits, classes, settings, groups)
    train = settings.train
    operating_point = choose_operating_point(
        probabilities, classes > 0, train.target_sensitivity, train.cost_ratio, groups
    )
    if train.selective.enabled:
        operating_point = with_uncertain_band(
            operating_point, probabilities, classes > 0, train.selective
        )
    return calibration, operating_point


def evaluate(
    logits: np.ndarray, classes: np.ndarray, settings: Hyperparameters
) -> dict[str, float]:
    """Returns how well a network does.

    Class weights, label smoothing and the focal loss shift probabilities, which calibration
    undoes; so networks trained with any of them compare.

    Args:
        logits: Of a `Scorer`, of films not trained on.
        classes: Of the same.
        settings: Of the training.

    Returns:
        `CALIBRATED_LOG_LOSS`, the log-loss of all classes that is left after calibration on
        these films, and `auc`, the ROC AUC of pneumonia of any kind.
    """
    _, probabilities = _calibrated(logits, classes, settings)
    of_classes = class_probabilities(tf.constant(probabilities), tf.constant(logits)).numpy()
    columns = of_classes.shape[1]
    return {
        CALIBRATED_LOG_LOSS: float(log_loss(classes, of_classes, labels=range(columns))),
        "auc": float(roc_auc_score(classes > 0, probabilities)),
    }


def _calibrated(
    logits: np.ndarray,
    classes: np.ndarray,
    settings: Hyperparameters,
    groups: np.ndarray | None = None,
) -> tuple[Calibration, np.ndarray]:
    """Returns the calibration of pneumonia and what it makes of the same films: `[films]`."""
    if not np.isfinite(logits).all():
        raise ValueError(
            "the training has diverged, the network's answers are no numbers; set a "
            f"train.learning_rate below {settings.train.learning_rate:g}"
        )
    of_pneumonia = pneumonia_logit(tf.constant(logits)).numpy()[:, 0]
    calibration = fit_calibration(of_pneumonia, classes > 0, settings.train.calibration, groups)
    return calibration, calibration.probabilities(of_pneumonia)
