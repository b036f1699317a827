"""Warm-up requests that travel with the model, so that its first real film does not wait.

TensorFlow Serving replays them when it loads a version. The film they carry is drawn
here: a served model must not hold a patient's image.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from models import features
from radiographs.phantoms.patients import draw_phantom

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"  # the name that TF Serving looks for


def write_warmup_requests(saved_model: str, film_size_px: int = 256) -> None:
    """Writes one request for each signature that answers about films.

    Args:
        saved_model: Folder of the SavedModel.
        film_size_px: Height and width of the drawn film.
    """
    file = posixpath.join(saved_model, WARMUP_FILE)
    tf.io.gfile.makedirs(posixpath.dirname(file))
    with tf.io.TFRecordWriter(file) as writer:
        for request in _requests(_drawn_film(film_size_px)):
            log = prediction_log_pb2.PredictLog(request=request)
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def _requests(film: bytes) -> Iterator[predict_pb2.PredictRequest]:
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[film]))
    example = tf.train.Example(features=tf.train.Features(feature={features.IMAGE: image}))
    for signature, argument, value in (
        (features.PREDICT_IMAGES, features.IMAGE_BYTES, film),
        (features.EXPLAIN_IMAGES, features.IMAGE_BYTES, film),
        (features.SERVING_DEFAULT, features.EXAMPLES, example.SerializeToString()),
    ):
        yield predict_pb2.PredictRequest(
            model_spec=model_pb2.ModelSpec(name=features.MODEL_NAME, signature_name=signature),
            inputs={argument: tf.make_tensor_proto([value], tf.string)},
        )


def _drawn_film(size_px: int) -> bytes:
    """Returns a phantom as PNG: with its lungs it takes the way of a real film."""
    pixels = draw_phantom(0, size_px).pixels
    return tf.io.encode_png(tf.constant(pixels[..., np.newaxis])).numpy()
