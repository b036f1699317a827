"""A training of several members, from `run_fn` to what is served, moved and started from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from components.explanation_gen.explained_model import ExplainedModel
from components.model_validator.executor import TOLERANCE, training_path_probabilities
from models import features, training
from models.film_distance import read_distance
from models.hyperparameters import Network, with_tuned
from models.members import each_member, members_of, weights_by_layer
from models.network import build_network
from models.preprocessing import standardise, unpack_images
from models.recalibration import write_recalibrated
from models.records import read_network, read_record
from models.scoring import CALIBRATED_LOG_LOSS
from models.served_facts import read_facts
from pipeline.config import ConfigError
from pipeline.start import refuse_other_members, settings_to_start_from
from tests.support import LocalRun, read_examples
from tests.unit.models.test_training import SIZE_PX, arguments, make_settings

MEMBERS = 3
SETTINGS = make_settings(epochs=2, max_steps_per_epoch=2, members=MEMBERS, learning_rate=0.01)


@pytest.fixture(scope="module", name="trained")
def train(pushed: LocalRun, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders of a training of three members on the films of the shared run."""
    folder = tmp_path_factory.mktemp("members")
    films = pushed.uri("Transform", "transformed_examples")
    given = arguments(
        transform_output=str(pushed.uri("Transform", "transform_graph")),
        train_files=[f"{films}/Split-{features.TRAIN}/*"],
        eval_files=[f"{films}/Split-{features.EVAL}/*"],
        serving_model_dir=str(folder / "served" / "1"),
        model_run_dir=str(folder / "model_run"),
    )
    given.custom_config[training.HYPERPARAMETERS] = SETTINGS.model_dump_json()
    given.custom_config[training.CHECKPOINT_ROOT] = str(folder / "checkpoints")
    training.run_fn(given)
    return given


@pytest.fixture(scope="module", name="examples")
def take_examples(pushed: LocalRun) -> list[bytes]:
    """Some raw test films."""
    return read_examples(pushed.uri("RadiographExampleGen", "examples"), features.TEST)[:5]


@pytest.fixture(scope="module", name="images")
def take_images(examples: list[bytes]) -> list[bytes]:
    """Their encoded films."""
    parsed = (tf.train.Example.FromString(example) for example in examples)
    return [one.features.feature[features.IMAGE].bytes_list.value[0] for one in parsed]


@pytest.fixture(scope="module", name="prepared")
def prepare(trained: Any, examples: list[bytes]) -> np.ndarray:
    """The films as the members are shown them."""
    transform = tft.TFTransformOutput(trained.transform_output)
    raw = tf.io.parse_example(examples, transform.raw_feature_spec())
    transformed = transform.transform_features_layer()(raw)
    normalisation = SETTINGS.preprocessing.normalisation
    return standardise(unpack_images(transformed, SIZE_PX), transformed, normalisation).numpy()


@pytest.fixture(scope="module", name="members")
def open_members(trained: Any) -> list[keras.Model]:
    """The members in the Keras file."""
    return members_of(read_network(SETTINGS, trained.model_run_dir))


def mean_logits(members: list[keras.Model], films: np.ndarray) -> np.ndarray:
    """Mean over members and over both ways round, by NumPy."""
    halves = [one(way) for one in members for way in (films, films[:, :, ::-1])]
    return np.mean(np.asarray(halves, np.float64), axis=0)[:, 0]


def probability_of(saved_model: str, images: list[bytes]) -> np.ndarray:
    signature = tf.saved_model.load(saved_model).signatures[features.PREDICT_IMAGES]
    return signature(image_bytes=tf.constant(images))[features.PROBABILITY].numpy()


def test_is_served_as_the_calibrated_mean_of_logits(
    trained: Any, members: list[keras.Model], images: list[bytes], prepared: np.ndarray
) -> None:
    calibration = read_facts(trained.serving_model_dir).calibration
    logits = mean_logits(members, prepared)
    answer = probability_of(trained.serving_model_dir, images)
    np.testing.assert_allclose(answer, calibration.probabilities(logits), atol=TOLERANCE)
    alone = calibration.probabilities(mean_logits(members[:1], prepared))
    assert np.abs(answer - alone).max() > 10 * TOLERANCE


def test_the_validator_finds_the_same(
    trained: Any, images: list[bytes], examples: list[bytes]
) -> None:
    expected, _ = training_path_probabilities(
        examples, trained.transform_output, trained.model_run_dir
    )
    answer = probability_of(trained.serving_model_dir, images)
    np.testing.assert_allclose(answer, expected, atol=TOLERANCE)


def test_the_distance_is_to_the_films_as_all_members_see_them(
    trained: Any, members: list[keras.Model], images: list[bytes], prepared: np.ndarray
) -> None:
    distance = read_distance(trained.model_run_dir)
    stage = "activation_1"  # of three blocks, without first and last
    seen = [
        keras.Model(one.input, one.get_layer(stage).output)(prepared).numpy() for one in members
    ]
    pooled = np.hstack([part(one, axis=(1, 2)) for one in seen for part in (np.mean, np.std)])
    whitened = pooled @ distance.weights - distance.offsets
    films, others = (np.linalg.norm(part, axis=1) for part in np.split(whitened, 2, axis=1))
    served = tf.saved_model.load(trained.serving_model_dir).signatures[features.PREDICT_IMAGES]
    answer = served(image_bytes=tf.constant(images))[features.OUT_OF_DISTRIBUTION]
    np.testing.assert_allclose(answer, films / others / distance.threshold, rtol=5e-3)


def test_the_record_says_what_each_reached_and_all_together(trained: Any) -> None:
    record = read_record(trained.model_run_dir)
    assert [(row["member"], row["epoch"]) for row in record["history"]] == [
        (member, epoch) for member in (1, 2, 3) for epoch in (0, 1)
    ]
    assert record["seeds"] == [member.seed(0) for member in each_member(MEMBERS)]
    assert record["reached"].keys() == {CALIBRATED_LOG_LOSS, "auc"}
    of_one = build_network(SIZE_PX, SETTINGS.network).count_params()
    assert record["parameters"] == MEMBERS * of_one
    assert list(Path(trained.custom_config[training.CHECKPOINT_ROOT]).iterdir()) == []


class TestExplained:
    @pytest.fixture(scope="class", name="model")
    def open(self, trained: Any) -> ExplainedModel:
        return ExplainedModel.open(trained.serving_model_dir, trained.model_run_dir)

    def test_the_overlay_is_drawn_and_boxes_are_found(
        self, model: ExplainedModel, images: list[bytes]
    ) -> None:
        found = model.explain(images[:2])
        assert all(one[features.OVERLAY_BYTES].startswith(b"\x89PNG") for one in found)

    def test_feature_maps_are_those_of_all_members(
        self, model: ExplainedModel, members: list[keras.Model], images: list[bytes],
        prepared: np.ndarray,
    ) -> None:  # fmt: skip
        layers = model.feature_maps(images[0])
        names = ("activation_0", "activation_1", "last_convolution")
        for layer, name in zip(layers, names, strict=True):
            of_members = [
                keras.Model(one.input, one.get_layer(name).output)(prepared[:1])[0]
                for one in members
            ]
            np.testing.assert_allclose(layer, np.concatenate(of_members, axis=-1), atol=1e-4)

    def test_films_are_alike_where_all_members_find_them_so(
        self, model: ExplainedModel, members: list[keras.Model], images: list[bytes],
        prepared: np.ndarray,
    ) -> None:  # fmt: skip
        hidden = [
            keras.Model(one.input, one.get_layer("dense").output)(prepared) for one in members
        ]
        np.testing.assert_allclose(model.embeddings(images), np.hstack(hidden), atol=1e-4)


class TestAfterIt:
    def test_is_moved_to_another_calibration(
        self, trained: Any, members: list[keras.Model], images: list[bytes], prepared: np.ndarray,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        facts, moved = read_facts(trained.serving_model_dir), str(tmp_path / "moved")
        assert facts.calibration.prevalence is not None
        calibration = facts.calibration.at_prevalence(0.1)
        write_recalibrated(
            trained.serving_model_dir, calibration, facts.operating_point, {"way": "test"}, moved
        )
        expected = calibration.probabilities(mean_logits(members, prepared))
        np.testing.assert_allclose(probability_of(moved, images), expected, atol=TOLERANCE)

    def test_each_member_of_another_training_starts_from_its_own(
        self, trained: Any, members: list[keras.Model]
    ) -> None:
        start = settings_to_start_from(trained.serving_model_dir)
        assert start["train"]["members"] == MEMBERS
        settings = Network.model_validate(start["network"])
        for member, earlier in zip(each_member(MEMBERS), members, strict=True):
            network = build_network(SIZE_PX, settings, member=member)
            own, theirs = (weights_by_layer(one) for one in (network, earlier))
            assert own.keys() == theirs.keys()
            for name, weights in own.items():
                for weight, other in zip(weights, theirs[name], strict=True):
                    np.testing.assert_array_equal(weight, other)

    def test_another_number_is_refused_before_anything_runs(self, trained: Any) -> None:
        folder = trained.serving_model_dir
        refuse_other_members(folder, SETTINGS)
        for other in (1, 2, 4):
            with pytest.raises(ConfigError, match=r"folds 3 networks; .* train\.members=3$"):
                refuse_other_members(folder, with_tuned(SETTINGS, {"train.members": other}))

    def test_several_start_from_one_network_unless_they_stay_the_same(
        self, pushed: LocalRun
    ) -> None:
        refuse_other_members(str(pushed.model), SETTINGS)
        nothing = with_tuned(SETTINGS, {"network.learns": "nothing"})
        with pytest.raises(ConfigError, match=r"holds one network, .* train\.members=1$"):
            refuse_other_members(str(pushed.model), nothing)
