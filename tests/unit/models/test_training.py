"""`run_fn`: settings, the folder of checkpoints, and a training on any root."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from components.model_validator.executor import TOLERANCE, training_path_probabilities
from models import features, training
from models.hyperparameters import Hyperparameters
from models.records import TRAINING_RECORD, read_record
from tests.support import LocalRun, read_examples

SIZE_PX = 64


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


class TestRemoteRoot:
    """Every folder that is written is one that no path leads to."""

    @pytest.fixture(name="opened")
    def watch_opened_paths(self) -> Iterator[list[str]]:
        """Paths that Python opens meanwhile."""
        opened: list[str] = []
        watching = [True]

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            if watching and event in ("open", "os.mkdir", "os.rename", "os.listdir"):
                opened.append(str(arguments[0]))

        sys.addaudithook(watch)  # cannot be taken away again
        yield opened
        watching.clear()

    @pytest.mark.parametrize("keras_format", ["keras", "h5"])
    def test_a_training_ends_there_and_can_be_validated(
        self,
        keras_format: str,
        pushed: LocalRun,
        opened: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        root = f"ram://bucket/{keras_format}"
        transform = str(pushed.uri("Transform", "transform_graph"))
        films = pushed.uri("Transform", "transformed_examples")
        given = arguments(
            transform_output=transform,
            train_files=[f"{films}/Split-{features.TRAIN}/*"],
            eval_files=[f"{films}/Split-{features.EVAL}/*"],
            serving_model_dir=f"{root}/model/Format-Serving",
            model_run_dir=f"{root}/model_run",
        )
        settings = make_settings(epochs=2, max_steps_per_epoch=2, keras_format=keras_format)
        given.custom_config[training.HYPERPARAMETERS] = settings.model_dump_json()
        given.custom_config[training.CHECKPOINT_ROOT] = f"{root}/checkpoints"
        training.run_fn(given)
        assert [row["epoch"] for row in read_record(given.model_run_dir)["history"]] == [0, 1]
        assert tf.io.gfile.listdir(f"{root}/checkpoints") == []
        uri = pushed.uri("RadiographExampleGen", "examples")
        examples = read_examples(uri, features.TEST)[:4]
        expected, _ = training_path_probabilities(examples, transform, given.model_run_dir)
        served = tf.saved_model.load(given.serving_model_dir)
        answer = served.signatures[features.SERVING_DEFAULT](examples=tf.constant(examples))
        np.testing.assert_allclose(answer[features.PROBABILITY], expected, atol=TOLERANCE)
        assert [path for path in opened if "ram:" in path] == []
        assert list(tmp_path.iterdir()) == []  # HDF5 opens files where Python cannot see it


class TestOperatingPoint:
    def test_reaches_on_eval_what_the_record_says(self, pushed: LocalRun, served: Any) -> None:
        record = json.loads((pushed.uri("Trainer", "model_run") / TRAINING_RECORD).read_text())
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


class TestCheckpointFolder:
    def test_is_found_by_the_very_same_training_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def folder(*identity: str, **changes: str) -> str:
            config = {**arguments().custom_config, **changes}
            return training.checkpoint_folder(config, *(identity or ("settings", "films")))

        same = folder()
        assert folder() == same
        assert Path(same).parent == Path("checkpoints")
        others = {
            folder("settings", "other films"),
            folder("other settings", "films"),
            folder(**{training.SOURCE_FINGERPRINT: "other"}),
            folder(**{training.IMPORTED: "weights"}),
        }
        monkeypatch.setattr(keras, "__version__", "0.0")
        others.add(folder())
        assert len(others) == 5
        assert same not in others
