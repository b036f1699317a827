"""`run_fn` of the Trainer: fit, calibrate, measure what is strange, export."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from models.film_distance import fit_distance, keep_distance
from models.fitting import MONITORED, fit
from models.hyperparameters import Hyperparameters, with_tuned
from models.input_pipeline import TransformedFilms
from models.keras_environment import check_keras_in_use
from models.lesion_training import KnownLesions, fit_lesions
from models.members import each_member
from models.network import build_network, fold
from models.records import keep_network, keep_record
from models.reference_film import keep_reference, mean_normal_film
from models.scoring import (
    CALIBRATED_LOG_LOSS,
    Scorer,
    calibrate,
    evaluate,
    films_to_calibrate_on,
    groups_to_calibrate_on,
)
from models.signatures import ServedModel, save_served_model
from models.source import SOURCE_FINGERPRINT
from models.training_films import write_seen

_LOG = logging.getLogger(__name__)

# Keys of custom_config.
HYPERPARAMETERS = "hyperparameters"  # JSON of models.hyperparameters.Hyperparameters
KEEP = "keep"  # names of settings that imported hyperparameters leave alone
IMPORTED = "imported"  # digest of imported hyperparameters and weights
CHECKPOINT_ROOT = "checkpoint_root"  # folder that survives an interrupted run


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains, calibrates and exports a model; the entry point that TFX calls.

    Args:
        fn_args: Transformed examples, transform graph, tuned hyperparameters and
            output folders; `custom_config` holds the keys of this module.
    """
    check_keras_in_use()
    settings = training_settings(fn_args)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = TransformedFilms.open(fn_args.train_files, transform, settings.task)
    evaluation = TransformedFilms.open(fn_args.eval_files, transform, settings.task)
    # What it refuses, before training.
    known = KnownLesions.of(train) if settings.network.segmentation else None
    checkpoints = checkpoint_folder(
        fn_args.custom_config,
        settings.model_dump_json(),
        fn_args.transform_output,
        *fn_args.train_files,
    )
    with _distribution().scope():
        network, history = train_members(
            train, evaluation, settings, checkpoints, fn_args.model_run_dir
        )

    unseen = films_to_calibrate_on(train, evaluation, settings)
    groups = groups_to_calibrate_on(unseen, settings)
    # By films alone, as a file is answered and as audits look at a model: where age or view goes
    # with the class, a point chosen with them known would miss the pneumonia of films without.
    scored = Scorer(network, unseen, settings, films_alone=True)()
    # As epochs are judged, which of a network that is told nothing is the same.
    told = Scorer(network, unseen, settings)() if settings.network.clinical else scored
    reached = evaluate(*told, settings)
    if settings.train.members > 1:
        _tell(reached, history)
    calibration, operating_point = calibrate(*scored, settings, groups)
    distance = fit_distance(network, train, evaluation, settings)
    reference = mean_normal_film(train, settings)
    lesions = fit_lesions(network, train, known, settings) if known else None
    served = ServedModel(
        network, transform, settings, calibration, operating_point, distance, reference, lesions
    )
    save_served_model(served, fn_args.serving_model_dir)
    write_seen((train, evaluation), fn_args.serving_model_dir)
    keep_network(network, settings, fn_args.model_run_dir)
    keep_distance(distance, fn_args.model_run_dir)
    keep_reference(reference, fn_args.model_run_dir)
    keep_record(
        network, settings, calibration, operating_point, history, reached, fn_args.model_run_dir
    )
    tf.io.gfile.rmtree(checkpoints)


def train_members(
    train: TransformedFilms,
    evaluation: TransformedFilms,
    settings: Hyperparameters,
    checkpoints: str,
    log_folder: str,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Trains `train.members` networks one after another and folds them into one.

    Each follows from its seed alone, whether or not one before it was trained by this process.

    Args:
        train: Films to learn from.
        evaluation: Films that say when to stop.
        settings: Of the training.
        checkpoints: Folder of the state after each epoch.
        log_folder: Where TensorBoard's events go.

    Returns:
        The network, each member as it was in its best epoch, and what `fit` reached, with the
        number of the `member` in each row.
    """
    networks: list[keras.Model] = []
    history: list[dict[str, float]] = []
    for member in each_member(settings.train.members):
        own = member.settings(settings)
        keras.utils.set_random_seed(own.train.seed)
        size_px = own.preprocessing.image_size_px
        network = build_network(size_px, own.network, own.task, member)
        first = network.get_weights()
        fitted = fit(network, first, train, evaluation, own, checkpoints, log_folder, member)
        network.set_weights(fitted.weights)
        networks.append(network)
        history += [{"member": member.number, **row} for row in fitted.history]
    return fold(networks), history


def training_settings(fn_args: tfx.components.FnArgs) -> Hyperparameters:
    """Returns the configured settings with the tuned ones laid over them."""
    settings = Hyperparameters.model_validate_json(fn_args.custom_config[HYPERPARAMETERS])
    tuned = (fn_args.hyperparameters or {}).get("values", {})
    return with_tuned(settings, tuned, fn_args.custom_config[KEEP])


def checkpoint_folder(custom_config: Mapping[str, Any], *identity: str) -> str:
    """Returns a folder that only the very same training or search finds again.

    Args:
        custom_config: With the keys of this module.
        *identity: What makes it another one, such as its settings and the URIs of its films.
    """
    of_all = [
        *identity,
        custom_config[SOURCE_FINGERPRINT],
        custom_config[IMPORTED],
        keras.__version__,  # another one may order the variables of an optimiser otherwise
    ]
    digest = hashlib.sha256("\n".join(of_all).encode()).hexdigest()[:16]
    return os.path.join(custom_config[CHECKPOINT_ROOT], digest)


def _tell(reached: Mapping[str, float], history: Sequence[Mapping[str, float]]) -> None:
    alone: dict[float, float] = {}
    for row in history:
        alone[row["member"]] = min(row[MONITORED], alone.get(row["member"], math.inf))
    best = ", ".join(f"{loss:.4f}" for loss in alone.values()) or "nothing has learned"
    _LOG.info(
        "folded into one network: %s %.4f; each in its best epoch: %s",
        CALIBRATED_LOG_LOSS,
        reached[CALIBRATED_LOG_LOSS],
        best,
    )


def _distribution() -> tf.distribute.Strategy:
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()
