"""What a training leaves beside the served model, on any root."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.calibration import Calibration, choose_operating_point
from models.network import build_network
from models.records import keep_network, keep_record, read_network, read_record
from tests.unit.models.drawn_films import SIZE_PX, make_settings


@pytest.mark.parametrize("root", ["local", "ram://bucket/run"])
@pytest.mark.parametrize("keras_format", ["keras", "h5"])
def test_the_network_is_found_where_it_was_kept(
    root: str, keras_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "run") if root == "local" else f"{root}/{keras_format}"
    tf.io.gfile.makedirs(folder)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = make_settings(keras_format=keras_format)
    keras.utils.set_random_seed(0)
    network = build_network(SIZE_PX, settings.network)
    keep_network(network, settings, folder)
    assert tf.io.gfile.listdir(folder) == [f"model.{keras_format}"]
    film = np.random.default_rng(1).random((2, SIZE_PX, SIZE_PX, 1), dtype=np.float32)
    again = read_network(settings, folder)
    np.testing.assert_allclose(again(film), network(film), rtol=1e-5)
    assert list(Path.cwd().iterdir()) == []  # Keras takes an address for a path


def test_the_record_comes_back() -> None:
    settings = make_settings(epochs=2)
    network = build_network(SIZE_PX, settings.network)
    point = choose_operating_point(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 0, 1, 1]) > 0, 0.95)
    calibration = Calibration(slope_above=1.0, slope_below=1.0, intercept=0.5)
    history = ({"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.25})
    reached = {"auc": 0.75}
    tf.io.gfile.makedirs("ram://bucket/record")
    keep_record(network, settings, calibration, point, history, reached, "ram://bucket/record")
    record = read_record("ram://bucket/record")
    assert record["hyperparameters"]["train"]["epochs"] == 2
    assert record["calibration"]["intercept"] == 0.5
    assert record["operating_point"]["threshold"] == point.threshold
    assert record["history"] == list(history)
    assert (record["reached"], record["seeds"]) == (reached, [0])
    assert record["parameters"] == sum(weight.size for weight in network.get_weights())
    assert record["labels"] == ["NORMAL", "PNEUMONIA"]
