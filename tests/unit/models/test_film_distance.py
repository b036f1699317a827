"""The distance to films against scikit-learn's Mahalanobis distances and plain NumPy."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.covariance import LedoitWolf

from models.counterexamples import counterexample
from models.cut_open import activations_and_logits, middle_stages, stages_and_logits
from models.film_distance import (
    fit_laws,
    keep_distance,
    pooled,
    read_distance,
    with_threshold,
)
from models.hyperparameters import Network
from models.network import build_network

RANDOM = np.random.default_rng(0)
MIXING = RANDOM.normal(size=(12, 12))
FILMS = (RANDOM.normal(3, 1, (500, 12)) @ MIXING).astype(np.float32)
OTHERS = (RANDOM.normal(0, 2, (400, 12)) @ MIXING).astype(np.float32)


def quotient(pictures: np.ndarray) -> np.ndarray:
    scales = FILMS.std(axis=0)
    to_films, to_others = (
        np.sqrt(LedoitWolf().fit(law / scales).mahalanobis(pictures / scales))
        for law in (FILMS, OTHERS)
    )
    return to_films / to_others


class TestLaws:
    def test_distance_is_the_quotient_of_two_mahalanobis_distances(self) -> None:
        pictures = np.concatenate([FILMS[:20], OTHERS[:20]])
        distances = fit_laws(FILMS, OTHERS).of_features(tf.constant(pictures))
        np.testing.assert_allclose(distances, quotient(pictures), rtol=1e-3)

    def test_one_is_the_threshold(self) -> None:
        distance = with_threshold(fit_laws(FILMS, OTHERS), FILMS[:300], margin=1.15)
        expected = quotient(FILMS[:300]) / (1.15 * np.quantile(quotient(FILMS[:300]), 0.99))
        np.testing.assert_allclose(distance.of_features(FILMS[:300]), expected, rtol=1e-3)
        assert np.mean(distance.of_features(FILMS) > 1) < 0.01
        assert np.mean(distance.of_features(OTHERS) > 1) > 0.6

    def test_a_channel_that_no_film_excites_does_not_break_it(self) -> None:
        dead, alive = np.zeros((500, 1), np.float32), RANDOM.random((400, 1), np.float32)
        distance = fit_laws(np.hstack([FILMS, dead]), np.hstack([OTHERS, alive]))
        distances = distance.of_features(np.hstack([FILMS, dead])[:50]).numpy()
        assert np.isfinite(distances).all()
        assert np.corrcoef(distances, quotient(FILMS[:50]))[0, 1] > 0.9

    def test_more_features_than_films_are_no_fault(self) -> None:
        distance = fit_laws(FILMS[:10], OTHERS[:10])
        assert np.isfinite(distance.of_features(FILMS)).all()

    def test_what_is_kept_is_read_again(self, tmp_path: Path) -> None:
        distance = with_threshold(fit_laws(FILMS, OTHERS), FILMS, margin=1.0)
        keep_distance(distance, str(tmp_path))
        again = read_distance(str(tmp_path))
        np.testing.assert_array_equal(again.of_features(OTHERS), distance.of_features(OTHERS))


class TestFeatures:
    def test_mean_and_deviation_of_each_channel(self) -> None:
        first, second = RANDOM.normal(size=(2, 8, 8, 3)), RANDOM.normal(size=(2, 4, 4, 5))
        expected = np.concatenate(
            [first.mean((1, 2)), first.std((1, 2)), second.mean((1, 2)), second.std((1, 2))], 1
        )
        stages = [tf.constant(one, tf.float32) for one in (first, second)]
        np.testing.assert_allclose(pooled(stages), expected, atol=1e-5)

    @pytest.mark.parametrize(
        ("settings", "sides"),
        [
            (Network(width=4, depth=5), [16, 8, 4]),
            (Network(width=4, depth=5, squeeze_excite=True), [16, 8, 4]),
            (Network(width=4, depth=4, block="residual"), [16, 8]),
            (Network(width=4, depth=2), [32, 16]),
            (Network(backbone="mobilenet_v3"), [32, 16, 8, 4]),
        ],
    )
    def test_stages_are_those_between_the_largest_and_the_smallest(
        self, settings: Network, sides: list[int]
    ) -> None:
        network = build_network(64, settings)
        assert [stage.shape[1] for stage in middle_stages(network)] == sides

    def test_the_film_comes_before_its_mirror_image_and_logits_stay(self) -> None:
        network = build_network(32, Network(width=4, depth=3))
        films = tf.constant(RANDOM.random((2, 32, 32, 1)), tf.float32)
        stages, logits = stages_and_logits(network, flip_average=True)(films)
        alone, _ = stages_and_logits(network)(films)
        assert len(stages) == 2 * len(alone)
        np.testing.assert_allclose(stages[0], alone[0], atol=1e-6)
        mirrored, _ = stages_and_logits(network)(films[:, :, ::-1])
        np.testing.assert_allclose(stages[len(alone)], mirrored[0], atol=1e-6)
        _, expected = activations_and_logits(network, flip_average=True)(films)
        np.testing.assert_allclose(logits, expected, atol=1e-6)
        keras.backend.clear_session()


class TestCounterexamples:
    FILM = RANDOM.random((64, 64), np.float32) * np.linspace(0, 1, 64, dtype=np.float32)

    @pytest.mark.parametrize("kind", range(11))
    def test_each_is_another_picture_of_the_same_form(self, kind: int) -> None:
        made = counterexample(self.FILM, kind, np.random.default_rng(0))
        assert made.shape == self.FILM.shape and made.dtype == np.float32
        assert made.min() >= 0 and made.max() <= 1
        assert np.mean(np.abs(made - self.FILM)) > 0.05
        np.testing.assert_array_equal(
            made, counterexample(self.FILM, kind + 11, np.random.default_rng(0))
        )

    def test_turns_and_inverts(self) -> None:
        turned, inverted = (
            counterexample(self.FILM, kind, np.random.default_rng(0)) for kind in (0, 3)
        )
        np.testing.assert_array_equal(turned, self.FILM.T[::-1])
        np.testing.assert_allclose(inverted + self.FILM, 1)

    @pytest.mark.parametrize("kind", [4, 5, 6])
    def test_cutting_up_keeps_every_pixel(self, kind: int) -> None:
        made = counterexample(self.FILM, kind, np.random.default_rng(1))
        np.testing.assert_array_equal(np.sort(made, axis=None), np.sort(self.FILM, axis=None))

    def test_a_film_of_any_side_can_be_cut_up(self) -> None:
        film = RANDOM.random((51, 51), np.float32)
        for kind in range(11):
            assert counterexample(film, kind, np.random.default_rng(2)).shape == (51, 51)
