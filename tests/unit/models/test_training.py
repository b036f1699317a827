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
from sklearn import metrics

from models import features, training
from models.hyperparameters import Hyperparameters, Train
from models.input_pipeline import TransformedFilms, evaluation_batches
from models.network import build_network
from tests.support import LocalRun, read_examples

SIZE_PX = 64


@pytest.fixture(scope="module", name="films")
def open_splits(pushed: LocalRun) -> tuple[TransformedFilms, TransformedFilms]:
    """Train and eval."""
    transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
    uri = pushed.uri("Transform", "transformed_examples")
    train, evaluation = (
        TransformedFilms.open([f"{uri}/Split-{split}/*"], transform)
        for split in (features.TRAIN, features.EVAL)
    )
    return train, evaluation


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
        training.compile_network(network, Train.model_validate(train), steps_per_epoch=5)
        assert network.loss.name == "binary_crossentropy"
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
        training.compile_network(network, settings.train, steps_per_epoch=4)
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
        measured = network.evaluate(
            evaluation_batches(films[1], make_settings()), verbose=0, return_dict=True
        )
        aucs = [float(row["val_auc"]) for row in history]
        assert len(aucs) == 4
        assert min(aucs) < max(aucs)
        assert measured["auc"] == pytest.approx(max(aucs), abs=1e-6)

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
        before, _ = training.calibrate(network, films[1], settings)
        output = network.get_layer("logit")
        kernel, bias = output.get_weights()
        output.set_weights([2 * kernel, 2 * (bias + 3)])
        after, _ = training.calibrate(network, films[1], settings)
        # sigmoid(a x + b) = sigmoid(a / 2 * 2 (x + 3) + b - 3 a)
        assert after.slope == pytest.approx(before.slope / 2, rel=0.02, abs=0.02)
        assert after.intercept == pytest.approx(before.intercept - 3 * before.slope, abs=0.1)


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
            training._checkpoint_folder(arguments(), make_settings(seed=1)),
        }
        assert len(others) == 4
        assert same not in others

    @pytest.mark.parametrize(
        ("text", "best"),
        [
            (None, None),
            ("", None),
            ("epoch,auc,val_auc,loss\n", None),
            ("epoch,auc,val_auc,loss\n0,0.9,0.5,1\n1,0.95,0.75,1\n2,0.99,0.625,1\n", 0.75),
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
    logs = {"loss": 0.5, "val_loss": 0.25, "val_auc": 0.875, "learning_rate": 0.1}
    training.EpochLines(epochs=9).on_epoch_end(1, logs)
    assert caplog.messages == ["epoch 2/9  loss 0.5000  val_loss 0.2500  val_auc 0.8750"]
