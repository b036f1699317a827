"""Starting from the weights of an earlier run: what is taken, what is refused."""

from __future__ import annotations

import logging
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.hyperparameters import Network
from models.network import build_network
from models.served_facts import read_facts
from tests.support import LocalRun

EXTENSIONS = ("weights.h5", "h5", "keras")
LAYERS = 6  # with weights: two convolutions, two normalisations, two dense


def settings_of(**values: Any) -> Network:
    return Network.model_validate({"width": 4, "depth": 2, "dense_units": 8} | values)


def saved_network(file: pathlib.Path, **values: Any) -> keras.Model:
    """Saves a network none of whose weights are what they start as."""
    network = build_network(32, settings_of(**values))
    rng = np.random.default_rng(0)
    network.set_weights([rng.random(weight.shape) for weight in network.get_weights()])
    save = network.save_weights if file.name.endswith(".weights.h5") else network.save
    save(file)
    return network


def taken_layers(network: keras.Model, earlier: keras.Model) -> set[str]:
    own = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    given = {layer.name: layer.get_weights() for layer in earlier.layers if layer.weights}
    return {
        name
        for name in own.keys() & given.keys()
        if all(map(np.array_equal, own[name], given[name]))
    }


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_run_goes_on_from_all_weights(
    extension: str, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / f"earlier.{extension}"
    earlier = saved_network(file)
    with caplog.at_level(logging.INFO, "models.initial_weights"):
        network = build_network(32, settings_of(weights=str(file)))
    assert len(taken_layers(network, earlier)) == LAYERS
    film = np.random.default_rng(1).random((2, 32, 32, 1), dtype=np.float32)
    np.testing.assert_array_equal(network(film, training=False), earlier(film, training=False))
    assert f"took the weights of 6 of 6 layers from {file}" in caplog.text


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_head_of_another_task_starts_fresh(
    extension: str, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / f"earlier.{extension}"
    earlier = saved_network(file)
    with caplog.at_level(logging.INFO, "models.initial_weights"):
        network = build_network(32, settings_of(weights=str(file)), "subtype")
    taken = taken_layers(network, earlier)
    assert taken == {
        "convolution_0", "normalisation_0", "convolution_1", "normalisation_1", "dense",
    }  # fmt: skip
    assert network.get_layer("logits").kernel.shape == (8, 3)
    assert "5 of 6 layers" in caplog.text


def test_layers_are_matched_by_name_not_by_position(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "earlier.weights.h5"
    earlier = saved_network(file)
    network = build_network(32, settings_of(block="residual", weights=str(file)))
    # The second convolution of the file has the shape of one here, but another name.
    assert taken_layers(network, earlier) == {
        "convolution_0", "normalisation_0", "dense", "logits",
    }  # fmt: skip


def test_weights_of_a_run_with_a_frozen_part_and_optimiser_are_taken(
    tmp_path: pathlib.Path,
) -> None:
    file = tmp_path / "earlier.weights.h5"
    earlier = build_network(32, settings_of())
    earlier.get_layer("normalisation_0").trainable = False
    earlier.compile("adam", "binary_crossentropy")
    earlier.train_on_batch(np.ones((2, 32, 32, 1)), np.ones((2, 1)))
    earlier.save_weights(file)
    network = build_network(32, settings_of(weights=str(file)))
    assert len(taken_layers(network, earlier)) == LAYERS


@pytest.mark.parametrize("dense_units", [16, 8])  # with 8 the last layer does fit
def test_a_file_of_another_network_is_refused(dense_units: int, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "earlier.keras"
    saved_network(file, width=8, dense_units=dense_units)
    with pytest.raises(ValueError, match=f"no layer of {file} before the head has the name"):
        build_network(32, settings_of(width=5, weights=str(file)))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_missing_file_is_named(extension: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / f"absent.{extension}"
    with pytest.raises(ValueError, match=f"the file {file} cannot be read"):
        build_network(32, settings_of(weights=str(file)))


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_file_is_named(extension: str, kept: float, tmp_path: pathlib.Path) -> None:
    file = tmp_path / f"earlier.{extension}"
    saved_network(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match=f"{file} is damaged or was not saved by Keras"):
        build_network(32, settings_of(weights=str(file)))


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ends in \.weights\.h5, \.h5, \.keras, not model\.pt$"):
        build_network(32, settings_of(weights="model.pt"))


class TestPushedModel:
    def test_gives_the_weights_that_it_serves(self, pushed: LocalRun) -> None:
        kept = keras.saving.load_model(pushed.uri("Trainer", "model_run") / "model.keras")
        learned = read_facts(str(pushed.model)).settings
        start = learned.network.model_copy(update={"weights": str(pushed.model)})
        network = build_network(learned.preprocessing.image_size_px, start, learned.task)
        for own, theirs in zip(network.get_weights(), kept.get_weights(), strict=True):
            np.testing.assert_array_equal(own, theirs)

    def test_of_another_version_is_named(self, tmp_path: pathlib.Path) -> None:
        tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
        with pytest.raises(ValueError, match="no model pushed by this version"):
            build_network(32, settings_of(weights=str(tmp_path / "other")))
