"""The yardstick: the same training as a plain Keras script, without a pipeline.

What an engineer in a hurry but with a good hand would write: films from folders, decoded
once and kept in memory, Keras's own layers for augmentation, the best epoch kept,
evaluated, exported. Network and class weights are the project's, so that both sides learn
the same thing; everything else is Keras alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from models.features import EVAL, LABELS, TEST, TRAIN
from models.hyperparameters import Augmentation, Hyperparameters, Train
from models.imbalance import class_weights
from models.network import build_network

RESULT_FILE = "result.json"
_BEST_MODEL = "best.keras"
_SAVED_MODEL = "saved_model"


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, evaluates and exports as the flags say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_keras")
    parser.add_argument("--films", type=Path, required=True, help="<split>/<label>/ folders")
    parser.add_argument("--settings", type=Path, required=True, help="JSON of Hyperparameters")
    parser.add_argument("--output", type=Path, required=True, help="folder for model and result")
    flags = parser.parse_args(arguments)
    settings = Hyperparameters.model_validate_json(flags.settings.read_text(encoding="utf-8"))
    flags.output.mkdir(parents=True, exist_ok=True)
    result = run(flags.films, settings, flags.output)
    (flags.output / RESULT_FILE).write_text(json.dumps(result), encoding="utf-8")


def run(films: Path, settings: Hyperparameters, output: Path) -> dict[str, float]:
    """Trains, keeps the best epoch, evaluates it on the test films and exports it.

    Args:
        films: Folder of `<split>/<label>/`.
        settings: The same that the pipeline trained with.
        output: Gets the Keras file and the SavedModel.

    Returns:
        `epochs` that were run and `test_auc`.
    """
    train, size_px = settings.train, settings.preprocessing.image_size_px
    keras.utils.set_random_seed(train.seed)
    batches = training_batches(films / TRAIN, settings)
    network = build_network(size_px, settings.network)
    compile_network(network, train, int(batches.cardinality()))
    best = output / _BEST_MODEL
    history = network.fit(
        batches,
        validation_data=evaluation_batches(films / EVAL, size_px, train.batch_size),
        epochs=train.epochs,
        class_weight=_weights(films / TRAIN) if train.imbalance == "class_weights" else None,
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                str(best), monitor="val_auc", mode="max", save_best_only=True
            )
        ],
        verbose=2,
    )
    network = keras.models.load_model(best)
    test = evaluation_batches(films / TEST, size_px, train.batch_size)
    metrics = network.evaluate(test, return_dict=True, verbose=2)
    network.export(str(output / _SAVED_MODEL), verbose=False)
    return {"epochs": len(history.epoch), "test_auc": metrics["auc"]}


def training_batches(folder: Path, settings: Hyperparameters) -> tf.data.Dataset:
    """Returns shuffled, augmented batches of a split, films decoded in the first epoch only.

    Args:
        folder: Of `<label>/` folders.
        settings: Image size, batch size, augmentation.

    Returns:
        Dataset of images `[batch, height, width, 1]` float32 in [0, 1] and labels
        `[batch, 1]` float32.
    """
    films = read_films(folder, settings.preprocessing.image_size_px).cache()
    augment = augmentation_layers(settings.augmentation)

    def prepare(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return augment(_to_unit(images), training=True), labels

    batches = films.shuffle(int(films.cardinality())).batch(settings.train.batch_size)
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(folder: Path, size_px: int, batch_size: int) -> tf.data.Dataset:
    """Returns a split in order and unchanged; shapes as in `training_batches`."""
    batches = read_films(folder, size_px).cache().batch(batch_size)
    return batches.map(
        lambda images, labels: (_to_unit(images), labels), num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)


def read_films(folder: Path, size_px: int) -> tf.data.Dataset:
    """Returns single films: `[height, width, 1]` uint8, and `[1]` float32 label."""
    films = keras.utils.image_dataset_from_directory(
        str(folder),
        label_mode="binary",
        class_names=list(LABELS),
        color_mode="grayscale",
        batch_size=None,
        image_size=(size_px, size_px),
        shuffle=False,
        verbose=False,
    )
    # A cache of uint8 takes a fourth of one of float32.
    return films.map(lambda image, label: (tf.cast(tf.round(image), tf.uint8), label))


def augmentation_layers(settings: Augmentation) -> keras.Sequential:
    """Returns Keras's layers for the pipeline's augmentation, for pixels in [0, 1]."""
    strength = settings.strength
    degrees, scale = strength * settings.rotation_degrees, strength * settings.scale
    layers = keras.layers
    geometry = [
        layers.RandomRotation(degrees / 360, fill_mode="reflect"),
        layers.RandomZoom((-scale, scale), fill_mode="reflect"),
    ]
    if settings.horizontal_flip:
        geometry.insert(0, layers.RandomFlip("horizontal"))
    exposure = [
        layers.RandomBrightness(strength * settings.brightness, value_range=(0, 1)),
        layers.GaussianNoise(strength * settings.noise_stddev),
    ]
    return keras.Sequential([*geometry, *exposure] if strength else [layers.Identity()])


def compile_network(network: keras.Model, train: Train, steps_per_epoch: int) -> None:
    """Gives the network the optimiser, schedule, loss and metrics that the pipeline uses."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = train.learning_rate
    if train.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            train.learning_rate, train.epochs * steps_per_epoch, alpha=0.01
        )
    network.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="binary_crossentropy",
        metrics=[
            keras.metrics.AUC(name="auc"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
        ],
    )


def _to_unit(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32) / 255.0


def _weights(folder: Path) -> dict[int, float]:
    return class_weights([len(list((folder / label).iterdir())) for label in LABELS])


if __name__ == "__main__":
    main()
