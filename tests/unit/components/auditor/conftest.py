"""A model that is easy to foresee, and films for it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

SIDE_PX = 64  # of the fake's Transform graph
RELUCTANT_BELOW = 90.0  # mean grey level of films that the reluctant fake judges


class MeanModel(tf.Module):
    """Answers with the mean grey level as probability of pneumonia."""

    def __init__(self, classes: int):
        super().__init__()
        self._classes = classes

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def predict_images(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        probability = tf.map_fn(self._mean, image_bytes, fn_output_signature=tf.float32)
        rest = [probability / (self._classes - 1)] * (self._classes - 1)
        return {
            "probability": probability,
            "label": tf.where(probability >= 0.5, "PNEUMONIA", "NORMAL"),
            "class_probabilities": tf.stack([1 - probability, *rest], axis=-1),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        images = tf.io.parse_example(examples, spec)["image"]
        column = [tf.shape(examples)[0], 1]
        return {
            "image_xf": tf.map_fn(self._packed, images)[:, tf.newaxis],
            "lungs_xf": tf.fill(column, bytes(32 * 32 * 2)),
            "pixel_mean_xf": tf.zeros(column),
            "pixel_stddev_xf": tf.ones(column),
        }

    def _mean(self, encoded: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(self._decoded(encoded)) / 255

    def _packed(self, encoded: tf.Tensor) -> tf.Tensor:
        resized = tf.image.resize(self._decoded(encoded), [SIDE_PX, SIDE_PX], method="area")
        pixels = tf.cast(tf.round(resized), tf.uint8)
        return tf.strings.substr(tf.io.serialize_tensor(pixels), -(SIDE_PX**2), SIDE_PX**2)

    def _decoded(self, encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(encoded, channels=1, expand_animations=False)
        return tf.cast(tf.ensure_shape(image, [None, None, 1]), tf.float32)


class ReluctantModel(MeanModel):
    """Says of dark films that it does not judge them, as models do that look at quality."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def predict_images(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = super().predict_images(image_bytes)
        dark = answer["probability"] < RELUCTANT_BELOW / 255
        return {
            "probability": tf.where(dark, math.nan, answer["probability"]),
            "label": tf.where(dark, "", answer["label"]),
            "class_probabilities": answer["class_probabilities"],
            "quality": tf.where(dark, "too dark", "ok"),
        }


def _served(folder: Path, model: MeanModel) -> Any:
    signatures = {name: getattr(model, name) for name in ("predict_images", "transform_features")}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="session", name="mean_model")
def save_mean_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The fake of two classes, loaded as a server would."""
    return _served(tmp_path_factory.mktemp("mean_model"), MeanModel(classes=2))


@pytest.fixture(scope="session", name="subtype_model")
def save_subtype_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The fake of three classes."""
    return _served(tmp_path_factory.mktemp("subtype_model"), MeanModel(classes=3))


@pytest.fixture(scope="session", name="reluctant_model")
def save_reluctant_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The fake that leaves dark films without a probability."""
    return _served(tmp_path_factory.mktemp("reluctant_model"), ReluctantModel(classes=2))
