"""`run_fn` of the Trainer: fit, calibrate, export."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.metrics import log_loss, roc_auc_score
from tfx import v1 as tfx

from models import features
from models.calibration import Calibration, OperatingPoint, choose_operating_point, fit_calibration
from models.hyperparameters import Hyperparameters, Task, Train, with_tuned
from models.imbalance import FOCAL
from models.input_pipeline import (
    TransformedFilms,
    class_indices,
    evaluation_batches,
    training_batches,
    training_steps,
)
from models.metrics import pneumonia_metrics
from models.network import (
    activations_and_logits,
    build_network,
    class_probabilities,
    pneumonia_logit,
    set_backbone_trainable,
)
from models.signatures import ServedModel, save_served_model
from models.source import SOURCE_FINGERPRINT

_LOG = logging.getLogger(__name__)

# Keys of custom_config.
HYPERPARAMETERS = "hyperparameters"  # JSON of models.hyperparameters.Hyperparameters
KEEP = "keep"  # names of settings that imported hyperparameters leave alone
IMPORTED = "imported"  # digest of imported hyperparameters and weights
CHECKPOINT_ROOT = "checkpoint_root"  # folder that survives an interrupted run

# An AUC of nearly 1 does not tell two epochs apart, and what smoothing does to probabilities makes
# an early epoch look best.
CALIBRATED_LOG_LOSS = "calibrated_log_loss"
MONITORED = f"val_{CALIBRATED_LOG_LOSS}"
TRAINING_RECORD = "training.json"  # in the model_run artifact

_BEST_WEIGHTS = "best.weights.h5"
_MOMENTS_AVERAGE = 0.9  # momentum of a normalisation where weights are not averaged
_AVERAGED_SHARE = 0.2  # of a training's steps, at most, that an average reaches back


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains, calibrates and exports a model; the entry point that TFX calls.

    Args:
        fn_args: Transformed examples, transform graph, tuned hyperparameters and
            output folders; `custom_config` holds the keys of this module.
    """
    settings = training_settings(fn_args)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = TransformedFilms.open(fn_args.train_files, transform, settings.task)
    evaluation = TransformedFilms.open(fn_args.eval_files, transform, settings.task)
    keras.utils.set_random_seed(settings.train.seed)

    strategy = _distribution()
    with strategy.scope():
        network = build_network(
            settings.preprocessing.image_size_px, settings.network, settings.task
        )
    checkpoints = _checkpoint_folder(fn_args, settings)
    with strategy.scope():
        fit(network, train, evaluation, settings, checkpoints, fn_args.model_run_dir)

    scored = Scorer(network, evaluation, settings)()
    calibration, operating_point = calibrate(*scored, settings)
    served = ServedModel(network, transform, settings, calibration, operating_point)
    save_served_model(served, fn_args.serving_model_dir)
    _keep_record(network, settings, calibration, operating_point, fn_args.model_run_dir)
    tf.io.gfile.rmtree(checkpoints)


def training_settings(fn_args: tfx.components.FnArgs) -> Hyperparameters:
    """Returns the configured settings with the tuned ones laid over them."""
    settings = Hyperparameters.model_validate_json(fn_args.custom_config[HYPERPARAMETERS])
    tuned = (fn_args.hyperparameters or {}).get("values", {})
    return with_tuned(settings, tuned, fn_args.custom_config[KEEP])


def compile_network(
    network: keras.Model, task: Task, train: Train, epochs: int, steps_per_epoch: int
) -> None:
    """Gives a network its optimiser, loss and metrics.

    Args:
        network: Of `build_network`, for the same task.
        task: Two classes, or three.
        train: Learning rate and its schedule, weight decay, averaging, loss.
        epochs: Length of the schedule.
        steps_per_epoch: Steps of an epoch.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = train.learning_rate
    if train.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            train.learning_rate, epochs * steps_per_epoch, alpha=0.01
        )
    longest = _longest_average(epochs * steps_per_epoch)
    momentum = min(train.weight_average, longest)
    optimiser = keras.optimizers.AdamW(
        rate,
        weight_decay=train.weight_decay,
        use_ema=momentum > 0,
        ema_momentum=momentum,
    )
    # Decay is meant for kernels; a normalisation's scale and a bias do not overfit.
    optimiser.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    _average_moments(network, min(train.weight_average or _MOMENTS_AVERAGE, longest))
    network.compile(optimizer=optimiser, loss=_loss(task, train), metrics=pneumonia_metrics())


def _longest_average(steps: int) -> float:
    """Returns the momentum of the longest average that a training may have.

    An average reaches back over 1 / (1 - momentum) steps. In a training of few steps a long one
    would hold little but the first weights.
    """
    return max(0.0, 1 - 1 / (_AVERAGED_SHARE * steps))


def _average_moments(network: keras.Model, momentum: float) -> None:
    """Lets normalisations average their moments over as many steps as the weights.

    Averaged weights with the moments of the last few batches give logits that jump from epoch to
    epoch.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def _loss(task: Task, train: Train) -> keras.losses.Loss:
    smoothing = train.label_smoothing
    if train.imbalance == FOCAL:  # Lin et al., Focal Loss for Dense Object Detection, 2017
        focal = (
            keras.losses.BinaryFocalCrossentropy
            if task == "binary"
            else keras.losses.CategoricalFocalCrossentropy
        )
        return focal(gamma=train.focal_gamma, label_smoothing=smoothing)
    if task == "binary":
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)


def fit(
    network: keras.Model,
    train: TransformedFilms,
    evaluation: TransformedFilms,
    settings: Hyperparameters,
    checkpoint_folder: str,
    log_folder: str,
) -> None:
    """Trains to the best weights, going on from where an interrupted call stopped.

    What was learned, the learning rate and the best weights so far go on; the order of the
    films, their augmentation and the count of patience begin anew.

    With `network.frozen_epochs` the layers after the backbone learn alone at first, then
    all of them; the learning rate begins anew.

    Args:
        network: Of `build_network`; holds the best weights afterwards.
        train: Films to learn from.
        evaluation: Films that say when to stop.
        settings: Epochs, patience, loss, imbalance.
        checkpoint_folder: Where the state after each epoch is kept.
        log_folder: Where TensorBoard's events go.
    """
    tf.io.gfile.makedirs(checkpoint_folder)
    for first, last in training_phases(network, train, settings):
        network._initial_epoch = None  # Keras remembers where it resumed the phase before
        network.fit(
            training_batches(train, settings, first),
            initial_epoch=first,
            epochs=last,
            callbacks=_callbacks(evaluation, settings, last, checkpoint_folder, log_folder),
            verbose=0,
        )
    network.load_weights(os.path.join(checkpoint_folder, _BEST_WEIGHTS))


def training_phases(
    network: keras.Model, train: TransformedFilms, settings: Hyperparameters
) -> Iterator[tuple[int, int]]:
    """Compiles a network for each phase of its training: head alone, then all of it.

    Args:
        network: Of `build_network`.
        train: Films to learn from.
        settings: `network.frozen_epochs`, `train.epochs` and what the optimiser needs.

    Yields:
        First epoch of the phase and the one after its last.
    """
    frozen = min(settings.network.frozen_epochs, settings.train.epochs)
    steps = training_steps(train, settings)
    for first, last in ((0, frozen), (frozen, settings.train.epochs)):
        if first < last:
            set_backbone_trainable(network, first >= frozen)
            compile_network(network, settings.task, settings.train, last - first, steps)
            yield first, last


def _callbacks(
    evaluation: TransformedFilms,
    settings: Hyperparameters,
    last_epoch: int,
    checkpoint_folder: str,
    log_folder: str,
) -> list[keras.callbacks.Callback]:
    history = os.path.join(checkpoint_folder, "history.csv")
    best_so_far = _best_of(history)
    return [
        BestWeights(  # first, because it alone knows MONITORED
            os.path.join(checkpoint_folder, _BEST_WEIGHTS), evaluation, settings, best_so_far
        ),
        keras.callbacks.EarlyStopping(
            MONITORED,
            mode="min",
            patience=settings.train.early_stopping_patience,
            baseline=best_so_far,
        ),
        keras.callbacks.CSVLogger(history, append=True),
        keras.callbacks.TensorBoard(os.path.join(log_folder, "tensorboard")),
        keras.callbacks.BackupAndRestore(
            os.path.join(checkpoint_folder, f"until_{last_epoch}"),
            double_checkpoint=True,
            delete_checkpoint=False,
        ),
        EpochLines(settings.train.epochs),
    ]


class BestWeights(keras.callbacks.ModelCheckpoint):
    """Judges every epoch on the eval split and keeps the weights with the best `MONITORED`.

    Where the optimiser averages the weights, the average is evaluated and kept. Training goes
    on from the weights it had, and so does a backup: Keras' own callback leaves the two
    exchanged at the end of an epoch, when the state of an interrupted training is kept.
    """

    def __init__(
        self,
        file: str,
        films: TransformedFilms,
        settings: Hyperparameters,
        best_so_far: float | None,
    ):
        """Keeps the films to judge by.

        Args:
            file: Where the weights go.
            films: The eval split.
            settings: Of the training.
            best_so_far: Of an interrupted training, or None.
        """
        super().__init__(
            file,
            monitor=MONITORED,
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=best_so_far,
        )
        self._films = films
        self._settings = settings

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Makes ready for an epoch's end."""
        super().on_train_begin(logs)
        self._score = Scorer(self.model, self._films, self._settings)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Judges the epoch and keeps its weights if they are the best so far."""
        logs = {} if logs is None else logs
        self._exchange()
        reached = evaluate(*self._score(), self._settings)
        logs.update({f"val_{name}": value for name, value in reached.items()})
        super().on_epoch_end(epoch, logs)
        self._exchange()

    def _exchange(self) -> None:
        optimiser = self.model.optimizer
        if not optimiser.use_ema:
            return
        averages = optimiser._model_variables_moving_average  # Keras has no public name for it
        for weight, average in zip(self.model.trainable_variables, averages, strict=True):
            trained = keras.ops.copy(weight.value)
            weight.assign(average)
            average.assign(trained)


class Scorer:
    """Scores the same films again and again while a network learns."""

    def __init__(self, network: keras.Model, films: TransformedFilms, settings: Hyperparameters):
        """Keeps the network, which may learn on, and the films.

        Args:
            network: Of `build_network`.
            films: Usually the eval split.
            settings: Of the training.
        """
        cut_open = activations_and_logits(network, settings.network.flip_average)

        @tf.function(reduce_retracing=True)
        def logits_of(images: tf.Tensor) -> tf.Tensor:
            return cut_open(images, training=False)[1]

        self._logits_of = logits_of
        self._batches = evaluation_batches(films, settings)

    def __call__(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores every film.

        Returns:
            Logits, `[films, 1]` or `[films, 3]` float32, and class indices, `[films]` int64.
        """
        scored = [
            (self._logits_of(images).numpy(), class_indices(targets).numpy())
            for images, targets in self._batches
        ]
        logits, classes = zip(*scored, strict=True)
        return np.concatenate(logits), np.concatenate(classes)


def calibrate(
    logits: np.ndarray, classes: np.ndarray, settings: Hyperparameters
) -> tuple[Calibration, OperatingPoint]:
    """Fits the calibration and chooses the operating point.

    Args:
        logits: Of a `Scorer`, of films not trained on.
        classes: Of the same.
        settings: Of the training.
    """
    calibration, probabilities = _calibrated(logits, classes, settings)
    train = settings.train
    operating_point = choose_operating_point(
        probabilities, classes > 0, train.target_sensitivity, train.cost_ratio
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
    logits: np.ndarray, classes: np.ndarray, settings: Hyperparameters
) -> tuple[Calibration, np.ndarray]:
    """Returns the calibration of pneumonia and what it makes of the same films: `[films]`."""
    if not np.isfinite(logits).all():
        raise ValueError(
            "the training has diverged, the network's answers are no numbers; set a "
            f"train.learning_rate below {settings.train.learning_rate:g}"
        )
    of_pneumonia = pneumonia_logit(tf.constant(logits)).numpy()[:, 0]
    calibration = fit_calibration(of_pneumonia, classes > 0, settings.train.calibration)
    return calibration, calibration.probabilities(of_pneumonia)


class EpochLines(keras.callbacks.Callback):
    """Logs one line an epoch."""

    def __init__(self, epochs: int):
        """Remembers how many epochs there are."""
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Says how far training is and how well it does."""
        logs = logs or {}
        shown = ("loss", MONITORED, "val_auc")
        metrics = "  ".join(f"{name} {logs[name]:.4f}" for name in shown if name in logs)
        _LOG.info("epoch %d/%d  %s", epoch + 1, self._epochs, metrics)


def _distribution() -> tf.distribute.Strategy:
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def _checkpoint_folder(fn_args: tfx.components.FnArgs, settings: Hyperparameters) -> str:
    """Returns a folder that only the very same training finds again."""
    identity = [
        settings.model_dump_json(),
        fn_args.custom_config[SOURCE_FINGERPRINT],
        fn_args.custom_config[IMPORTED],
        fn_args.transform_output,
        *fn_args.train_files,
    ]
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
    return os.path.join(fn_args.custom_config[CHECKPOINT_ROOT], digest)


def _best_of(history: str) -> float | None:
    """Returns the best monitored value of an interrupted training, or None."""
    if not tf.io.gfile.exists(history):
        return None
    with tf.io.gfile.GFile(history) as file:
        text = file.read()
    if not text.strip():
        return None
    rows = pd.read_csv(io.StringIO(text), on_bad_lines="skip")
    values = pd.to_numeric(rows.get(MONITORED, pd.Series(dtype=float)), errors="coerce").dropna()
    return float(values.min()) if len(values) else None


def _keep_record(
    network: keras.Model,
    settings: Hyperparameters,
    calibration: Calibration,
    operating_point: OperatingPoint,
    folder: str,
) -> None:
    """Keeps the Keras file and what the model was trained with, for the summary."""
    # Without the compiled metrics, which Keras could not load where this project is not installed.
    bare = keras.Model(network.input, network.output, name=network.name)
    bare.save(os.path.join(folder, f"model.{settings.train.keras_format}"))
    record: dict[str, Any] = {
        "hyperparameters": settings.model_dump(),
        "calibration": asdict(calibration),
        "operating_point": asdict(operating_point),
        "labels": list(features.classes_of(settings.task)),
        "parameters": network.count_params(),
    }
    with tf.io.gfile.GFile(os.path.join(folder, TRAINING_RECORD), "w") as file:
        file.write(json.dumps(record, indent=2))
