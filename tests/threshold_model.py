"""A model that judges films by their brightness, for what needs a model that is easy to foresee."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from models import features


def write_model(folder: Path, threshold: float) -> Path:
    """Writes the model where TFX looks for one and returns the folder.

    Args:
        folder: Of the artifact.
        threshold: Mean intensity in [0, 1] from which a film is called PNEUMONIA.
    """
    model = Threshold(threshold)
    names = (features.SERVING_DEFAULT, features.TRANSFORM_FEATURES)
    tf.saved_model.save(
        model,
        str(folder / "Format-Serving"),
        signatures={name: getattr(model, name) for name in names},
    )
    return folder


class Threshold(tf.Module):
    """A model that finds pneumonia in bright films."""

    def __init__(self, threshold: float):
        super().__init__()
        self._threshold = threshold

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, features.EXAMPLES)])
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        brightness = _column(examples, features.MEAN_INTENSITY, tf.float32)
        label = tf.where(brightness >= self._threshold, features.PNEUMONIA, features.NORMAL)
        return {features.PROBABILITY: brightness, features.PREDICTED_LABEL: label}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, features.EXAMPLES)])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        label = _column(examples, features.LABEL, tf.string)
        return {
            features.LABEL_XF: tf.cast(label == features.PNEUMONIA, tf.int64)[:, None],
            features.AGE_BAND: tf.fill([tf.shape(label)[0], 1], features.UNKNOWN),
        }


def _column(examples: tf.Tensor, name: str, dtype: tf.DType) -> tf.Tensor:
    return tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], dtype)})[name]
