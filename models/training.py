"""`run_fn` of the Trainer: fit, calibrate, export."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from models import features
from models.calibration import Calibration, OperatingPoint, choose_operating_point, fit_calibration
from models.hyperparameters import Hyperparameters, Train, with_tuned
from models.imbalance import class_weights
from models.input_pipeline import (
    TransformedFilms,
    evaluation_batches,
    training_batches,
    training_steps,
)
from models.network import activations_and_logit, build_network
from models.signatures import ServedModel, save_served_model
from models.source import SOURCE_FINGERPRINT

_LOG = logging.getLogger(__name__)

# Keys of custom_config.
HYPERPARAMETERS = "hyperparameters"  # JSON of models.hyperparameters.Hyperparameters
KEEP = "keep"  # names of settings that imported hyperparameters leave alone
IMPORTED = "imported"  # digest of imported hyperparameters
CHECKPOINT_ROOT = "checkpoint_root"  # folder that survives an interrupted run

MONITORED = "val_auc"
TRAINING_RECORD = "training.json"  # in the model_run artifact


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains, calibrates and exports a model; the entry point that TFX calls.

    Args:
        fn_args: Transformed examples, transform graph, tuned hyperparameters and
            output folders; `custom_config` holds the keys of this module.
    """
    settings = training_settings(fn_args)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = TransformedFilms.open(fn_args.train_files, transform)
    evaluation = TransformedFilms.open(fn_args.eval_files, transform)
    keras.utils.set_random_seed(settings.train.seed)

    with _distribution().scope():
        network = build_network(settings.preprocessing.image_size_px, settings.network)
        compile_network(network, settings.train, training_steps(train, settings))
    checkpoints = _checkpoint_folder(fn_args, settings)
    fit(network, train, evaluation, settings, checkpoints, fn_args.model_run_dir)

    calibration, operating_point = calibrate(network, evaluation, settings)
    served = ServedModel(
        network, transform, settings.preprocessing.image_size_px, calibration, operating_point
    )
    save_served_model(served, fn_args.serving_model_dir)
    _keep_record(network, settings, calibration, operating_point, fn_args.model_run_dir)
    tf.io.gfile.rmtree(checkpoints)


def training_settings(fn_args: tfx.components.FnArgs) -> Hyperparameters:
    """Returns the configured settings with the tuned ones laid over them."""
    settings = Hyperparameters.model_validate_json(fn_args.custom_config[HYPERPARAMETERS])
    tuned = (fn_args.hyperparameters or {}).get("values", {})
    return with_tuned(settings, tuned, fn_args.custom_config[KEEP])


def compile_network(network: keras.Model, train: Train, steps_per_epoch: int) -> None:
    """Gives a network its optimiser, loss and metrics.

    Args:
        network: Of `build_network`.
        train: Learning rate and its schedule, epochs.
        steps_per_epoch: Steps of an epoch, for the schedule.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = train.learning_rate
    if train.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            train.learning_rate, train.epochs * steps_per_epoch, alpha=0.01
        )
    network.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[
            keras.metrics.AUC(name="auc"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
        ],
    )


def fit(
    network: keras.Model,
    train: TransformedFilms,
    evaluation: TransformedFilms,
    settings: Hyperparameters,
    checkpoint_folder: str,
    log_folder: str,
) -> None:
    """Trains to the best weights, going on from where an interrupted call stopped.

    Args:
        network: Compiled; holds the best weights afterwards.
        train: Films to learn from.
        evaluation: Films that say when to stop.
        settings: Epochs, patience, imbalance.
        checkpoint_folder: Where the state after each epoch is kept.
        log_folder: Where TensorBoard's events go.
    """
    tf.io.gfile.makedirs(checkpoint_folder)
    best_weights = os.path.join(checkpoint_folder, "best.weights.h5")
    history = os.path.join(checkpoint_folder, "history.csv")
    best_so_far = _best_of(history)
    weighted = settings.train.imbalance == "class_weights"
    network.fit(
        training_batches(train, settings),
        validation_data=evaluation_batches(evaluation, settings),
        epochs=settings.train.epochs,
        class_weight=class_weights(train.counts) if weighted else None,
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                best_weights,
                monitor=MONITORED,
                mode="max",
                save_best_only=True,
                save_weights_only=True,
                initial_value_threshold=best_so_far,
            ),
            keras.callbacks.EarlyStopping(
                MONITORED,
                mode="max",
                patience=settings.train.early_stopping_patience,
                baseline=best_so_far,
            ),
            keras.callbacks.CSVLogger(history, append=True),
            keras.callbacks.TensorBoard(os.path.join(log_folder, "tensorboard")),
            keras.callbacks.BackupAndRestore(
                os.path.join(checkpoint_folder, "last"),
                double_checkpoint=True,
                delete_checkpoint=False,
            ),
            EpochLines(settings.train.epochs),
        ],
        verbose=0,
    )
    network.load_weights(best_weights)


def calibrate(
    network: keras.Model, films: TransformedFilms, settings: Hyperparameters
) -> tuple[Calibration, OperatingPoint]:
    """Fits the calibration and chooses the operating point on films not trained on."""
    cut_open = activations_and_logit(network)
    batches = evaluation_batches(films, settings)
    scored = [(cut_open(images, training=False)[1], labels) for images, labels in batches]
    logits = np.concatenate([logit.numpy()[:, 0] for logit, _ in scored])
    labels = np.concatenate([label.numpy()[:, 0] for _, label in scored])
    calibration = fit_calibration(logits, labels)
    operating_point = choose_operating_point(
        calibration.probabilities(logits), labels, settings.train.target_sensitivity
    )
    return calibration, operating_point


class EpochLines(keras.callbacks.Callback):
    """Logs one line an epoch."""

    def __init__(self, epochs: int):
        """Remembers how many epochs there are."""
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Says how far training is and how well it does."""
        logs = logs or {}
        shown = ("loss", "val_loss", "val_auc", "val_precision", "val_recall")
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
    return float(values.max()) if len(values) else None


def _keep_record(
    network: keras.Model,
    settings: Hyperparameters,
    calibration: Calibration,
    operating_point: OperatingPoint,
    folder: str,
) -> None:
    """Keeps the Keras file and what the model was trained with, for the summary."""
    network.save(os.path.join(folder, f"model.{settings.train.keras_format}"))
    record: dict[str, Any] = {
        "hyperparameters": settings.model_dump(),
        "calibration": asdict(calibration),
        "operating_point": asdict(operating_point),
        "labels": list(features.LABELS),
        "parameters": network.count_params(),
    }
    with tf.io.gfile.GFile(os.path.join(folder, TRAINING_RECORD), "w") as file:
        file.write(json.dumps(record, indent=2))
