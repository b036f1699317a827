"""Settings of Keras that no network here can be trained with are named, and where they are made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from models import training, tuning
from models.keras_environment import (
    UnfitKeras,
    check_keras_in_use,
    check_keras_settings,
    keras_file,
)
from tests.support import ROOT

AS_KERAS_WRITES_IT = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def write(home: Path, content: str) -> dict[str, str]:
    """Puts a keras.json below a home folder and returns the environment of its owner."""
    file = home / ".keras" / "keras.json"
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    return {"HOME": str(home)}


class TestSettings:
    @pytest.mark.parametrize("environment", [{}, {"KERAS_BACKEND": ""}])
    def test_what_keras_writes_itself_is_fine(
        self, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        check_keras_settings({"HOME": str(tmp_path)})
        check_keras_settings(write(tmp_path, json.dumps(AS_KERAS_WRITES_IT)) | environment)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("floatx", "float16"),
            ("floatx", "float64"),
            ("backend", "torch"),
            ("image_data_format", "channels_first"),
            ("epsilon", 0.1),
        ],
    )
    def test_a_wrong_value_is_named_with_its_file(
        self, tmp_path: Path, key: str, value: Any
    ) -> None:
        environment = write(tmp_path, json.dumps(AS_KERAS_WRITES_IT | {key: value}))
        with pytest.raises(UnfitKeras) as error:
            check_keras_settings(environment)
        assert str(error.value) == (
            f"{tmp_path}/.keras/keras.json sets {key} to {value!r}, and only "
            f"{AS_KERAS_WRITES_IT[key]!r} is used here; change it there, or name another folder by "
            "KERAS_HOME"
        )

    @pytest.mark.parametrize("backend", ["torch", "jax", "Tensorflow"])
    def test_a_backend_of_the_environment_is_named(self, tmp_path: Path, backend: str) -> None:
        with pytest.raises(UnfitKeras, match=f"KERAS_BACKEND is '{backend}'.*; unset it"):
            check_keras_settings({"HOME": str(tmp_path), "KERAS_BACKEND": backend})

    def test_the_environment_goes_above_the_file(self, tmp_path: Path) -> None:
        environment = write(tmp_path, json.dumps({"backend": "torch"}))
        check_keras_settings(environment | {"KERAS_BACKEND": "tensorflow"})

    @pytest.mark.parametrize("name", ["KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"])
    def test_what_shortens_every_training_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UnfitKeras, match=f"^{name} shortens every training"):
            check_keras_settings({"HOME": str(tmp_path), name: "1"})

    def test_keras_home_goes_above_home(self, tmp_path: Path) -> None:
        environment = write(tmp_path, json.dumps({"floatx": "float16"}))
        check_keras_settings(environment | {"KERAS_HOME": str(tmp_path / "elsewhere")})

    def test_a_file_that_keras_ignores_is_ignored(self, tmp_path: Path) -> None:
        check_keras_settings(write(tmp_path, '{"floatx": "float16"'))

    @pytest.mark.parametrize("content", ["[]", "3"])
    def test_a_file_that_keras_stumbles_over_is_named(self, tmp_path: Path, content: str) -> None:
        environment = write(tmp_path, content)
        with pytest.raises(UnfitKeras, match=re.escape(f"{tmp_path}/.keras/keras.json cannot be")):
            check_keras_settings(environment)


class TestInUse:
    @pytest.mark.parametrize(
        ("setter", "wrong", "right", "name"),
        [
            (keras.config.set_floatx, "float16", "float32", "floatx"),
            (keras.config.set_image_data_format, "channels_first", "channels_last", "image_data_f"),
            (keras.config.set_epsilon, 0.1, 1e-7, "epsilon"),
            (keras.config.set_dtype_policy, "mixed_float16", "float32", "dtype policy"),
        ],
    )
    @pytest.mark.parametrize("entry", [check_keras_in_use, training.run_fn, tuning.tuner_fn])
    def test_a_setting_made_by_code_is_named(
        self, setter: Callable[..., None], wrong: Any, right: Any, name: str, entry: Any
    ) -> None:
        check_keras_in_use()
        setter(wrong)
        try:
            with pytest.raises(UnfitKeras, match=f"^the {name}.* of Keras is {wrong!r}"):
                entry() if entry is check_keras_in_use else entry(None)
        finally:
            setter(right)
        check_keras_in_use()

    def test_keras_reads_the_file_that_is_looked_at(self, tmp_path: Path) -> None:
        environment = write(tmp_path, json.dumps({"floatx": "float16"}))
        assert keras_file(environment) == tmp_path / ".keras" / "keras.json"
        inherited = {name: value for name, value in os.environ.items() if "KERAS" not in name}
        done = subprocess.run(
            [sys.executable, "-c", "import keras; print(keras.config.floatx())"],
            cwd=ROOT, env=inherited | environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout == "float16\n", done.stderr
