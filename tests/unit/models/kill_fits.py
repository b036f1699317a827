"""Kills a training at random moments and lets it end at last.

`python -m tests.unit.models.kill_fits TRAIN EVAL FOLDER KILLS`

TensorFlow takes seconds to import and cannot be forked once it has worked. So this process
imports it and does nothing with it, and each training is a fork of this process.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.fitting import EpochLines, fit
from models.network import build_network
from tests.unit.models.drawn_films import SIZE_PX, make_settings, open_split

EPOCHS = 8
FROZEN_EPOCHS = 3
MOMENTS = 25  # at most before a kill; an epoch has 8: around its step and three operations


def train(files: tuple[str, str], folder: str, moment: Callable[[], Any]) -> list[int]:
    """Fits to the end, telling each moment; returns the epochs of its history."""

    def told(operate: Callable[..., Any]) -> Callable[..., Any]:
        def tell(*args: Any, **kwargs: Any) -> Any:
            moment()
            result = operate(*args, **kwargs)
            moment()
            return result

        return tell

    for name in ("copy", "rename", "remove"):
        setattr(tf.io.gfile, name, told(getattr(tf.io.gfile, name)))
    EpochLines.on_train_batch_end = told(lambda *args, **kwargs: None)
    settings = make_settings(
        FROZEN_EPOCHS, epochs=EPOCHS, max_steps_per_epoch=1, early_stopping_patience=EPOCHS
    )
    network = build_network(SIZE_PX, settings.network)
    learned, judged = (open_split(file) for file in files)
    fitted = fit(
        network, network.get_weights(), learned, judged, settings, f"{folder}/kept", folder
    )
    return [int(row["epoch"]) for row in fitted.history]


def fork(files: tuple[str, str], folder: str, kill_after: int | None) -> bytes:
    """Trains in a process of its own, killed after so many moments; returns what it said."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        epochs = train(files, folder, lambda: os.write(write, b"."))
        os.write(write, json.dumps(epochs).encode())
        os._exit(0)
    os.close(write)
    said = b""
    while block := os.read(read, 1 if kill_after else 1 << 16):
        said += block
        if kill_after and len(said) >= kill_after:
            os.kill(child, signal.SIGKILL)
            break
    os.close(read)
    os.waitpid(child, 0)
    return said


def main() -> None:
    """Prints the epochs of the training that was let end."""
    *files, folder, kills = sys.argv[1:]
    moments = random.Random(int(kills))
    for _ in range(int(kills)):
        fork((files[0], files[1]), folder, moments.randint(1, MOMENTS))
    print(fork((files[0], files[1]), folder, None).lstrip(b".").decode())


if __name__ == "__main__":
    main()
