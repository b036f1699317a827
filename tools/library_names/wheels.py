"""Unpacks the wheels of the libraries as each lock pins them, for reading, not for running."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

# Top-level packages whose names are followed, with the distributions that hold them.
LIBRARIES = {
    "apache_beam": ("apache-beam",),
    "keras": ("keras",),
    "keras_tuner": ("keras-tuner",),
    "ml_metadata": ("ml-metadata",),
    "tensorflow_data_validation": ("tensorflow-data-validation",),
    "tensorflow_metadata": ("tensorflow-metadata",),
    "tensorflow_model_analysis": ("tensorflow-model-analysis",),
    "tensorflow_serving": ("tensorflow-serving-api",),
    "tensorflow_transform": ("tensorflow-transform",),
    "tfx": ("tfx", "ml-pipelines-sdk"),
    "tfx_bsl": ("tfx-bsl",),
}

Pins = dict[str, str]


def read_pins(requirements: Path) -> dict[str, Pins]:
    """Reads the version of each library from every lock.

    Args:
        requirements: Folder of the files `lock-<Python>.txt`.

    Returns:
        Version by distribution, by Python version such as `3.11`.
    """
    return {
        file.stem.removeprefix("lock-"): _pins_of(file.read_text(encoding="utf-8"))
        for file in sorted(requirements.glob("lock-*.txt"))
    }


def _pins_of(lock: str) -> Pins:
    pinned = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", lock, flags=re.MULTILINE))
    return {name: pinned[name] for name in sorted(chain.from_iterable(LIBRARIES.values()))}


def unpack(python: str, pins: Pins, cache: Path) -> Path:
    """Downloads and unpacks the wheels of one lock.

    Args:
        python: Python version of the lock.
        pins: Version by distribution.
        cache: Folder that keeps what is unpacked.

    Returns:
        The folder with the packages; it is answered from the cache where the pins are the same.

    Raises:
        subprocess.CalledProcessError: uv does not reach or find a wheel; it says why.
    """
    wanted = [f"{name}=={version}" for name, version in pins.items()]
    folder, mark = cache / python, cache / f"{python}.txt"
    if mark.is_file() and mark.read_text(encoding="utf-8").split() == wanted:
        return folder
    mark.unlink(missing_ok=True)
    # TFX 1.21 is built for glibc 2.39 or later, TFX 1.16 for any that is older too.
    install = [
        *("uv", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"),
        *("--python", sys.executable, "--python-version", python),
        *("--python-platform", "x86_64-manylinux_2_39", "--target", str(folder)),
    ]
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([*install, *wanted], check=True, env=environment)
    mark.write_text("\n".join(wanted), encoding="utf-8")
    return folder
