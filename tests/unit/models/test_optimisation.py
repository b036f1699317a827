"""How a network learns: the rate, the loss, the averages of moments."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from sklearn import metrics

from models.hyperparameters import Task, Train
from models.network import build_network
from models.optimisation import compile_network
from tests.unit.models.drawn_films import SIZE_PX, make_settings


class TestOptimiser:
    def compiled_rate(self, **train: object) -> Any:
        network = build_network(SIZE_PX, make_settings().network)
        settings = Train.model_validate(train)
        compile_network(network, "binary", settings, settings.epochs, steps_per_epoch=5)
        return network.optimizer

    def test_constant_rate(self) -> None:
        optimiser = self.compiled_rate(learning_rate=0.004, learning_rate_schedule="constant")
        assert isinstance(optimiser, keras.optimizers.Adam)
        assert float(optimiser.learning_rate) == pytest.approx(0.004)

    @pytest.mark.parametrize("step", [0, 7, 25, 50, 80])
    def test_cosine_rate_falls_to_a_hundredth(self, step: int) -> None:
        optimiser = self.compiled_rate(learning_rate=0.004, epochs=10)
        optimiser.iterations.assign(step)
        progress = min(step / 50, 1)
        expected = 0.004 * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)
        assert float(optimiser.learning_rate) == pytest.approx(expected, rel=1e-4)


class TestLoss:
    targets = np.array([[0.0], [1.0], [1.0], [0.0]])
    answers = np.array([[0.2], [0.7], [0.4], [0.9]])

    def loss(self, task: Task = "binary", **train: object) -> keras.losses.Loss:
        network = build_network(SIZE_PX, make_settings().network, task)
        settings = Train.model_validate(train)
        compile_network(network, task, settings, epochs=1, steps_per_epoch=1)
        return network.loss

    def test_is_the_mean_negative_log_likelihood(self) -> None:
        measured = float(self.loss()(self.targets, self.answers))
        assert measured == pytest.approx(metrics.log_loss(self.targets, self.answers), rel=1e-5)

    def test_smoothing_moves_the_targets(self) -> None:
        smoothed = 0.9 * self.targets + 0.05
        likelihood = smoothed * np.log(self.answers) + (1 - smoothed) * np.log(1 - self.answers)
        measured = float(self.loss(label_smoothing=0.1)(self.targets, self.answers))
        assert measured == pytest.approx(-likelihood.mean(), rel=1e-5)

    def test_focal_loss_looks_at_what_is_wrong(self) -> None:
        of_truth = np.where(self.targets == 1, self.answers, 1 - self.answers)
        expected = -np.mean((1 - of_truth) ** 3 * np.log(of_truth))
        measured = self.loss(imbalance="focal", focal_gamma=3)(self.targets, self.answers)
        assert float(measured) == pytest.approx(expected, rel=1e-5)

    def test_of_three_classes(self) -> None:
        answers = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
        measured = float(self.loss("subtype")(np.eye(3)[[0, 1]], answers))
        assert measured == pytest.approx(metrics.log_loss([0, 1], answers, labels=[0, 1, 2]))


class TestMoments:
    @pytest.mark.parametrize(
        ("average", "steps", "momentum"),
        [(0.75, 1000, 0.75), (0.75, 10, 0.5), (0.0, 1000, 0.9), (0.0, 10, 0.5), (0.75, 1, 0.0)],
    )
    def test_moments_are_averaged_as_the_weights_are(
        self, average: float, steps: int, momentum: float
    ) -> None:
        settings = make_settings(weight_average=average)
        network = build_network(SIZE_PX, settings.network, settings.task)
        compile_network(network, settings.task, settings.train, 1, steps)
        images = np.random.default_rng(0).random((4, SIZE_PX, SIZE_PX, 1), np.float32)
        convolved = network.get_layer("convolution_0")(images)
        batch_mean = keras.ops.convert_to_numpy(convolved).mean(axis=(0, 1, 2))
        network.train_on_batch(images, np.array([[0], [1], [0], [1]], np.float32))
        found = network.get_layer("normalisation_0").moving_mean.numpy()
        np.testing.assert_allclose(found, (1 - momentum) * batch_mean, rtol=1e-3, atol=1e-6)
