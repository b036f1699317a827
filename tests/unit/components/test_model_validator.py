"""A model is blessed only if every signature answers what training meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.model_validator.executor import (
    FILMS,
    TOLERANCE,
    ModelValidatorExecutor,
    find_faults,
    training_path_probabilities,
)
from models import features
from models.records import TRAINING_RECORD
from tests.support import LocalRun, read_examples


@pytest.fixture(scope="module", name="examples")
def take_examples(pushed: LocalRun) -> list[bytes]:
    """Some raw films of the test split."""
    return read_examples(pushed.uri("RadiographExampleGen", "examples"), features.TEST)[:FILMS]


@pytest.fixture(scope="module", name="expected")
def score_on_the_training_path(pushed: LocalRun, examples: list[bytes]) -> np.ndarray:
    """Their probabilities."""
    expected, by_file = training_path_probabilities(
        examples,
        str(pushed.uri("Transform", "transform_graph")),
        str(pushed.uri("Trainer", "model_run")),
    )
    np.testing.assert_array_equal(by_file, expected)
    return expected


def without(served: Any, name: str) -> Any:
    return SimpleNamespace(
        signatures={key: value for key, value in served.signatures.items() if key != name}
    )


def changed(served: Any, name: str, output: str, change: Any) -> Any:
    """The model, but for one output of one signature."""

    def answer(**batch: tf.Tensor) -> dict[str, tf.Tensor]:
        given = dict(served.signatures[name](**batch))
        return {**given, output: change(given[output])}

    return SimpleNamespace(signatures={**served.signatures, name: answer})


class TestFindFaults:
    def test_the_pushed_model_has_none(
        self, served: Any, examples: list[bytes], expected: np.ndarray
    ) -> None:
        assert list(find_faults(served, examples, expected)) == []

    @pytest.mark.parametrize("name", features.SIGNATURES)
    def test_a_missing_signature(
        self, served: Any, examples: list[bytes], expected: np.ndarray, name: str
    ) -> None:
        faults = list(find_faults(without(served, name), examples, expected))
        assert faults == [f"the signature {name} is missing"]

    @pytest.mark.parametrize("name", ["serving_default", "predict_images", "explain_images"])
    def test_another_probability(
        self, served: Any, examples: list[bytes], expected: np.ndarray, name: str
    ) -> None:
        model = changed(served, name, "probability", lambda value: value + 3 * TOLERANCE)
        (fault,) = find_faults(model, examples, expected)
        assert fault.startswith(f"{name} differs from the training path by 0.0003")

    def test_a_probability_that_is_no_number(
        self, served: Any, examples: list[bytes], expected: np.ndarray
    ) -> None:
        model = changed(served, "predict_images", "probability", lambda value: value * np.nan)
        (fault,) = find_faults(model, examples, expected)
        assert fault == "predict_images returns a probability that is not a number"

    @pytest.mark.parametrize("shift", [2, -2, np.nan])
    def test_a_heatmap_outside_of_its_range(
        self, served: Any, examples: list[bytes], expected: np.ndarray, shift: float
    ) -> None:
        model = changed(served, "explain_images", "heatmap", lambda value: value + shift)
        (fault,) = find_faults(model, examples, expected)
        assert fault == "explain_images returns heatmap outside [0, 1]"

    def test_lesions_outside_of_their_range(
        self, served: Any, examples: list[bytes], expected: np.ndarray
    ) -> None:
        def explain(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            answer = served.signatures["explain_images"](image_bytes=image_bytes)
            return {**answer, "lesions": answer["heatmap"] + 2}

        signatures = {**served.signatures, "explain_images": explain}
        (fault,) = find_faults(SimpleNamespace(signatures=signatures), examples, expected)
        assert fault == "explain_images returns lesions outside [0, 1]"

    def test_a_signature_that_fails(self, examples: list[bytes], expected: np.ndarray) -> None:
        def fail(**_: tf.Tensor) -> None:
            raise tf.errors.InvalidArgumentError(None, None, "no such op")

        broken = SimpleNamespace(signatures=dict.fromkeys(features.SIGNATURES, fail))
        assert list(find_faults(broken, examples, expected)) == [
            f"the signature {name} failed: no such op" for name in features.SIGNATURES
        ]

    def test_a_film_that_is_not_judged(self, served: Any, expected: np.ndarray) -> None:
        value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"no image"]))
        broken = tf.train.Example(features=tf.train.Features(feature={"image": value}))
        faults = list(find_faults(served, [broken.SerializeToString()], expected[:1]))
        assert faults == [
            f"{name} returns a probability that is not a number"
            for name in features.SIGNATURES
            if name != features.TRANSFORM_FEATURES
        ]


class TestExecutor:
    @pytest.fixture(name="model_run")
    def copy_model_run(self, pushed: LocalRun, tmp_path: Path) -> Path:
        """A copy of the training record that may be changed."""
        return Path(shutil.copytree(pushed.uri("Trainer", "model_run"), tmp_path / "model_run"))

    def bless(self, pushed: LocalRun, model_run: Path, folder: Path) -> Any:
        def artifact(kind: Any, uri: Path) -> Any:
            one = kind()
            one.uri = str(uri)
            return one

        examples = artifact(
            standard_artifacts.Examples, pushed.uri("RadiographExampleGen", "examples")
        )
        examples.split_names = json.dumps(list(features.SPLITS))
        folder.mkdir()
        blessing = artifact(standard_artifacts.InfraBlessing, folder)
        inputs = {
            "model": artifact(standard_artifacts.Model, pushed.uri("Trainer", "model")),
            "model_run": artifact(standard_artifacts.ModelRun, model_run),
            "examples": examples,
            "transform_graph": artifact(
                standard_artifacts.TransformGraph, pushed.uri("Transform", "transform_graph")
            ),
        }
        ModelValidatorExecutor().Do(
            {name: [one] for name, one in inputs.items()},
            {"blessing": [blessing]},
            {"source_fingerprint": ""},
        )
        return blessing

    def test_blesses_what_agrees(self, pushed: LocalRun, model_run: Path, tmp_path: Path) -> None:
        blessing = self.bless(pushed, model_run, tmp_path / "blessing")
        assert blessing.get_int_custom_property("blessed") == 1
        assert [file.name for file in Path(blessing.uri).iterdir()] == ["INFRA_BLESSED"]

    def test_does_not_bless_another_calibration(
        self,
        pushed: LocalRun,
        model_run: Path,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        record = json.loads((model_run / TRAINING_RECORD).read_text())
        record["calibration"]["intercept"] += 0.5
        (model_run / TRAINING_RECORD).write_text(json.dumps(record))
        blessing = self.bless(pushed, model_run, tmp_path / "blessing")
        assert blessing.get_int_custom_property("blessed") == 0
        (file,) = Path(blessing.uri).iterdir()
        faults = file.read_text().splitlines()
        assert file.name == "INFRA_NOT_BLESSED"
        assert [fault.split()[0] for fault in faults] == [
            "serving_default", "predict_images", "explain_images",
        ]  # fmt: skip
        assert all(f"the model cannot be served: {fault}" in caplog.messages for fault in faults)
