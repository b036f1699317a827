"""Group DRO: weights and losses against the algorithm in NumPy, and what it is for."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from models.class_groups import ClassGroups
from models.group_loss import WorstGroupLoss
from models.hyperparameters import Task, Train
from models.input_pipeline import TransformedFilms, training_batches
from models.network import build_network
from models.optimisation import compile_network, learning_variables
from tests.support import ROOT
from tests.unit.models.drawn_films import SIZE_PX, make_settings

GROUPS = np.array([0, 0, 1, 1])  # class of each
STEP = 0.5


def loss_of(classes: np.ndarray = GROUPS) -> WorstGroupLoss:
    of_films = keras.losses.BinaryCrossentropy(reduction=None)
    return WorstGroupLoss(of_films, tf.constant(classes[:, None], tf.float32), STEP)


def call(loss: WorstGroupLoss, answers: np.ndarray, shares: np.ndarray) -> float:
    given = tf.constant(answers[:, None], tf.float32), tf.constant(shares, tf.float32)
    return float(loss(tf.zeros([len(answers), 1]), *given))


def likelihood(answers: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns the loss of each film in each group, `[films, groups]`."""
    return -np.log(np.where(classes == 1, answers[:, None], 1 - answers[:, None]))


def batches(random: np.random.Generator) -> Any:
    """Yields answers and shares: of whole films, of mixed ones, and with groups absent."""
    for present in ([0, 1, 2, 3], [0, 3], [2], [1, 2, 3], [0, 1, 2, 3]):
        answers = random.uniform(0.05, 0.95, 12)
        shares = np.eye(4)[random.choice(present, 12)]
        own = random.uniform(0.5, 1, (12, 1))
        yield answers, own * shares + (1 - own) * shares[::-1]
        yield answers, shares


class TestAlgorithm:
    def test_follows_exponentiated_gradients_over_batches(self) -> None:
        loss, weights = loss_of(), np.full(4, 0.25)
        for answers, shares in batches(np.random.default_rng(0)):
            losses = likelihood(answers, GROUPS)
            expected = 0.0
            held = sum(weights[one] for one in range(4) if shares[:, one].any())
            means = {
                one: np.average(losses[:, one], weights=shares[:, one])
                for one in range(4)
                if shares[:, one].any()
            }
            raised = {one: weights[one] * np.exp(STEP * mean) for one, mean in means.items()}
            for one, mean in means.items():
                weights[one] = held * raised[one] / sum(raised.values())
                expected += weights[one] * mean
            assert call(loss, answers, shares) == pytest.approx(expected, rel=1e-5)
            np.testing.assert_allclose(loss.group_weights.numpy(), weights, rtol=1e-5)
        assert np.ptp(weights) > 0.1  # or nothing was put to the test
        assert weights.sum() == pytest.approx(1)

    def test_an_absent_group_keeps_its_weight(self) -> None:
        loss = loss_of()
        call(loss, np.array([0.9, 0.2]), np.eye(4)[[0, 2]])
        weights = loss.group_weights.numpy()
        assert weights[1] == weights[3] == 0.25
        assert weights[0] > 0.25 > weights[2]  # 0.9 is worse for a normal film than 0.2 for an ill

    def test_of_one_group_a_class_is_the_log_loss_of_each(self) -> None:
        answers, truth = np.array([0.3, 0.6, 0.8, 0.9]), np.array([0, 0, 0, 1])
        loss = loss_of(np.array([0, 1]))
        reached = call(loss, answers, np.eye(2)[truth])
        of_classes = [
            metrics.log_loss(truth[truth == one], answers[truth == one], labels=[0, 1])
            for one in (0, 1)
        ]
        raised = np.exp(STEP * np.array(of_classes))
        assert reached == pytest.approx(raised @ of_classes / raised.sum(), rel=1e-5)

    def test_learns_from_the_losses_and_not_from_the_weights(self) -> None:
        answers = np.array([0.3, 0.6, 0.8])
        loss, shares = loss_of(np.array([0, 1])), np.eye(2)[[0, 0, 1]]
        with tf.GradientTape() as tape:
            given = tf.constant(answers[:, None], tf.float32)
            tape.watch(given)
            reached = loss(None, given, tf.constant(shares, tf.float32))
        weights = loss.group_weights.numpy()
        expected = [weights[0] / 2 / 0.7, weights[0] / 2 / 0.4, -weights[1] / 0.8]
        np.testing.assert_allclose(tape.gradient(reached, given)[:, 0], expected, rtol=1e-4)


def compiled(task: Task, classes: list[int], **train: object) -> keras.Model:
    network = build_network(SIZE_PX, make_settings().network, task)
    settings = Train.model_validate({"group_step_size": STEP, **train})
    groups = ClassGroups.of(np.array(classes), np.full(len(classes), b"a", object))
    compile_network(network, task, settings, 1, 1, groups)
    return network


class TestFilms:
    """The loss of a film is the one of the settings."""

    shares = np.eye(2)[[0, 1, 1]]
    answers = np.array([0.2, 0.7, 0.4])
    of_truth = np.array([0.8, 0.7, 0.4])

    def expected(self, losses: np.ndarray) -> float:
        means = np.array([losses[0], losses[1:].mean()])
        raised = np.exp(STEP * means)
        return float(raised @ means / raised.sum())

    def test_may_be_focal(self) -> None:
        network = compiled("binary", [0, 1], imbalance="focal", focal_gamma=3)
        expected = self.expected(-((1 - self.of_truth) ** 3) * np.log(self.of_truth))
        assert call(network.loss, self.answers, self.shares) == pytest.approx(expected, rel=1e-5)

    def test_may_be_smoothed(self) -> None:
        network = compiled("binary", [0, 1], label_smoothing=0.1)
        losses = -0.95 * np.log(self.of_truth) - 0.05 * np.log(1 - self.of_truth)
        expected = self.expected(losses)
        assert call(network.loss, self.answers, self.shares) == pytest.approx(expected, rel=1e-5)

    def test_may_be_of_three_classes(self) -> None:
        loss = compiled("subtype", [0, 2]).loss  # no film of the class between
        answers = tf.constant([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.3, 0.2]])
        expected = self.expected(-np.log([0.7, 0.6, 0.2]))
        reached = float(loss(None, answers, tf.constant(self.shares, tf.float32)))
        assert reached == pytest.approx(expected, rel=1e-5)


class TestShares:
    """What a film counts in each group, as batches hand it over."""

    def batches(self, films: TransformedFilms, **train: Any) -> tuple[np.ndarray, ...]:
        settings = make_settings(objective="worst_group", group_by="style", **train)
        read = list(training_batches(films, settings).as_numpy_iterator())
        _, targets, shares = zip(*read, strict=True)
        return np.concatenate(targets)[:, 0], np.concatenate(shares)

    def test_are_whole_and_heed_no_class_weights(
        self, drawn: tuple[TransformedFilms, TransformedFilms]
    ) -> None:
        targets, shares = self.batches(drawn[0], mixup=0, imbalance="class_weights")
        assert set(shares.ravel()) == {0, 1}
        of_styles = Counter(zip(drawn[0].classes, drawn[0].groups("style"), strict=True))
        # By class and then by style, of which "marked" is the first.
        expected = [of_styles[pair] for pair in sorted(of_styles)]
        assert shares.sum(axis=0).tolist() == expected
        np.testing.assert_array_equal(targets, shares @ GROUPS)

    def test_of_mixed_films_are_those_of_the_mixture(
        self, drawn: tuple[TransformedFilms, TransformedFilms]
    ) -> None:
        targets, shares = self.batches(drawn[0], mixup=1.0)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(targets, shares @ GROUPS, rtol=1e-5)
        assert np.mean(shares.max(axis=1) < 0.9) > 0.2


def test_group_weights_are_kept_with_the_optimiser() -> None:
    network = compiled("binary", [0, 1])
    network.optimizer.build(network.trainable_variables)
    *optimiser, weights = learning_variables(network)
    assert weights is network.loss.group_weights
    assert optimiser == list(network.optimizer.variables)
    compile_network(network, "binary", Train(), 1, 1)
    network.optimizer.build(network.trainable_variables)
    assert learning_variables(network) == list(network.optimizer.variables)


ON_TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from models.group_loss import WorstGroupLoss
groups = np.tile([0, 1, 2, 0, 0, 1, 2, 0], 4)  # of each eight, both halves alike
films = np.eye(3, dtype=np.float32)[groups], (groups > 0).astype(np.float32)[:, None]
batches = tf.data.Dataset.from_tensor_slices((*films, films[0])).batch(8)
for strategy in (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy()):
    with strategy.scope():
        layer = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
        network = keras.Sequential([keras.Input([3]), layer])
        of_films = keras.losses.BinaryCrossentropy(reduction=None)
        loss = WorstGroupLoss(of_films, tf.constant([[0.0], [1.0], [1.0]]), 1.0)
        network.compile(keras.optimizers.SGD(0.5), loss)
    history = network.fit(batches, epochs=2, verbose=0).history["loss"]
    print(*history, *loss.group_weights.numpy(), *layer.kernel.numpy().ravel())
"""


@pytest.mark.slow
def test_two_devices_learn_what_one_does() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    two, one = (np.array(line.split(), float) for line in ended.stdout.splitlines())
    np.testing.assert_allclose(two, one, rtol=1e-4)
    assert one[2] > one[3]  # the normal films, which are answered wrongly at first
