"""Age, sex and view beside the film: the vector, what is forgotten of it, and what is fused."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import clinical
from models.cut_open import (
    activations_and_logits,
    middle_stages,
    of_films_alone,
    stages_and_logits,
    up_to_last_hidden,
)
from models.hyperparameters import Hyperparameters, Network
from models.input_pipeline import mix
from models.network import build_network

SIZE_PX = 32
# age / 120, unknown | M, F, O, unknown | PA, AP, unknown
VECTORS = {
    (60, "M", "PA"): [0.5, 0, 1, 0, 0, 0, 1, 0, 0],
    (0, "F", "AP"): [0, 0, 0, 1, 0, 0, 0, 1, 0],
    (120, "O", "PA"): [1, 0, 0, 0, 1, 0, 1, 0, 0],
    (3, "M", "unknown"): [0.025, 0, 1, 0, 0, 0, 0, 0, 1],
    (-1, "unknown", "AP"): [0, 1, 0, 0, 0, 1, 0, 1, 0],
    (121, "F", "LATERAL"): [0, 1, 0, 1, 0, 0, 0, 0, 1],
    (2**40, "", ""): [0, 1, 0, 0, 0, 1, 0, 0, 1],
    (-1, "unknown", "unknown"): [0, 1, 0, 0, 0, 1, 0, 0, 1],
}


def vectors_of(known: list[tuple[int, str, str]]) -> np.ndarray:
    ages, sexes, views = zip(*known, strict=True)
    return clinical.clinical_vector(
        tf.constant(ages, tf.int64)[:, None],
        tf.constant(sexes)[:, None],
        tf.constant(views)[:, None],
    ).numpy()


def settings_of(**changes: object) -> Network:
    return Network.model_validate({"width": 4, "depth": 3, "dense_units": 8, **changes})


@pytest.fixture(scope="module", name="network")
def build_fused_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_network(SIZE_PX, settings_of(clinical=True))


@pytest.fixture(scope="module", name="films")
def draw_films() -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).random((len(VECTORS), SIZE_PX, SIZE_PX, 1), "f4"))


class TestVector:
    def test_is_that_of_the_hand(self) -> None:
        expected = np.array(list(VECTORS.values()), np.float32)
        np.testing.assert_allclose(vectors_of(list(VECTORS)), expected, rtol=1e-6)

    def test_of_nothing_known_is_the_constant(self) -> None:
        assert VECTORS[-1, "unknown", "unknown"] == list(clinical.NOTHING_KNOWN)
        assert len(clinical.NOTHING_KNOWN) == clinical.LENGTH == 9

    def test_a_part_is_known_or_says_that_it_is_not(self) -> None:
        vectors = vectors_of(list(VECTORS))
        for start, end in ((2, 6), (6, 9)):  # of age, 0 years have no one
            np.testing.assert_array_equal(vectors[:, start:end].sum(axis=1), 1)


class TestForgetting:
    FILMS = 40_000

    @pytest.fixture(scope="class", name="forgotten")
    def forget_a_share(self) -> np.ndarray:
        """Which of age, sex and view is lost, `[films, 3]`."""
        vectors = tf.constant([VECTORS[60, "M", "PA"]] * self.FILMS, tf.float32)
        left = clinical.forget(vectors, 0.3, tf.constant([1, 2], tf.int64)).numpy()
        lost = left[:, [1, 5, 8]] == 1
        known = np.array(VECTORS[60, "M", "PA"], np.float32)
        unknown = np.array(clinical.NOTHING_KNOWN, np.float32)
        for flag, own in enumerate((slice(0, 2), slice(2, 6), slice(6, 9))):
            kept = left[~lost[:, flag], own]
            assert np.all(kept == known[own])
            assert np.all(left[lost[:, flag], own] == unknown[own])
        return lost

    def test_a_share_of_films_loses_all_and_the_others_each_alone(
        self, forgotten: np.ndarray
    ) -> None:
        by_count = np.bincount(forgotten.sum(axis=1), minlength=4) / self.FILMS
        of_others = [0.7**3, 3 * 0.3 * 0.7**2, 3 * 0.3**2 * 0.7, 0.3**3]
        expected = 0.7 * np.array(of_others) + [0, 0, 0, 0.3]
        np.testing.assert_allclose(by_count, expected, atol=0.01)

    def test_each_is_lost_as_often(self, forgotten: np.ndarray) -> None:
        np.testing.assert_allclose(forgotten.mean(axis=0), 1 - 0.7**2, atol=0.01)

    def test_of_the_others_one_says_nothing_of_another(self, forgotten: np.ndarray) -> None:
        others = forgotten[~forgotten.all(axis=1)].astype(float)
        # Without those that lose all, two are lost a little less often together.
        share = 0.3 * 0.7 / (1 - 0.3**3)
        assert np.mean(others[:, 0] * others[:, 2]) == pytest.approx(0.3 * share, abs=0.01)

    def test_what_is_unknown_stays_so(self) -> None:
        unknown = tf.constant([clinical.NOTHING_KNOWN] * 100)
        left = clinical.forget(unknown, 0.5, tf.constant([1, 2], tf.int64))
        np.testing.assert_array_equal(left, unknown)


class TestMixup:
    def test_what_is_known_is_mixed_as_the_pixels_are(self, films: tf.Tensor) -> None:
        vectors = tf.constant(vectors_of(list(VECTORS)))
        targets, weights = tf.ones([len(VECTORS), 1]), tf.ones([len(VECTORS)])
        seed = tf.constant([3, 4], tf.int64)
        (mixed, told), *_ = mix((films, vectors), targets, weights, 0.4, seed)
        pixels, others = films.numpy()[:, 5, 5, 0], films.numpy()[::-1, 5, 5, 0]
        own = (mixed.numpy()[:, 5, 5, 0] - others) / (pixels - others)
        assert np.ptp(own) > 0.1
        expected = own[:, None] * vectors + (1 - own)[:, None] * vectors.numpy()[::-1]
        np.testing.assert_allclose(told, expected, atol=1e-4)
        alone, *_ = mix(films, targets, weights, 0.4, seed)
        np.testing.assert_array_equal(alone, mixed)


class TestNetwork:
    def test_off_it_is_the_network_of_films_alone(self) -> None:
        network = build_network(SIZE_PX, settings_of())
        assert [one.name for one in network.inputs] == ["image"]
        assert network.get_layer("dense").kernel.shape[0] == 16
        assert of_films_alone(network) is network

    def test_the_dense_layer_is_given_the_vector_after_the_pooled_features(
        self, network: keras.Model, films: tf.Tensor
    ) -> None:
        vectors = vectors_of(list(VECTORS))
        pooled = keras.Model(network.inputs[0], network.get_layer("average").output)(films)
        kernel, bias = network.get_layer("dense").get_weights()
        hidden = np.maximum(np.concatenate([pooled, vectors], axis=1) @ kernel + bias, 0)
        kernel, bias = network.get_layer("logits").get_weights()
        expected = 1 / (1 + np.exp(-(hidden @ kernel + bias)))
        answer = network((films, tf.constant(vectors)), training=False)
        np.testing.assert_allclose(answer, expected, atol=1e-5)
        assert np.ptp(answer) > 0.01

    @pytest.mark.parametrize("flip_average", [False, True])
    def test_films_alone_are_films_of_which_nothing_is_known(
        self, network: keras.Model, films: tf.Tensor, flip_average: bool
    ) -> None:
        cut_open = activations_and_logits(network, flip_average)
        unknown = tf.constant([clinical.NOTHING_KNOWN] * len(films))
        _, expected = cut_open((films, unknown), training=False)
        _, logits = of_films_alone(cut_open)(films, training=False)
        np.testing.assert_array_equal(logits, expected)
        _, known = cut_open((films, tf.constant(vectors_of(list(VECTORS)))), training=False)
        assert np.abs(known - expected)[:-2].min() > 1e-4  # the last two are of unknown ones

    def test_a_mirror_image_has_the_vector_of_its_film(
        self, network: keras.Model, films: tf.Tensor
    ) -> None:
        vectors = tf.constant(vectors_of(list(VECTORS)))
        single = activations_and_logits(network)
        both = [single((one, vectors))[1] for one in (films, tf.reverse(films, [2]))]
        _, logits = stages_and_logits(network, flip_average=True)((films, vectors))
        np.testing.assert_allclose(logits, (both[0] + both[1]) / 2, atol=1e-5)

    def test_the_stages_of_the_distance_are_those_of_the_film(
        self, network: keras.Model, films: tf.Tensor
    ) -> None:
        alone = of_films_alone(keras.Model(network.input, middle_stages(network)))(films)
        stages, _ = stages_and_logits(network)((films, tf.constant(vectors_of(list(VECTORS)))))
        for one, other in zip(tf.nest.flatten(alone), stages, strict=True):
            np.testing.assert_array_equal(one, other)
        names = [one.name for one in middle_stages(build_network(SIZE_PX, settings_of()))]
        assert len(middle_stages(network)) == len(names)

    def test_embeddings_hold_what_is_known(self, network: keras.Model, films: tf.Tensor) -> None:
        embedded = up_to_last_hidden(network)((films, tf.constant(vectors_of(list(VECTORS)))))
        alone = of_films_alone(up_to_last_hidden(network))(films)
        assert embedded.shape == alone.shape == (len(films), 8)
        assert not np.allclose(embedded, alone)


class TestWeightsOfAnother:
    """A network that is told more, or less, than the one whose weights it takes."""

    @staticmethod
    def saved(folder: Path, **changes: object) -> tuple[keras.Model, str]:
        network = build_network(SIZE_PX, settings_of(**changes))
        rng = np.random.default_rng(0)
        network.set_weights([rng.normal(size=one.shape) for one in network.get_weights()])
        file = str(folder / "earlier.keras")
        network.save(file)
        return network, file

    def test_told_more_it_begins_as_it_was_whatever_is_known(
        self, tmp_path: Path, films: tf.Tensor
    ) -> None:
        earlier, file = self.saved(tmp_path)
        network = build_network(SIZE_PX, settings_of(clinical=True, weights=file))
        answer = network((films, tf.constant(vectors_of(list(VECTORS)))), training=False)
        np.testing.assert_allclose(answer, earlier(films, training=False), atol=1e-6)

    def test_told_less_it_begins_as_where_nothing_was_known(
        self, tmp_path: Path, films: tf.Tensor
    ) -> None:
        earlier, file = self.saved(tmp_path, clinical=True)
        network = build_network(SIZE_PX, settings_of(weights=file))
        expected = of_films_alone(earlier)(films, training=False)
        np.testing.assert_allclose(network(films, training=False), expected, atol=1e-5)

    def test_what_begins_anew_is_named(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, file = self.saved(tmp_path)
        build_network(SIZE_PX, settings_of(clinical=True, dense_units=16, weights=file))
        assert f"network.weights: dense, logits begin anew, as {file} has them" in caplog.text


def test_settings_of_an_earlier_version_are_those_of_films_alone() -> None:
    earlier = Hyperparameters().model_dump()
    del earlier["network"]["clinical"], earlier["network"]["clinical_dropout"]
    assert not Hyperparameters.model_validate(earlier).network.clinical
