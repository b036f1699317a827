"""Training in parts: settings, optimiser, best weights, calibration, checkpoints."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from scipy.special import expit
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from models import features, training
from models.hyperparameters import Hyperparameters, Task, Train
from models.input_pipeline import TransformedFilms
from models.network import LOGITS, build_network
from tests.support import LocalRun, read_examples

SIZE_PX = 64


@pytest.fixture(scope="module", name="films")
def open_splits(pushed: LocalRun) -> tuple[TransformedFilms, TransformedFilms]:
    """Train and eval."""
    return open_split(pushed, features.TRAIN), open_split(pushed, features.EVAL)


def open_split(run: LocalRun, split: str, task: Task = "binary") -> TransformedFilms:
    transform = tft.TFTransformOutput(str(run.uri("Transform", "transform_graph")))
    uri = run.uri("Transform", "transformed_examples")
    return TransformedFilms.open([f"{uri}/Split-{split}/*"], transform, task)


def make_settings(**train: object) -> Hyperparameters:
    return Hyperparameters.model_validate(
        {
            "preprocessing": {"image_size_px": SIZE_PX},
            "network": {"width": 4, "depth": 3, "dense_units": 8},
            "train": train,
        }
    )


def arguments(tuned: dict[str, Any] | None = None, **changes: Any) -> Any:
    """What TFX hands to `run_fn`, as far as the settings and checkpoints look at it."""
    values: dict[str, Any] = {
        "hyperparameters": {"values": tuned} if tuned else None,
        "transform_output": "transform/1",
        "train_files": ["train-0"],
        "custom_config": {
            training.HYPERPARAMETERS: make_settings().model_dump_json(),
            training.CHECKPOINT_ROOT: "checkpoints",
            training.SOURCE_FINGERPRINT: "code",
            training.IMPORTED: "nothing",
            training.KEEP: [],
        },
    }
    return SimpleNamespace(**{**values, **changes})


class TestSettings:
    def test_without_tuning_are_those_of_the_config(self) -> None:
        assert training.training_settings(arguments()) == make_settings()

    def test_tuned_ones_are_laid_over(self) -> None:
        settings = training.training_settings(arguments({"network.dropout": 0.45}))
        assert settings.network.dropout == 0.45
        assert settings.network.width == make_settings().network.width

    def test_what_the_user_named_is_kept(self) -> None:
        given = arguments({"network.dropout": 0.45, "network.width": 8})
        given.custom_config[training.KEEP] = ["network.dropout"]
        settings = training.training_settings(given)
        assert (settings.network.dropout, settings.network.width) == (0.3, 8)


class TestOptimiser:
    def compiled_rate(self, **train: object) -> Any:
        network = build_network(SIZE_PX, make_settings().network)
        settings = Train.model_validate(train)
        training.compile_network(network, "binary", settings, settings.epochs, steps_per_epoch=5)
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
        training.compile_network(network, task, settings, epochs=1, steps_per_epoch=1)
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


class TestWeightAverage:
    # Of ten steps, a fifth is two, over which a momentum of a half averages.
    @pytest.mark.parametrize(("wanted", "momentum"), [(0.25, 0.25), (0.99, 0.5)])
    def test_the_kept_weights_are_the_average(
        self,
        films: tuple[TransformedFilms, TransformedFilms],
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
        keras.utils.set_random_seed(0)
        network = build_network(SIZE_PX, settings.network)
        after: list[np.ndarray] = []

        class Look(keras.callbacks.BackupAndRestore):
            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                after.append(self.model.get_layer(LOGITS).get_weights()[0])

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                np.testing.assert_array_equal(
                    self.model.get_layer(LOGITS).get_weights()[0], after[-1]
                )

        monkeypatch.setattr(keras.callbacks, "BackupAndRestore", Look)
        training.fit(network, *films, settings, str(tmp_path / "checkpoints"), str(tmp_path))
        average = after[0]  # Keras begins with the first step
        for weights in after[1:]:
            average = momentum * average + (1 - momentum) * weights
        kept = network.get_layer(LOGITS).get_weights()[0]
        np.testing.assert_allclose(kept, average, atol=1e-6)
        assert len(after) == 10
        assert np.abs(kept - after[-1]).max() > 1e-4

    @pytest.mark.parametrize(
        ("average", "steps", "momentum"),
        [(0.75, 1000, 0.75), (0.75, 10, 0.5), (0.0, 1000, 0.9), (0.0, 10, 0.5), (0.75, 1, 0.0)],
    )
    def test_moments_are_averaged_as_the_weights_are(
        self, average: float, steps: int, momentum: float
    ) -> None:
        settings = make_settings(weight_average=average)
        network = build_network(SIZE_PX, settings.network, settings.task)
        training.compile_network(network, settings.task, settings.train, 1, steps)
        images = np.random.default_rng(0).random((4, SIZE_PX, SIZE_PX, 1), np.float32)
        convolved = network.get_layer("convolution_0")(images)
        batch_mean = keras.ops.convert_to_numpy(convolved).mean(axis=(0, 1, 2))
        network.train_on_batch(images, np.array([[0], [1], [0], [1]], np.float32))
        found = network.get_layer("normalisation_0").moving_mean.numpy()
        np.testing.assert_allclose(found, (1 - momentum) * batch_mean, rtol=1e-3, atol=1e-6)


class TestFrozenEpochs:
    def test_the_backbone_waits(
        self, films: tuple[TransformedFilms, TransformedFilms], tmp_path: Path
    ) -> None:
        settings = make_settings(epochs=1, max_steps_per_epoch=2)
        network_settings = settings.network.model_copy(update={"frozen_epochs": 1})
        settings = settings.model_copy(update={"network": network_settings})
        network = build_network(SIZE_PX, settings.network)
        first = network.get_layer("convolution_0").get_weights()[0]
        last = network.get_layer(LOGITS).get_weights()[0]
        training.fit(network, *films, settings, str(tmp_path / "checkpoints"), str(tmp_path))
        np.testing.assert_array_equal(network.get_layer("convolution_0").get_weights()[0], first)
        assert np.abs(network.get_layer(LOGITS).get_weights()[0] - last).max() > 1e-5

    def test_an_interrupted_first_phase_is_taken_up_and_followed_by_the_second(
        self,
        films: tuple[TransformedFilms, TransformedFilms],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings = Hyperparameters.model_validate(
            {
                **make_settings(epochs=4, max_steps_per_epoch=1).model_dump(),
                "network": {"width": 4, "depth": 3, "dense_units": 8, "frozen_epochs": 2},
            }
        )

        def stop(self: keras.callbacks.EarlyStopping, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

        folders = str(tmp_path / "checkpoints"), str(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(keras.callbacks.EarlyStopping, "on_epoch_begin", stop)
            with pytest.raises(KeyboardInterrupt):
                training.fit(build_network(SIZE_PX, settings.network), *films, settings, *folders)
        network = build_network(SIZE_PX, settings.network)
        training.fit(network, *films, settings, *folders)
        with (tmp_path / "checkpoints" / "history.csv").open(encoding="utf-8") as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2", "3"]
        assert int(network.optimizer.iterations) == 2  # of the second phase alone


class TestFit:
    @pytest.fixture(scope="class", name="fitted")
    def fit(
        self,
        films: tuple[TransformedFilms, TransformedFilms],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> tuple[keras.Model, list[dict[str, str]], Path]:
        """A tiny network after four epochs: itself, its history, its logs."""
        folder = tmp_path_factory.mktemp("fit")
        settings = make_settings(epochs=4, early_stopping_patience=4, learning_rate=0.01)
        keras.utils.set_random_seed(0)
        network = build_network(SIZE_PX, settings.network)
        checkpoints = folder / "checkpoints"
        training.fit(network, *films, settings, str(checkpoints), str(folder))
        with (checkpoints / "history.csv").open(encoding="utf-8") as file:
            return network, list(csv.DictReader(file)), folder

    def test_ends_with_the_best_weights(
        self,
        fitted: tuple[keras.Model, list[dict[str, str]], Path],
        films: tuple[TransformedFilms, TransformedFilms],
    ) -> None:
        network, history, _ = fitted
        logits, labels = training.Scorer(network, films[1], make_settings())()
        logits = logits[:, 0]
        # Platt's map is a logistic regression on the logit, to targets that he moved inwards.
        negatives, positives = np.bincount(labels)
        targets = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        doubled, weights = np.tile(logits, 2)[:, None], np.concatenate([targets, 1 - targets])
        classes = np.repeat([1, 0], len(logits))
        regression = LogisticRegression(C=np.inf, tol=1e-8).fit(doubled, classes, weights)
        best = metrics.log_loss(labels, regression.predict_proba(logits[:, None])[:, 1])
        losses = [float(row["val_calibrated_log_loss"]) for row in history]
        assert len(losses) == 4
        assert min(losses) < max(losses)
        assert best == pytest.approx(min(losses), abs=1e-4)

    def test_log_loss_of_subtypes_is_that_of_pneumonia_and_that_of_its_kind(
        self, pushed: LocalRun
    ) -> None:
        settings = make_settings()
        keras.utils.set_random_seed(0)
        network = build_network(SIZE_PX, settings.network, "subtype")
        subtypes = open_split(pushed, features.EVAL, "subtype")
        logits, classes = training.Scorer(network, subtypes, settings)()
        assert np.bincount(classes).tolist() == list(subtypes.counts)
        calibration, _ = training.calibrate(logits, classes, settings)
        ill = classes > 0
        of_pneumonia = np.logaddexp(logits[:, 1], logits[:, 2]) - logits[:, 0]
        first = metrics.log_loss(ill, calibration.probabilities(of_pneumonia))
        kind = metrics.log_loss(classes[ill] == 1, expit(logits[ill, 1] - logits[ill, 2]))
        reached = training.evaluate(logits, classes, settings)
        assert reached["calibrated_log_loss"] == pytest.approx(first + ill.mean() * kind, rel=1e-5)
        assert reached["auc"] == pytest.approx(metrics.roc_auc_score(ill, of_pneumonia))

    def test_a_diverged_network_is_named(self) -> None:
        logits = np.array([[1.0], [np.nan], [0.0]])
        with pytest.raises(ValueError, match=r"diverged.* train\.learning_rate below 0\.5$"):
            training.evaluate(logits, np.array([1, 0, 1]), make_settings(learning_rate=0.5))

    def test_stops_where_patience_ends(
        self,
        films: tuple[TransformedFilms, TransformedFilms],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        losses = iter([0.5, 0.25, 0.375, 0.3, 0.2, 0.1])
        monkeypatch.setattr(
            training, "evaluate", lambda *_: {training.CALIBRATED_LOG_LOSS: next(losses)}
        )
        settings = make_settings(epochs=6, early_stopping_patience=2, max_steps_per_epoch=1)
        network = build_network(SIZE_PX, settings.network)
        training.fit(network, *films, settings, str(tmp_path), str(tmp_path))
        assert list(losses) == [0.2, 0.1]

    def test_writes_events_for_tensorboard(
        self, fitted: tuple[keras.Model, list[dict[str, str]], Path]
    ) -> None:
        *_, folder = fitted
        for part in ("train", "validation"):
            (events,) = (folder / "tensorboard" / part).iterdir()
            assert events.stat().st_size > 0


class TestOperatingPoint:
    def test_reaches_on_eval_what_the_record_says(self, pushed: LocalRun, served: Any) -> None:
        record = json.loads(
            (pushed.uri("Trainer", "model_run") / training.TRAINING_RECORD).read_text()
        )
        point = record["operating_point"]
        examples = read_examples(pushed.uri("RadiographExampleGen", "examples"), features.EVAL)
        answer = served.signatures[features.SERVING_DEFAULT](examples=tf.constant(examples))
        called = answer[features.PREDICTED_LABEL].numpy() == b"PNEUMONIA"
        truth = np.array(
            [
                tf.train.Example.FromString(one).features.feature["label"].bytes_list.value[0]
                == b"PNEUMONIA"
                for one in examples
            ]
        )
        assert point["sensitivity"] == pytest.approx(metrics.recall_score(truth, called))
        assert point["specificity"] == pytest.approx(metrics.recall_score(~truth, ~called))
        assert point["sensitivity"] >= point["target_sensitivity"] == 0.95

    def test_calibration_undoes_a_shift_of_the_logit(
        self, films: tuple[TransformedFilms, TransformedFilms]
    ) -> None:
        settings = make_settings()
        keras.utils.set_random_seed(1)
        network = build_network(SIZE_PX, settings.network)
        score = training.Scorer(network, films[1], settings)
        before, _ = training.calibrate(*score(), settings)
        output = network.get_layer(LOGITS)
        kernel, bias = output.get_weights()
        output.set_weights([2 * kernel, 2 * (bias + 3)])
        after, _ = training.calibrate(*score(), settings)
        slope = before.slope_above
        assert after.slope_above == after.slope_below
        # sigmoid(a x + b) = sigmoid(a / 2 * 2 (x + 3) + b - 3 a)
        assert after.slope_above == pytest.approx(slope / 2, rel=0.02, abs=0.02)
        assert after.intercept == pytest.approx(before.intercept - 3 * slope, abs=0.1)


class TestCheckpoints:
    def test_are_found_by_the_very_same_training_alone(self) -> None:
        def folder(**changes: Any) -> str:
            return training._checkpoint_folder(arguments(**changes), make_settings())

        same = folder()
        assert folder() == same
        assert Path(same).parent == Path("checkpoints")
        other_code = {**arguments().custom_config, training.SOURCE_FINGERPRINT: "other"}
        others = {
            folder(transform_output="transform/2"),
            folder(train_files=["train-1"]),
            folder(custom_config=other_code),
            folder(custom_config={**arguments().custom_config, training.IMPORTED: "weights"}),
            training._checkpoint_folder(arguments(), make_settings(seed=1)),
        }
        assert len(others) == 5
        assert same not in others

    @pytest.mark.parametrize(
        ("text", "best"),
        [
            (None, None),
            ("", None),
            ("epoch,val_auc,val_calibrated_log_loss\n", None),
            ("epoch,val_auc,val_calibrated_log_loss\n0,0.9,0.5\n1,0.95,0.25\n2,0.99,0.375\n", 0.25),
        ],
    )
    def test_best_value_is_read_from_the_history(
        self, tmp_path: Path, text: str | None, best: float | None
    ) -> None:
        history = tmp_path / "history.csv"
        if text is not None:
            history.write_text(text, encoding="utf-8")
        assert training._best_of(str(history)) == best


def test_an_epoch_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    logs = {"loss": 0.5, "val_calibrated_log_loss": 0.25, "val_auc": 0.875, "learning_rate": 0.1}
    training.EpochLines(epochs=9).on_epoch_end(1, logs)
    assert caplog.messages == [
        "epoch 2/9  loss 0.5000  val_calibrated_log_loss 0.2500  val_auc 0.8750"
    ]
