"""What a user's Keras may be set to by the environment and by `keras.json`.

Networks here are meant for TensorFlow, float32 and channels that come last. Keras takes
other values without a word, from variables and from a file in the home folder, and the
training then ends far from the cause. Imports no Keras, which would act on the settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUIRED: Mapping[str, Any] = {
    "backend": "tensorflow",
    "floatx": "float32",
    "image_data_format": "channels_last",
    "epsilon": 1e-7,
}
_SHORTENING = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")


class UnfitKeras(RuntimeError):
    """Keras is set to something that no network here can be trained with."""


def check_keras_settings(environment: Mapping[str, str]) -> None:
    """Finds a wrong setting before Keras is imported.

    Reads what Keras reads, in its order: `keras.json`, then `KERAS_BACKEND`.

    Args:
        environment: Variables.

    Raises:
        UnfitKeras: Naming the setting, where it is made and what to do.
    """
    named = environment.get("KERAS_BACKEND")
    if named and named != REQUIRED["backend"]:
        raise UnfitKeras(
            f"KERAS_BACKEND is '{named}', and only 'tensorflow' is used here; unset it"
        )
    for name in _SHORTENING:
        if name in environment:
            raise UnfitKeras(f"{name} shortens every training; unset it, train.* has settings")
    file = keras_file(environment)
    for key, value in _settings(file).items():
        if key in REQUIRED and value != REQUIRED[key] and not (key == "backend" and named):
            raise UnfitKeras(
                f"{file} sets {key} to {value!r}, and only {REQUIRED[key]!r} is used here; change "
                "it there, or name another folder by KERAS_HOME"
            )


def check_keras_in_use() -> None:
    """Finds a wrong setting of the Keras that is loaded, whoever made it.

    Raises:
        UnfitKeras: Naming the setting.
    """
    import keras  # the check before it is loaded has to do without

    found = {
        "backend": keras.config.backend(),
        "floatx": keras.config.floatx(),
        "image_data_format": keras.config.image_data_format(),
        "epsilon": keras.config.epsilon(),
        "dtype policy": keras.config.dtype_policy().name,
    }
    for key, value in found.items():
        required = REQUIRED.get(key, REQUIRED["floatx"])
        if value != required:
            raise UnfitKeras(
                f"the {key} of Keras is {value!r}, and only {required!r} is used here; see "
                "keras.json in ~/.keras or in KERAS_HOME, and KERAS_BACKEND"
            )


def keras_file(environment: Mapping[str, str]) -> Path:
    """Returns the file that Keras reads its settings from; it need not exist.

    Args:
        environment: Variables.
    """
    if "KERAS_HOME" in environment:
        return Path(environment["KERAS_HOME"]).expanduser() / "keras.json"
    home = Path(environment.get("HOME") or Path.home())
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras" / "keras.json"


def _settings(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, str(error)) from None
    try:
        settings = json.loads(text)
    except ValueError:
        return {}  # as Keras does
    if not isinstance(settings, dict):
        raise _unreadable(file, "it holds no settings by name")
    return settings


def _unreadable(file: Path, why: str) -> UnfitKeras:
    return UnfitKeras(
        f"{file} cannot be read by Keras: {why}; mend it, or name another folder by KERAS_HOME"
    )
