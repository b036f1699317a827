"""The network: shapes, order of layers, names, refusals."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.special import expit

from models.hyperparameters import Network
from models.network import LAST_CONVOLUTION, activations_and_logit, build_network


def test_probability_is_the_sigmoid_of_the_logit() -> None:
    network = build_network(64, Network(width=4, depth=3, dense_units=8))
    images = np.random.default_rng(0).random((5, 64, 64, 1), dtype=np.float32)
    activations, logit = activations_and_logit(network).predict_on_batch(images)
    assert activations.shape == (5, 8, 8, 16)
    np.testing.assert_allclose(network.predict_on_batch(images), expit(logit), rtol=1e-5)


def test_blocks_are_convolution_normalisation_relu_pooling() -> None:
    network = build_network(64, Network(width=4, depth=3))
    kinds = [type(layer) for layer in network.layers[1:]]
    block = [
        keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.ReLU,
        keras.layers.MaxPooling2D,
    ]  # fmt: skip
    assert kinds[:8] == block * 2
    assert kinds[8:] == [
        *block[:3], keras.layers.GlobalAveragePooling2D, keras.layers.Dense,
        keras.layers.Dropout, keras.layers.Dense, keras.layers.Activation,
    ]  # fmt: skip
    assert network.get_layer(LAST_CONVOLUTION) is network.layers[11]


@pytest.mark.parametrize("extension", ["keras", "h5"])
def test_saved_network_answers_the_same(extension: str, tmp_path) -> None:
    network = build_network(32, Network(width=4, depth=2, dense_units=4))
    file = tmp_path / f"model.{extension}"
    network.save(file)
    again = keras.saving.load_model(file, compile=False)
    images = np.random.default_rng(1).random((3, 32, 32, 1), dtype=np.float32)
    np.testing.assert_allclose(
        again.predict_on_batch(images), network.predict_on_batch(images), rtol=1e-6
    )


def test_an_image_too_small_for_the_depth_is_refused() -> None:
    with pytest.raises(ValueError, match=r"network\.depth 6 .* at least 128"):
        build_network(64, Network(depth=6))
