"""The work of ModelValidator: every signature answers, and answers what training meant."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from models import features
from models.calibration import Calibration
from models.clinical import given_to_network
from models.cut_open import activations_and_logits, of_films_alone
from models.hyperparameters import Hyperparameters
from models.network import pneumonia_logit
from models.preprocessing import standardise, unpack_images
from models.records import read_network, read_record

_LOG = logging.getLogger(__name__)

MODEL = "model"
MODEL_RUN = "model_run"
EXAMPLES = "examples"
TRANSFORM_GRAPH = "transform_graph"
BLESSING = "blessing"

FILMS = 16
TOLERANCE = 1e-4  # of a probability: two graphs may sum in another order

# TFX's InfraValidator writes these names, and Pusher reads the property.
_BLESSED_PROPERTY = "blessed"
_BLESSED_FILE, _NOT_BLESSED_FILE = "INFRA_BLESSED", "INFRA_NOT_BLESSED"


class ModelValidatorExecutor(base_executor.BaseExecutor):
    """Blesses a model that a server can use."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Loads, calls, compares, blesses.

        Args:
            input_dict: `model`, `model_run`, `examples`, `transform_graph`.
            output_dict: `blessing`.
            exec_properties: Only the source fingerprint.
        """
        examples = _some_films(artifact_utils.get_split_uris(input_dict[EXAMPLES], features.TEST))
        model = artifact_utils.get_single_instance(input_dict[MODEL])
        served = tf.saved_model.load(path_utils.serving_model_path(model.uri))
        expected, by_file = training_path_probabilities(
            examples,
            artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH]),
            artifact_utils.get_single_uri(input_dict[MODEL_RUN]),
        )
        faults = list(find_faults(served, examples, expected, by_file))
        _bless(artifact_utils.get_single_instance(output_dict[BLESSING]), faults)
        for fault in faults:
            _LOG.warning("the model cannot be served: %s", fault)
        if not faults:
            _LOG.info("%d signatures answered %d films", len(features.SIGNATURES), len(examples))


def training_path_probabilities(
    examples: list[bytes], transform_uri: str, model_run_uri: str
) -> tuple[np.ndarray, np.ndarray]:
    """Scores films as training saw them: Transform graph, Keras file, calibration.

    Args:
        examples: Serialised raw tf.Examples.
        transform_uri: Transform's output.
        model_run_uri: Trainer's record.

    Returns:
        `[films]` float32 each, calibrated P(pneumonia): by all that the examples say, and by their
        files alone, as a network with `network.clinical` tells the two apart.
    """
    record = read_record(model_run_uri)
    settings = Hyperparameters.model_validate(record["hyperparameters"])
    network = read_network(settings, model_run_uri)

    transform = tft.TFTransformOutput(transform_uri)
    raw = tf.io.parse_example(examples, transform.raw_feature_spec())
    transformed = transform.transform_features_layer()(raw)
    pixels = unpack_images(transformed, settings.preprocessing.image_size_px)
    images = standardise(pixels, transformed, settings.preprocessing.normalisation)
    cut_open = activations_and_logits(network, settings.network.flip_average)
    _, told = cut_open(given_to_network(images, transformed), training=False)
    _, of_files = of_films_alone(cut_open)(images, training=False)
    calibration = Calibration.of_record(record["calibration"])
    expected, by_file = (
        calibration.probabilities(pneumonia_logit(logits).numpy()[:, 0])
        for logits in (told, of_files)
    )
    return expected, by_file


def find_faults(
    served: Any, examples: list[bytes], expected: np.ndarray, by_file: np.ndarray | None = None
) -> Iterator[str]:
    """Calls each signature as a client would.

    Args:
        served: A loaded SavedModel.
        examples: Serialised raw tf.Examples.
        expected: Probability of each film on the training path.
        by_file: The same where the file is all that is known of a film; None for no difference.

    Yields:
        A sentence for each signature that is missing, fails or answers otherwise.
    """
    images = [_image_of(example) for example in examples]
    of_files = expected if by_file is None else by_file
    sent = {
        features.SERVING_DEFAULT: (features.EXAMPLES, examples, expected),
        features.PREDICT_IMAGES: (features.IMAGE_BYTES, images, of_files),
        features.EXPLAIN_IMAGES: (features.IMAGE_BYTES, images, of_files),
        features.TRANSFORM_FEATURES: (features.EXAMPLES, examples, expected),
    }
    for name, (argument, batch, probabilities) in sent.items():
        if name not in served.signatures:
            yield f"the signature {name} is missing"
            continue
        try:
            answer = served.signatures[name](**{argument: tf.constant(batch)})
        except (tf.errors.OpError, TypeError, ValueError) as error:
            yield f"the signature {name} failed: {error}"
            continue
        yield from _wrong_answer(name, answer, probabilities)


def _wrong_answer(name: str, answer: dict[str, tf.Tensor], expected: np.ndarray) -> Iterator[str]:
    if name == features.TRANSFORM_FEATURES:
        if features.IMAGE_XF not in answer:
            yield f"{name} returns no {features.IMAGE_XF}"
        return
    if features.PROBABILITY not in answer:
        yield f"{name} returns no {features.PROBABILITY}"
        return
    probability = answer[features.PROBABILITY].numpy()
    if not np.all(np.isfinite(probability)):
        yield f"{name} returns a probability that is not a number"
        return
    difference = float(np.max(np.abs(probability - expected)))
    if difference > TOLERANCE:
        yield (
            f"{name} differs from the training path by {difference:.2g}, allowed is {TOLERANCE:.0e}"
        )
    for kind in (features.HEATMAP, features.LESIONS):
        shares = answer.get(kind)
        if shares is not None and not np.all((shares >= 0) & (shares <= 1)):
            yield f"{name} returns {kind} outside [0, 1]"


def _image_of(example: bytes) -> bytes:
    parsed = tf.train.Example.FromString(example)
    return parsed.features.feature[features.IMAGE].bytes_list.value[0]


def _some_films(uris: list[str]) -> list[bytes]:
    files = [file for uri in uris for file in tf.io.gfile.glob(f"{uri}/*")]
    films = tf.data.TFRecordDataset(files, compression_type="GZIP").take(FILMS)
    return list(films.as_numpy_iterator())


def _bless(blessing: Artifact, faults: list[str]) -> None:
    file_name = _NOT_BLESSED_FILE if faults else _BLESSED_FILE
    io_utils.write_string_file(os.path.join(blessing.uri, file_name), "\n".join(faults))
    blessing.set_int_custom_property(_BLESSED_PROPERTY, int(not faults))
