"""The pushed model: its signatures, and the serving path against the training path."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.metrics import roc_auc_score
from tensorflow_serving.apis import prediction_log_pb2

from benchmarks.other_pictures import other_pictures, turned_films
from models import features
from models.calibration import Calibration, OperatingPoint
from models.cut_open import activations_and_logits
from models.film_distance import FilmDistance, read_distance
from models.grad_cam import grad_cam
from models.hyperparameters import Hyperparameters
from models.network import build_network
from models.preprocessing import standardise, unpack_images
from models.records import TRAINING_RECORD
from models.reference_film import read_reference
from models.served_facts import FACTS_FILE
from models.signatures import ServedModel
from models.warmup import WARMUP_FILE
from tests.support import LocalRun, draw_film, encode, read_examples

SIZE_PX = 64

Answer = dict[str, np.ndarray]


@pytest.fixture(scope="module", name="examples")
def read_eval_examples(pushed: LocalRun) -> list[bytes]:
    """The raw examples of the eval split."""
    return read_examples(pushed.uri("RadiographExampleGen", "examples"), features.EVAL)


@pytest.fixture(scope="module", name="images")
def take_images(examples: list[bytes]) -> list[bytes]:
    """Their encoded films."""
    parsed = (tf.train.Example.FromString(example) for example in examples)
    return [one.features.feature[features.IMAGE].bytes_list.value[0] for one in parsed]


@pytest.fixture(scope="module", name="record")
def read_record(pushed: LocalRun) -> dict[str, Any]:
    """What the Trainer says of the model."""
    return json.loads((pushed.uri("Trainer", "model_run") / TRAINING_RECORD).read_text())


@pytest.fixture(scope="module", name="prepared")
def prepare_on_the_training_path(pushed: LocalRun, examples: list[bytes]) -> tf.Tensor:
    """The films as the network saw them in training: Transform's graph, standardised."""
    transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
    raw = tf.io.parse_example(examples, transform.raw_feature_spec())
    transformed = transform.transform_features_layer()(raw)
    return standardise(unpack_images(transformed, SIZE_PX), transformed, "unit")


@pytest.fixture(scope="module", name="network")
def load_keras_file(pushed: LocalRun) -> keras.Model:
    """The Keras file, cut open."""
    file = pushed.uri("Trainer", "model_run") / "model.keras"
    return activations_and_logits(keras.saving.load_model(file, compile=False), flip_average=True)


def decoded(image: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)


def model_with(
    pushed: LocalRun, record: dict[str, Any], point: OperatingPoint | None = None
) -> ServedModel:
    """The pushed network with another operating point and no distance."""
    return ServedModel(
        keras.saving.load_model(pushed.uri("Trainer", "model_run") / "model.keras"),
        tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph"))),
        Hyperparameters.model_validate(record["hyperparameters"]),
        Calibration.of_record(record["calibration"]),
        point or OperatingPoint(**record["operating_point"]),
    )


def ask(served: Any, signature: str, batch: list[bytes]) -> Answer:
    on_examples = signature in (features.SERVING_DEFAULT, features.TRANSFORM_FEATURES)
    argument = features.EXAMPLES if on_examples else features.IMAGE_BYTES
    answer = served.signatures[signature](**{argument: tf.constant(batch, tf.string)})
    return {name: tensor.numpy() for name, tensor in answer.items()}


PREDICTION = {
    "probability": (tf.float32, [None]),
    "label": (tf.string, [None]),
    "quality": (tf.string, [None]),
    "class_probabilities": (tf.float32, [None, 2]),
    "out_of_distribution": (tf.float32, [None]),
}
OUTPUTS = {
    "serving_default": PREDICTION,
    "predict_images": PREDICTION,
    "explain_images": {
        "probability": (tf.float32, [None]),
        "heatmap": (tf.float32, [None, SIZE_PX, SIZE_PX]),
        "overlay_bytes": (tf.string, [None]),
        "boxes": (tf.float32, [None, 5, 4]),
        "box_scores": (tf.float32, [None, 5]),
        "lung_opacity": (tf.float32, [None, 2]),
        "quality": (tf.string, [None]),
    },
    "transform_features": {
        "image_xf": (tf.string, [None, 1]),
        "quality_xf": (tf.string, [None, 1]),
        "lungs_xf": (tf.string, [None, 1]),
        "sha256_xf": (tf.int64, [None, 1]),
        "patient_id_xf": (tf.int64, [None, 1]),
        "site_xf": (tf.string, [None, 1]),
        "view_xf": (tf.string, [None, 1]),
        "sex_xf": (tf.string, [None, 1]),
        "style_xf": (tf.string, [None, 1]),
        "label_xf": (tf.int64, [None, 1]),
        "subtype_xf": (tf.int64, [None, 1]),
        "pixel_mean_xf": (tf.float32, [None, 1]),
        "pixel_stddev_xf": (tf.float32, [None, 1]),
        "age_band": (tf.string, [None, 1]),
    },
}
INPUTS = {
    "serving_default": "examples",
    "predict_images": "image_bytes",
    "explain_images": "image_bytes",
    "transform_features": "examples",
}


class TestContract:
    def test_signatures_are_exactly_the_four(self, served: Any) -> None:
        assert set(served.signatures) == set(OUTPUTS)

    @pytest.mark.parametrize("name", OUTPUTS)
    def test_names_types_and_shapes(self, served: Any, name: str) -> None:
        signature = served.signatures[name]
        outputs = {
            output: (spec.dtype, spec.shape.as_list())
            for output, spec in signature.structured_outputs.items()
        }
        assert outputs == OUTPUTS[name]
        (inputs,) = signature.structured_input_signature[1:]
        assert {key: (spec.dtype, spec.shape.as_list()) for key, spec in inputs.items()} == {
            INPUTS[name]: (tf.string, [None])
        }


class TestPrediction:
    def test_examples_and_images_get_the_same_answer(
        self, served: Any, examples: list[bytes], images: list[bytes]
    ) -> None:
        by_example = ask(served, features.SERVING_DEFAULT, examples)
        by_image = ask(served, features.PREDICT_IMAGES, images)
        for name, values in by_example.items():
            np.testing.assert_array_equal(values, by_image[name])
        assert len(set(by_image[features.PROBABILITY])) > 10

    def test_probability_is_that_of_the_keras_file_after_calibration(
        self,
        served: Any,
        images: list[bytes],
        prepared: tf.Tensor,
        network: keras.Model,
        record: dict[str, Any],
    ) -> None:
        _, logits = network(prepared, training=False)
        expected = Calibration.of_record(record["calibration"]).probabilities(logits.numpy()[:, 0])
        answer = ask(served, features.PREDICT_IMAGES, images)
        np.testing.assert_allclose(answer[features.PROBABILITY], expected, atol=1e-5)

    def test_label_is_the_one_at_the_operating_point(
        self, served: Any, images: list[bytes], record: dict[str, Any]
    ) -> None:
        answer = ask(served, features.PREDICT_IMAGES, images)
        called = answer[features.PROBABILITY] >= record["operating_point"]["threshold"]
        expected = np.where(called, b"PNEUMONIA", b"NORMAL")
        assert answer[features.PREDICTED_LABEL].tolist() == expected.tolist()

    def test_label_turns_where_the_operating_point_is(
        self, served: Any, images: list[bytes], pushed: LocalRun, record: dict[str, Any]
    ) -> None:
        probability = ask(served, features.PREDICT_IMAGES, images)[features.PROBABILITY]
        middle = float(np.sort(probability)[len(images) // 2 - 1 :][:2].mean())
        model = ServedModel(
            keras.saving.load_model(pushed.uri("Trainer", "model_run") / "model.keras"),
            tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph"))),
            Hyperparameters.model_validate(record["hyperparameters"]),
            Calibration.of_record(record["calibration"]),
            OperatingPoint(middle, 0.9, 0.9, 0.9),
        )
        labels = model.predict_images(tf.constant(images))[features.PREDICTED_LABEL].numpy()
        assert (labels == b"PNEUMONIA").tolist() == (probability > middle).tolist()
        assert (labels == b"NORMAL").sum() == len(images) // 2

    @pytest.mark.parametrize("normalisation", ["unit", "per_image"])
    def test_subtypes_share_the_calibrated_probability(
        self, pushed: LocalRun, images: list[bytes], prepared: tf.Tensor, normalisation: str
    ) -> None:
        keras.utils.set_random_seed(0)
        settings = Hyperparameters.model_validate(
            {
                "task": "subtype",
                "preprocessing": {"image_size_px": SIZE_PX, "normalisation": normalisation},
                "network": {"width": 4, "depth": 3, "flip_average": False},
            }
        )
        network = build_network(SIZE_PX, settings.network, settings.task)
        model = ServedModel(
            network,
            tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph"))),
            settings,
            Calibration(slope_below=0.5, slope_above=2.0, intercept=0.25),
            OperatingPoint(0.5, 0.9, 0.9, 0.9),
        )
        if normalisation == "per_image":
            pixels = prepared.numpy()
            mean, deviation = (part(pixels, (1, 2), keepdims=True) for part in (np.mean, np.std))
            prepared = (pixels - mean) / deviation
        classes = network.predict(prepared, verbose=0)
        score = 1 - classes[:, 0]
        logit = 0.5 * np.log(score) - 2.0 * np.log(1 - score) + 0.25
        probability = 1 / (1 + np.exp(-logit))
        answer = model.predict_images(tf.constant(images))
        np.testing.assert_allclose(answer[features.PROBABILITY], probability, atol=1e-4)
        expected = np.column_stack(
            [1 - probability, *(probability * classes[:, index] / score for index in (1, 2))]
        )
        np.testing.assert_allclose(answer[features.CLASS_PROBABILITIES], expected, atol=1e-4)
        explained = model.explain_images(tf.constant(images[:2]))
        np.testing.assert_allclose(explained[features.PROBABILITY], probability[:2], atol=1e-4)
        assert model.classes == features.SUBTYPES

    def test_class_probabilities_are_in_the_order_of_the_labels(
        self, served: Any, images: list[bytes]
    ) -> None:
        answer = ask(served, features.PREDICT_IMAGES, images)
        classes = answer[features.CLASS_PROBABILITIES]
        np.testing.assert_allclose(classes.sum(axis=1), 1, atol=1e-6)
        pneumonia = features.LABELS.index(features.PNEUMONIA)
        np.testing.assert_array_equal(classes[:, pneumonia], answer[features.PROBABILITY])

    def test_a_film_is_answered_alike_alone_and_in_a_batch(
        self, served: Any, images: list[bytes]
    ) -> None:
        together = ask(served, features.PREDICT_IMAGES, images)[features.PROBABILITY]
        alone = ask(served, features.PREDICT_IMAGES, images[3:4])[features.PROBABILITY]
        np.testing.assert_allclose(alone, together[3:4], atol=1e-6)

    def test_an_example_of_an_image_alone_is_answered(
        self, served: Any, images: list[bytes]
    ) -> None:
        value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[images[0]]))
        bare = tf.train.Example(features=tf.train.Features(feature={features.IMAGE: value}))
        by_example = ask(served, features.SERVING_DEFAULT, [bare.SerializeToString()])
        by_image = ask(served, features.PREDICT_IMAGES, images[:1])
        assert by_example[features.PROBABILITY] == by_image[features.PROBABILITY]
        transformed = ask(served, features.TRANSFORM_FEATURES, [bare.SerializeToString()])
        assert transformed[features.LABEL_XF].tolist() == [[-1]]
        assert transformed[features.AGE_BAND].tolist() == [[features.UNKNOWN.encode()]]


class TestOutOfDistribution:
    @pytest.fixture(scope="class", name="distance")
    def read_kept_distance(self, pushed: LocalRun) -> FilmDistance:
        return read_distance(str(pushed.uri("Trainer", "model_run")))

    def test_is_the_quotient_of_two_mahalanobis_distances(
        self,
        served: Any,
        images: list[bytes],
        prepared: tf.Tensor,
        pushed: LocalRun,
        distance: FilmDistance,
    ) -> None:
        network = keras.saving.load_model(pushed.uri("Trainer", "model_run") / "model.keras")
        names = [f"activation_{block}" for block in (1, 2)]  # of four, without first and last
        stages = keras.Model(network.input, [network.get_layer(name).output for name in names])
        features_of = np.concatenate(
            [part(stage, axis=(1, 2)) for stage in map(np.asarray, stages(prepared))
             for part in (np.mean, np.std)], axis=-1,
        )  # fmt: skip
        whitened = features_of @ distance.weights - distance.offsets
        to_films, to_others = (
            np.linalg.norm(part, axis=1) for part in np.split(whitened, 2, axis=1)
        )
        expected = to_films / to_others / distance.threshold
        answer = ask(served, features.PREDICT_IMAGES, images)[features.OUT_OF_DISTRIBUTION]
        np.testing.assert_allclose(answer, expected, rtol=2e-3)
        assert np.std(answer) > 0.01

    def test_films_are_nearer_than_other_pictures(self, served: Any, images: list[bytes]) -> None:
        near = ask(served, features.PREDICT_IMAGES, images)[features.OUT_OF_DISTRIBUTION]
        assert np.mean(near > 1) <= 0.02
        made = {**other_pictures(3), **turned_films([decoded(image) for image in images[:9]])}
        kinds = ("smooth noise", "text", "chart", "photograph", "inverted")
        others = [encode(picture) for kind in kinds for picture in made[kind][:9]]
        far = ask(served, features.PREDICT_IMAGES, others)[features.OUT_OF_DISTRIBUTION]
        # A network of a few steps tells them apart, though not by the margin of a trained one.
        is_other = np.repeat([0, 1], [len(near), len(far)])
        assert roc_auc_score(is_other, np.concatenate([near, far])) > 0.9

    def test_is_no_number_where_nothing_was_judged(self, served: Any, images: list[bytes]) -> None:
        answer = ask(served, features.PREDICT_IMAGES, [images[0], b"no film"])
        given = answer[features.OUT_OF_DISTRIBUTION]
        assert np.isnan(given).tolist() == [False, True]

    def test_no_number_without_a_distance(
        self, pushed: LocalRun, images: list[bytes], record: dict[str, Any]
    ) -> None:
        model = model_with(pushed, record)
        answer = model.predict_images(tf.constant(images[:2]))
        assert np.isnan(answer[features.OUT_OF_DISTRIBUTION]).all()


class TestSelective:
    def test_between_the_thresholds_the_label_is_uncertain(
        self, served: Any, pushed: LocalRun, images: list[bytes], record: dict[str, Any]
    ) -> None:
        probability = ask(served, features.PREDICT_IMAGES, images)[features.PROBABILITY]
        low, middle, high = (float(one) for one in np.quantile(probability, (0.3, 0.5, 0.8)))
        point = OperatingPoint(middle, 0.9, 0.9, 0.9, normal_below=low, pneumonia_from=high)
        model = model_with(pushed, record, point)
        answer = model.predict_images(tf.constant(images))
        labels = answer[features.PREDICTED_LABEL].numpy()
        assert (labels == b"NORMAL").tolist() == (probability < low).tolist()
        assert (labels == b"PNEUMONIA").tolist() == (probability >= high).tolist()
        assert set(labels) == {b"NORMAL", b"UNCERTAIN", b"PNEUMONIA"}
        forced = answer[features.FORCED_LABEL].numpy()
        assert (forced == b"PNEUMONIA").tolist() == (probability >= middle).tolist()
        assert set(forced) == {b"NORMAL", b"PNEUMONIA"}

    def test_what_was_not_judged_is_not_uncertain(
        self, pushed: LocalRun, record: dict[str, Any]
    ) -> None:
        point = OperatingPoint(0.5, 0.9, 0.9, 0.9, normal_below=0.0, pneumonia_from=2.0)
        model = model_with(pushed, record, point)
        answer = model.predict_images(tf.constant([b"no film"]))
        assert answer[features.PREDICTED_LABEL].numpy().tolist() == [b""]
        assert answer[features.FORCED_LABEL].numpy().tolist() == [b""]


class TestEncodings:
    """One film that uses all grey levels, so that 16 bit are stretched by nothing."""

    FILM = cv2.normalize(draw_film(7), None, 0, 255, cv2.NORM_MINMAX)
    COLOUR = cv2.cvtColor(FILM, cv2.COLOR_GRAY2BGR)

    def probability(self, served: Any, encoded: bytes) -> float:
        return float(ask(served, features.PREDICT_IMAGES, [encoded])[features.PROBABILITY][0])

    @pytest.mark.parametrize(
        "film",
        [COLOUR, FILM.astype(np.uint16) * 257, COLOUR.astype(np.uint16) * 257],
        ids=["RGB", "16 bit", "16 bit RGB"],
    )
    def test_png(self, served: Any, film: np.ndarray) -> None:
        expected = self.probability(served, encode(self.FILM))
        # Luminance sums three channels, which may round to the next level.
        assert self.probability(served, encode(film)) == pytest.approx(expected, abs=0.01)

    @pytest.mark.parametrize("film", [FILM, COLOUR], ids=["grey", "RGB"])
    def test_jpeg(self, served: Any, film: np.ndarray) -> None:
        encoded = encode(film, ".jpg")
        grey = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
        expected = self.probability(served, encode(grey))
        assert self.probability(served, encoded) == pytest.approx(expected, abs=0.01)

    def test_formats_may_be_mixed_in_a_batch(self, served: Any) -> None:
        batch = [encode(self.FILM), encode(self.COLOUR, ".jpg"), encode(draw_film(8, 200))]
        answer = ask(served, features.PREDICT_IMAGES, batch)[features.PROBABILITY]
        alone = [self.probability(served, encoded) for encoded in batch]
        np.testing.assert_allclose(answer, alone, atol=1e-6)


class TestQuality:
    """What cannot be judged gets a reason, and nothing that could be taken for an answer."""

    @pytest.fixture(scope="class", name="batch")
    def make_batch(self, images: list[bytes]) -> dict[bytes, str]:
        """Films and what is none, with the quality of each."""
        clear = np.dstack([cv2.cvtColor(draw_film(5), cv2.COLOR_GRAY2BGR), draw_film(6)])
        return {
            images[0]: "ok",
            encode(np.zeros((300, 300), np.uint8)): "blank",
            encode(np.full((300, 300), 255, np.uint8), ".jpg"): "blank",
            encode(np.zeros((1, 1), np.uint8)): "too small",
            encode(np.zeros((64, 10_001), np.uint8)): "too large",
            encode(clear): "transparent",
            images[1]: "ok",
            encode(draw_film(5))[:-40]: "not decodable",
            b"no image": "not decodable",
            images[2]: "ok",
        }

    @staticmethod
    def as_input(signature: str, films: list[bytes]) -> list[bytes]:
        if signature != features.SERVING_DEFAULT:
            return films
        values = [tf.train.Feature(bytes_list=tf.train.BytesList(value=[one])) for one in films]
        return [
            tf.train.Example(
                features=tf.train.Features(feature={features.IMAGE: value})
            ).SerializeToString()
            for value in values
        ]

    @pytest.mark.parametrize("signature", ["serving_default", "predict_images", "explain_images"])
    def test_the_rest_of_a_batch_is_answered(
        self, served: Any, batch: dict[bytes, str], signature: str
    ) -> None:
        answer = ask(served, signature, self.as_input(signature, list(batch)))
        assert [word.decode() for word in answer[features.QUALITY]] == list(batch.values())
        judged = np.array([quality == "ok" for quality in batch.values()])
        films = [film for film, quality in batch.items() if quality == "ok"]
        alone = ask(served, signature, self.as_input(signature, films))
        for name, values in answer.items():
            if values.dtype == object:
                assert name == features.QUALITY or not any(values[~judged])
                assert all(values[judged])
            else:
                assert np.isnan(values[~judged]).all()
                np.testing.assert_allclose(values[judged], alone[name], atol=1e-5)

    @pytest.mark.parametrize("signature", OUTPUTS)
    def test_an_empty_batch_has_empty_answers(self, served: Any, signature: str) -> None:
        for name, values in ask(served, signature, []).items():
            assert values.shape[0] == 0, name


class TestExplanation:
    def test_heatmap_is_grad_cam_of_the_keras_file(
        self,
        served: Any,
        images: list[bytes],
        prepared: tf.Tensor,
        network: keras.Model,
        pushed: LocalRun,
    ) -> None:
        answer = ask(served, features.EXPLAIN_IMAGES, images)
        heatmap = answer[features.HEATMAP]
        assert heatmap.min() >= 0
        assert heatmap.max() == pytest.approx(1)
        reference = read_reference(str(pushed.uri("Trainer", "model_run")))
        assert np.ptp(reference) > 0.1
        evidence, _ = grad_cam(network, prepared, tf.constant(reference))
        resized = np.stack([cv2.resize(film, (SIZE_PX, SIZE_PX)) for film in evidence.numpy()])
        largest = resized.max(axis=(1, 2), keepdims=True)
        expected = np.divide(resized, largest, out=resized, where=largest > 0)
        np.testing.assert_allclose(heatmap, expected, atol=1e-3)

    def test_probability_is_that_of_the_prediction(self, served: Any, images: list[bytes]) -> None:
        explained = ask(served, features.EXPLAIN_IMAGES, images)[features.PROBABILITY]
        predicted = ask(served, features.PREDICT_IMAGES, images)[features.PROBABILITY]
        np.testing.assert_allclose(explained, predicted, atol=1e-6)

    def test_overlay_changes_the_whole_film_where_the_map_is_hot_alone(
        self, served: Any, images: list[bytes]
    ) -> None:
        answer = ask(served, features.EXPLAIN_IMAGES, images)
        for encoded, heatmap, image in zip(
            answer[features.OVERLAY_BYTES], answer[features.HEATMAP], images, strict=True
        ):
            overlay = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
            whole = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
            film = cv2.resize(whole, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
            assert overlay.shape == (SIZE_PX, SIZE_PX, 3)
            change = np.abs(overlay - film[..., None].astype(int)).max(axis=-1)
            assert np.all(change[heatmap == 0] <= 1)
            assert np.all(change[heatmap > 0.5] > 10)
        assert np.any(answer[features.HEATMAP] > 0.5)

    def test_boxes_and_extent_go_with_the_heat(self, served: Any, images: list[bytes]) -> None:
        answer = ask(served, features.EXPLAIN_IMAGES, images)
        boxes, scores = answer[features.BOXES], answer[features.BOX_SCORES]
        assert np.array_equal(np.isnan(boxes).all(axis=-1), np.isnan(scores))
        assert np.isfinite(scores).any()
        probability = answer[features.PROBABILITY][:, None]
        assert not np.any(scores > probability + 1e-6)
        for heatmap, of_film, peaks in zip(
            answer[features.HEATMAP], boxes, scores / probability, strict=True
        ):
            for box, peak in zip(of_film, peaks, strict=True):
                if np.isfinite(peak):
                    top, left, bottom, right = np.round(box * SIZE_PX).astype(int)
                    inside = heatmap[top:bottom, left:right]
                    # A box is a rectangle, and may hold hotter places beside the lung.
                    assert inside.max() > peak - 0.1
        extent = answer[features.LUNG_OPACITY]
        assert np.nanmin(extent) >= 0 and np.nanmax(extent) <= 1
        assert np.isfinite(extent).mean() > 0.8


class TestTransformation:
    @pytest.mark.parametrize("split", [features.TRAIN, features.EVAL])
    def test_serving_prepares_as_training_did(
        self, served: Any, pushed: LocalRun, split: str
    ) -> None:
        raw = read_examples(pushed.uri("RadiographExampleGen", "examples"), split)
        written = read_examples(pushed.uri("Transform", "transformed_examples"), split)
        transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
        trained_on = tf.io.parse_example(written, transform.transformed_feature_spec())
        answer = ask(served, features.TRANSFORM_FEATURES, raw)
        names = sorted(answer)
        assert names == sorted(trained_on)
        serving, training = (
            Counter(zip(*(np.ravel(source[name]).tolist() for name in names), strict=True))
            for source in (answer, {name: trained_on[name].numpy() for name in names})
        )
        assert serving == training


class TestExtraAssets:
    def test_operating_point_travels_with_the_model(
        self, pushed: LocalRun, record: dict[str, Any]
    ) -> None:
        facts = json.loads((pushed.model / FACTS_FILE).read_text())
        assert facts["operating_point"] == record["operating_point"]
        assert facts["calibration"] == record["calibration"]
        assert (facts["labels"], facts["image_size_px"]) == (list(features.LABELS), SIZE_PX)

    def test_warm_up_requests_can_be_replayed(self, served: Any, pushed: LocalRun) -> None:
        replayed = set()
        for serialised in tf.data.TFRecordDataset(str(pushed.model / WARMUP_FILE)):
            log = prediction_log_pb2.PredictionLog.FromString(serialised.numpy())
            request = log.predict_log.request
            assert request.model_spec.name == features.MODEL_NAME
            name = request.model_spec.signature_name
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            answer = served.signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            )
            assert 0 < answer[features.PROBABILITY].numpy()[0] < 1
            replayed.add(name)
        assert replayed == {
            features.PREDICT_IMAGES, features.EXPLAIN_IMAGES, features.SERVING_DEFAULT,
        }  # fmt: skip
