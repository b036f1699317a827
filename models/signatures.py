"""The served model: every signature, written once.

The module carries the Transform graph, the network, the calibration and the operating
point, so a client sends a file as it is and nothing re-implements the preparation. A picture
that cannot be judged gets a reason in `quality`, and no label or number that could be taken
for an answer: see `models.features`.
"""

from __future__ import annotations

import math
import posixpath
from dataclasses import asdict

import keras
import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.calibration import Calibration, OperatingPoint
from models.clinical import Given, given_to_network
from models.cut_open import activations_and_logits, middle_stages, of_films_alone, stages_and_logits
from models.explanation import explain
from models.film_distance import FilmDistance, pooled
from models.grad_cam import grad_cam
from models.heat_boxes import GRID
from models.hyperparameters import Hyperparameters
from models.lesions import LesionFinder
from models.lung_fields.whole_films import look_at_whole
from models.members import weights_by_layer
from models.network import class_probabilities, pneumonia_logit
from models.preprocessing import standardise, unpack_images
from models.reference_film import Film, blank_film
from models.served_facts import write_facts
from models.warmup import write_warmup_requests

_DEFAULTS: dict[str, tuple[tf.DType, str | int | float]] = {
    **{name: (tf.string, features.UNKNOWN) for name in features.RAW_STRING_FEATURES},
    **{name: (tf.int64, features.AGE_UNKNOWN) for name in features.RAW_INT_FEATURES},
    features.LESION_MASK: (tf.string, ""),
    features.MEAN_INTENSITY: (tf.float32, 0.0),
    features.PIXEL_SPACING_MM: (tf.float32, features.SPACING_UNKNOWN),
}


class ServedModel(tf.Module):
    """Answers about films: calibrated probability, label, explanation."""

    def __init__(
        self,
        network: keras.Model,
        transform: tft.TFTransformOutput,
        settings: Hyperparameters,
        calibration: Calibration,
        operating_point: OperatingPoint,
        distance: FilmDistance | None = None,
        reference: Film | None = None,
        lesions: LesionFinder | None = None,
    ):
        """Ties the parts together.

        Args:
            network: Trained model of `models.network`, of one member or several.
            transform: Output of the Transform component.
            settings: What it was trained with.
            calibration: From logit to probability.
            operating_point: From probability to label.
            distance: To the train films of this network; None answers NaN.
            reference: Film that explanations hold others against, of `models.reference_film`;
                None for one without structure.
            lesions: Over this network; None where it has not learnt from masks.
        """
        super().__init__()
        self._network = of_films_alone(
            activations_and_logits(network, settings.network.flip_average)
        )
        self._answering = stages_and_logits(network, settings.network.flip_average)
        self._stages = len(middle_stages(network))
        self._distance = distance
        # TensorFlow saves only the variables that a module names. By layer, so that another
        # training can start from what is served.
        self.network_weights = {
            name: [weight.value for weight in weights]
            for name, weights in weights_by_layer(network).items()
        }
        self._lesions = lesions
        if lesions:
            self.lesion_weights = lesions.weights
        self.transform_layer = transform.transform_features_layer()
        self._preprocessing = settings.preprocessing
        self.classes = features.classes_of(settings.task)
        self._settings = settings
        self._calibration = calibration
        self._operating_point = operating_point
        # Variables, as a pushed model is moved to another prevalence without its network's code.
        self.calibration_weights = tf.Variable(calibration.weights, dtype=tf.float32)
        self.thresholds = tf.Variable(operating_point.thresholds, dtype=tf.float32)
        self._reference = blank_film(settings.preprocessing) if reference is None else reference

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, features.EXAMPLES)])
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers serialised tf.Examples; only `image` has to be present."""
        parsed = _parse(examples)
        # What is drawn on a film is an answer, and no part of the question.
        nothing_drawn = tf.fill(tf.shape(parsed[features.LESION_MASK]), "")
        return self._answer(self._transform({**parsed, features.LESION_MASK: nothing_drawn}))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, features.IMAGE_BYTES)])
    def predict_images(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers encoded JPEG or PNG files."""
        return self._answer(self._transform(_raw_features(image_bytes)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, features.IMAGE_BYTES)])
    def explain_images(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers encoded files with the probability, and where in the film it comes from."""
        films = tf.size(image_bytes)
        encoded = tf.concat([image_bytes, tf.fill([tf.maximum(1 - films, 0)], "")], axis=0)
        transformed = self._transform(_raw_features(encoded))
        _, images = self._images(transformed)
        evidence, logits = grad_cam(self._network, images, tf.constant(self._reference))
        probability = self._probability(logits)
        # A file that was found too large to be decoded must not be decoded here.
        judged = tf.where(_is_judged(transformed), encoded, "")
        whole = look_at_whole(judged, self._preprocessing, GRID)
        lesions = self._lesions.find(images) if self._lesions else None
        explained = explain(evidence, probability, whole, lesions)
        answers = {features.PROBABILITY: probability, **explained}
        answers = _where_judged(transformed, answers)
        return {name: answer[:films] for name, answer in answers.items()}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, features.EXAMPLES)])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what the Transform graph makes of serialised tf.Examples."""
        return self._transform(_parse(examples))

    def _transform(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self.transform_layer(raw)

    def _images(self, transformed: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = unpack_images(transformed, self._preprocessing.image_size_px)
        return pixels, standardise(pixels, transformed, self._preprocessing.normalisation)

    def _probability(self, logits: tf.Tensor) -> tf.Tensor:
        logit = pneumonia_logit(logits)[:, 0]
        slope_below, slope_above, intercept = tf.unstack(self.calibration_weights)
        return tf.sigmoid(
            slope_above * tf.nn.softplus(logit) - slope_below * tf.nn.softplus(-logit) + intercept
        )

    def _is_pneumonia(self, probability: tf.Tensor) -> tf.Tensor:
        return probability >= self.thresholds[0]

    def _answer(self, transformed: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        _, images = self._images(transformed)
        given = given_to_network(images, transformed)
        stages, logits = self._answering(_at_least_one(given), training=False)
        probability = self._probability(logits)
        return _where_judged(
            transformed,
            {
                features.PROBABILITY: probability,
                **self._labels(probability),
                features.CLASS_PROBABILITIES: class_probabilities(probability, logits),
                features.OUT_OF_DISTRIBUTION: self._out_of_distribution(stages, probability),
            },
        )

    def _labels(self, probability: tf.Tensor) -> dict[str, tf.Tensor]:
        forced = tf.where(self._is_pneumonia(probability), features.PNEUMONIA, features.NORMAL)
        if not self._operating_point.has_band:
            return {features.PREDICTED_LABEL: forced}
        sure = (probability < self.thresholds[1]) | (probability >= self.thresholds[2])
        label = tf.where(sure, forced, features.UNCERTAIN)
        return {features.PREDICTED_LABEL: label, features.FORCED_LABEL: forced}

    def _out_of_distribution(self, stages: list[tf.Tensor], probability: tf.Tensor) -> tf.Tensor:
        if self._distance is None:
            return tf.fill(tf.shape(probability), math.nan)
        # What comes after them is of the mirror image.
        return self._distance.of_features(pooled(stages[: self._stages]))


def save_served_model(model: ServedModel, directory: str) -> None:
    """Writes the SavedModel with its signatures, operating point and warm-up requests.

    Args:
        model: What is served.
        directory: Where to; must not hold a model yet.
    """
    signatures = {name: getattr(model, name) for name in features.SIGNATURES}
    tf.saved_model.save(model, directory, signatures=signatures)
    facts = {
        "calibration": asdict(model._calibration),
        "operating_point": asdict(model._operating_point),
        "labels": list(model.classes),
        "image_size_px": model._preprocessing.image_size_px,
        "hyperparameters": model._settings.model_dump(),
    }
    tf.io.gfile.makedirs(posixpath.join(directory, "assets.extra"))
    write_facts(directory, facts)
    write_warmup_requests(directory)


def _at_least_one(given: Given) -> Given:
    """Adds a blank film to an empty batch, on which a convolution fails."""

    def padded(part: tf.Tensor) -> tf.Tensor:
        missing = tf.maximum(1 - tf.shape(part)[0], 0)
        return tf.pad(part, [[0, missing]] + [[0, 0]] * (part.shape.rank - 1))

    return tf.nest.map_structure(padded, given)


def _where_judged(
    transformed: dict[str, tf.Tensor], answers: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Adds `quality` to answers, and empties those about pictures that were not judged."""
    quality = tf.reshape(transformed[features.QUALITY_XF], [-1])
    judged = _is_judged(transformed)

    def or_nothing(answer: tf.Tensor) -> tf.Tensor:
        nothing = tf.constant("" if answer.dtype == tf.string else math.nan, answer.dtype)
        index = (slice(None), *[tf.newaxis] * (answer.shape.rank - 1))
        return tf.where(judged[index], answer[: tf.size(judged)], nothing)

    emptied = {name: or_nothing(answer) for name, answer in answers.items()}
    return {**emptied, features.QUALITY: quality}


def _is_judged(transformed: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.reshape(transformed[features.QUALITY_XF], [-1]) == features.QUALITY_OK


def _parse(examples: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses tf.Examples; what an example leaves out is unknown, but for the image."""
    spec = {
        name: tf.io.FixedLenFeature([1], dtype, default_value=[default])
        for name, (dtype, default) in _DEFAULTS.items()
        if name != features.IMAGE
    }
    spec[features.IMAGE] = tf.io.FixedLenFeature([1], tf.string)
    return tf.io.parse_example(examples, spec)


def _raw_features(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
    """Makes the raw features of films of which only the file is known."""
    batch = tf.shape(image_bytes)[0]
    raw = {
        name: tf.fill([batch, 1], tf.constant(default, dtype))
        for name, (dtype, default) in _DEFAULTS.items()
    }
    raw[features.IMAGE] = image_bytes[:, tf.newaxis]
    return raw
