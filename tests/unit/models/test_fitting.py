"""Fitting: phases, averages, patience, the best epoch, and going on after a kill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from models import features, fitting
from models.checkpoints import Checkpoints, Weights
from models.fitting import MONITORED, Fitted, fit
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from models.network import LOGITS, build_network
from models.scoring import CALIBRATED_LOG_LOSS, Scorer
from tests.support import ROOT
from tests.unit.models import kill_fits
from tests.unit.models.drawn_films import SIZE_PX, damage, make_settings

Splits = tuple[TransformedFilms, TransformedFilms]
FIRST_LAYER = "convolution_0"
WORST_STYLE: dict[str, Any] = {
    "objective": "worst_group",
    "group_step_size": 1.0,
    "group_by": "style",
}


def build(settings: Hyperparameters) -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_network(SIZE_PX, settings.network)


def fit_in(folder: str | Path, drawn: Splits, settings: Hyperparameters, **changes: Any) -> Fitted:
    """Fits a new network in a folder of checkpoints and events."""
    network = changes.pop("network", None) or build(settings)
    return fit(network, network.get_weights(), *drawn, settings, f"{folder}/kept", str(folder))


def layer_of(network: keras.Model, weights: Weights, name: str) -> np.ndarray:
    """Returns the first array that belongs to a layer."""
    network.set_weights(weights)
    return network.get_layer(name).get_weights()[0]


def epochs_of(fitted: Fitted) -> list[float]:
    return [row["epoch"] for row in fitted.history]


@pytest.fixture(name="scripted")
def script_losses(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets epochs reach given losses."""

    def script(*losses: float) -> Iterator[float]:
        remaining = iter(losses)
        monkeypatch.setattr(
            fitting, "evaluate", lambda *_: {CALIBRATED_LOG_LOSS: next(remaining), "auc": 0.5}
        )
        return remaining

    return script


class TestWeights:
    @pytest.fixture(scope="class", name="fitted")
    def fit(
        self, drawn: Splits, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Fitted, keras.Model, Path]:
        """Four epochs: what they came to, the network, the logs."""
        folder = tmp_path_factory.mktemp("fit")
        settings = make_settings(epochs=4, early_stopping_patience=4, learning_rate=0.03)
        network = build(settings)
        return fit_in(folder, drawn, settings, network=network), network, folder

    def test_are_of_the_best_epoch(
        self, fitted: tuple[Fitted, keras.Model, Path], drawn: Splits
    ) -> None:
        came_to, network, _ = fitted
        network.set_weights(came_to.weights)
        logits, labels = Scorer(network, drawn[1], make_settings())()
        logits = logits[:, 0]
        # Platt's map is a logistic regression on the logit, to targets that he moved inwards.
        negatives, positives = np.bincount(labels)
        targets = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        doubled, weights = np.tile(logits, 2)[:, None], np.concatenate([targets, 1 - targets])
        classes = np.repeat([1, 0], len(logits))
        regression = LogisticRegression(C=np.inf, tol=1e-8).fit(doubled, classes, weights)
        best = metrics.log_loss(labels, regression.predict_proba(logits[:, None])[:, 1])
        losses = [row[MONITORED] for row in came_to.history]
        assert len(losses) == 4
        assert min(losses) < max(losses)
        assert best == pytest.approx(min(losses), abs=1e-4)

    def test_start_as_they_are_given(self, drawn: Splits, tmp_path: Path) -> None:
        settings = make_settings(
            epochs=1, max_steps_per_epoch=1, learning_rate=1e-7, weight_average=0
        )
        network = build(settings)
        given = [weight + 0.25 for weight in network.get_weights()]
        trained = fit(
            network, given, *drawn, settings, str(tmp_path / "kept"), str(tmp_path)
        ).weights
        expected = layer_of(network, given, FIRST_LAYER)
        np.testing.assert_allclose(layer_of(network, trained, FIRST_LAYER), expected, atol=1e-5)

    def test_events_are_written_for_tensorboard(
        self, fitted: tuple[Fitted, keras.Model, Path]
    ) -> None:
        *_, folder = fitted
        for part in ("train", "validation"):
            (events,) = (folder / "tensorboard" / part).iterdir()
            assert events.stat().st_size > 0

    # Of ten steps, a fifth is two, over which a momentum of a half averages.
    @pytest.mark.parametrize(("wanted", "momentum"), [(0.25, 0.25), (0.99, 0.5)])
    def test_are_averaged_while_training_goes_on_from_those_it_had(
        self,
        drawn: Splits,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        wanted: float,
        momentum: float,
    ) -> None:
        settings = make_settings(
            epochs=1,
            batch_size=4,
            max_steps_per_epoch=10,
            weight_average=wanted,
            learning_rate_schedule="constant",
        )
        network = build(settings)
        after: list[np.ndarray] = []

        def look(self: keras.callbacks.Callback, batch: int, logs: Any = None) -> None:
            after.append(self.model.get_layer(LOGITS).get_weights()[0])

        monkeypatch.setattr(fitting.EpochLines, "on_train_batch_end", look)
        fitted = fit_in(tmp_path, drawn, settings, network=network)
        state = Checkpoints(str(tmp_path / "kept")).latest()
        assert state is not None
        np.testing.assert_array_equal(layer_of(network, state.weights, LOGITS), after[-1])
        average = after[0]  # Keras begins with the first step
        for weights in after[1:]:
            average = momentum * average + (1 - momentum) * weights
        kept = layer_of(network, fitted.weights, LOGITS)
        np.testing.assert_allclose(kept, average, atol=1e-6)
        assert len(after) == 10
        assert np.abs(kept - after[-1]).max() > 1e-4


class TestFrozenEpochs:
    def test_the_backbone_waits(self, drawn: Splits, tmp_path: Path) -> None:
        settings = make_settings(frozen_epochs=1, epochs=1, max_steps_per_epoch=2)
        network = build(settings)
        before = network.get_weights()
        after = fit_in(tmp_path, drawn, settings, network=network).weights
        first, last = (
            [layer_of(network, weights, name) for weights in (before, after)]
            for name in (FIRST_LAYER, LOGITS)
        )
        np.testing.assert_array_equal(first[1], first[0])
        assert np.abs(last[1] - last[0]).max() > 1e-5

    @pytest.mark.parametrize("stopped_after", [1, 2, 3])
    def test_an_interrupted_phase_is_taken_up_and_followed_by_the_second(
        self, drawn: Splits, tmp_path: Path, stopped_after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = make_settings(frozen_epochs=2, epochs=4, max_steps_per_epoch=1)
        interrupt(monkeypatch, tmp_path, drawn, settings, stopped_after)
        network = build(settings)
        fitted = fit_in(tmp_path, drawn, settings, network=network)
        assert epochs_of(fitted) == [0, 1, 2, 3]
        assert int(network.optimizer.iterations) == 2  # of the second phase alone


def interrupt(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    drawn: Splits,
    settings: Hyperparameters,
    epochs: int,
) -> None:
    """Stops a training once so many epochs are kept."""

    def stop(self: keras.callbacks.Callback, epoch: int, logs: Any = None) -> None:
        if epoch == epochs - 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting.EpochLines, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            fit_in(folder, drawn, settings)


class TestPatience:
    def test_stops_where_it_ends(self, drawn: Splits, tmp_path: Path, scripted: Any) -> None:
        losses = scripted(0.5, 0.25, 0.375, 0.3, 0.2, 0.1)
        settings = make_settings(epochs=6, early_stopping_patience=2, max_steps_per_epoch=1)
        fit_in(tmp_path, drawn, settings)
        assert list(losses) == [0.2, 0.1]

    def test_goes_on_where_the_training_was_stopped(
        self, drawn: Splits, tmp_path: Path, scripted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        losses = scripted(0.5, 0.25, 0.375, 0.3, 0.2, 0.1)
        settings = make_settings(epochs=6, early_stopping_patience=2, max_steps_per_epoch=1)
        interrupt(monkeypatch, tmp_path, drawn, settings, 3)
        assert len(fit_in(tmp_path, drawn, settings).history) == 4
        assert list(losses) == [0.2, 0.1]
        assert len(fit_in(tmp_path, drawn, settings).history) == 4  # it was spent already
        assert list(losses) == []

    def test_begins_anew_with_the_second_phase(
        self, drawn: Splits, tmp_path: Path, scripted: Any
    ) -> None:
        losses = scripted(0.1, 0.2, 0.3, 0.35, 0.4, 0.5)
        settings = make_settings(
            frozen_epochs=3, epochs=7, early_stopping_patience=2, max_steps_per_epoch=1
        )
        fitted = fit_in(tmp_path, drawn, settings)
        assert epochs_of(fitted) == [0, 1, 2, 3, 4]
        assert list(losses) == [0.5]


class TestGoingOn:
    @pytest.mark.parametrize(
        "train", [{"weight_average": 0.0}, {"weight_average": 0.5}, WORST_STYLE], ids=str
    )
    def test_ends_in_the_weights_of_a_training_that_was_not_stopped(
        self,
        drawn: Splits,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        train: dict[str, Any],
    ) -> None:
        """With the same films in every step, so that their order does not matter."""
        settings = make_settings(epochs=4, batch_size=64, mixup=0, learning_rate=0.01, **train)
        settings = settings.model_copy(
            update={
                "augmentation": settings.augmentation.model_copy(update={"strength": 0}),
                "network": settings.network.model_copy(update={"dropout": 0}),
            }
        )
        whole = fit_in(tmp_path / "whole", drawn, settings)
        interrupt(monkeypatch, tmp_path / "halved", drawn, settings, 2)
        halved = fit_in(tmp_path / "halved", drawn, settings)
        for one, other in zip(whole.weights, halved.weights, strict=True):
            np.testing.assert_allclose(other, one, atol=2e-4)
        assert [row[MONITORED] for row in halved.history] == pytest.approx(
            [row[MONITORED] for row in whole.history], abs=1e-3
        )

    def test_takes_up_the_weights_of_groups(
        self, drawn: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = make_settings(epochs=2, max_steps_per_epoch=2, learning_rate=1e-7, **WORST_STYLE)
        interrupt(monkeypatch, tmp_path, drawn, settings, 1)
        state = Checkpoints(str(tmp_path / "kept")).latest()
        assert state is not None
        kept = state.optimiser[-1]
        assert kept.shape == (4,) and np.ptp(kept) > 1e-3
        seen: list[np.ndarray] = []

        def look(self: keras.callbacks.Callback, logs: Any = None) -> None:
            seen.append(self.model.loss.group_weights.numpy())

        monkeypatch.setattr(fitting.EpochLines, "on_train_begin", look)
        fit_in(tmp_path, drawn, settings)
        np.testing.assert_array_equal(seen, [kept])

    def test_does_nothing_where_all_is_done(self, drawn: Splits, tmp_path: Path) -> None:
        settings = make_settings(epochs=2, max_steps_per_epoch=1)
        first = fit_in(tmp_path, drawn, settings)
        again = fit_in(tmp_path, drawn, settings)
        assert again.history == first.history
        for one, other in zip(first.weights, again.weights, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_the_best_epoch_stays_the_best(
        self, drawn: Splits, tmp_path: Path, scripted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scripted(0.1, 0.3, 0.2, 0.4)
        settings = make_settings(epochs=4, max_steps_per_epoch=1)
        interrupt(monkeypatch, tmp_path, drawn, settings, 1)
        state = Checkpoints(str(tmp_path / "kept")).latest()
        assert state is not None
        fitted = fit_in(tmp_path, drawn, settings)
        for kept, given in zip(state.best_weights, fitted.weights, strict=True):
            np.testing.assert_array_equal(kept, given)

    def test_on_a_remote_root(
        self, drawn: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        settings = make_settings(epochs=2, max_steps_per_epoch=1)
        remote = "ram://bucket/training"
        fits = [fit_in(remote, drawn, settings) for _ in range(2)]
        assert [epochs_of(one) for one in fits] == [[0, 1]] * 2
        longer = make_settings(epochs=3, max_steps_per_epoch=1)
        assert epochs_of(fit_in(remote, drawn, longer)) == [0, 1, 2]
        (events,) = tf.io.gfile.glob(f"{remote}/tensorboard/validation/*")[:1]
        assert tf.io.gfile.stat(events).length > 0
        assert list(tmp_path.iterdir()) == []  # nothing took the address for a path


class TestKills:
    def test_with_every_file_damaged_the_training_begins_anew(
        self, drawn: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = make_settings(epochs=3, max_steps_per_epoch=1)
        interrupt(monkeypatch, tmp_path, drawn, settings, 2)
        for file in (tmp_path / "kept").iterdir():
            damage(file, "truncated")
        assert epochs_of(fit_in(tmp_path, drawn, settings)) == [0, 1, 2]

    @pytest.mark.slow
    def test_at_random_moments_leave_a_training_that_ends(
        self, split_files: dict[str, str], tmp_path: Path
    ) -> None:
        files = split_files[features.TRAIN], split_files[features.EVAL]
        ended = subprocess.run(
            [sys.executable, "-m", kill_fits.__name__, *files, str(tmp_path), "4"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert json.loads(ended.stdout) == list(range(kill_fits.EPOCHS))


def test_an_epoch_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    logs = {"loss": 0.5, "val_calibrated_log_loss": 0.25, "val_auc": 0.875, "learning_rate": 0.1}
    fitting.EpochLines(epochs=9).on_epoch_end(1, logs)
    assert caplog.messages == [
        "epoch 2/9  loss 0.5000  val_calibrated_log_loss 0.2500  val_auc 0.8750"
    ]


class TestWhatLearns:
    def changed(self, drawn: Splits, folder: Path, learns: str) -> set[str]:
        """Returns the layers whose weights a training has changed."""
        settings = make_settings(epochs=2, learning_rate=0.05)
        network_settings = settings.network.model_copy(update={"learns": learns})
        settings = settings.model_copy(update={"network": network_settings})
        network = build(settings)
        before = network.get_weights()
        fitted = fit_in(folder, drawn, settings, network=network)
        return {
            layer.name
            for layer in network.layers
            if layer.weights
            and not np.array_equal(
                layer_of(network, before, layer.name), layer_of(network, fitted.weights, layer.name)
            )
        }

    def test_the_last_layer_alone(self, drawn: Splits, tmp_path: Path) -> None:
        assert self.changed(drawn, tmp_path, "last_layer") == {LOGITS}

    def test_nothing(self, drawn: Splits, tmp_path: Path) -> None:
        assert self.changed(drawn, tmp_path, "nothing") == set()

    def test_all(self, drawn: Splits, tmp_path: Path) -> None:
        assert {FIRST_LAYER, "dense", LOGITS} <= self.changed(drawn, tmp_path, "all")

    def test_all_after_the_last_layer(self, drawn: Splits, tmp_path: Path) -> None:
        settings = make_settings(epochs=1, learning_rate=0.05)
        network = build(settings)
        for layer in network.layers:
            layer.trainable = layer.name == LOGITS
        before = network.get_weights()
        fitted = fit_in(tmp_path, drawn, settings, network=network)
        first, last = (layer_of(network, one, "dense") for one in (before, fitted.weights))
        assert not np.array_equal(first, last)
