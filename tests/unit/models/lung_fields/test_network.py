"""The U-Net: normalisation folded into its kernels, pixels drawn in the right places."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.lung_fields.network import FIELDS, SIDE_PX, build_network, folded_weights, with_weights
from models.lung_fields.weights import SHIPPED_FILE, load_weights, save_weights


@pytest.fixture(scope="module", name="trained")
def make_trained_network() -> keras.Model:
    """A network whose normalisations are far from neutral."""
    keras.utils.set_random_seed(0)
    network = build_network(normalised=True)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, channels) for _ in range(4)])
    return network


def films(count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, SIDE_PX, SIDE_PX, 1)).astype(np.float32)


def test_folding_changes_no_logit(trained: keras.Model) -> None:
    expected = trained(films(), training=False).numpy()
    assert expected.shape == (2, SIDE_PX, SIDE_PX, FIELDS)
    folded = with_weights(folded_weights(trained))
    assert not any(isinstance(one, keras.layers.BatchNormalization) for one in folded.layers)
    np.testing.assert_allclose(
        folded(films()).numpy(), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_every_cell_draws_its_own_pixels(trained: keras.Model) -> None:
    cells = keras.Model(trained.input, trained.get_layer("pixels").output)(films())
    logits = trained(films(), training=False)
    np.testing.assert_allclose(tf.nn.depth_to_space(cells, 2), logits, atol=1e-4)


def test_a_file_keeps_eleven_bits(trained: keras.Model, tmp_path) -> None:
    weights = folded_weights(trained)
    save_weights(weights, str(tmp_path / "weights.npz"))
    read = load_weights(str(tmp_path / "weights.npz"))
    assert read.keys() == weights.keys()
    for name, part in weights.items():
        np.testing.assert_allclose(read[name], part, rtol=2**-11, atol=1e-7)


def test_weights_that_do_not_fit_are_refused(trained: keras.Model) -> None:
    weights = folded_weights(trained)
    del weights["deepest/bias"]
    with pytest.raises(ValueError, match="the layer deepest"):
        with_weights(weights)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 damaged"])
def test_a_file_that_is_none_is_named(tmp_path, content: bytes | None) -> None:
    file = tmp_path / "lungs.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"lungs\.npz is no file that"):
        load_weights(str(file))


def test_shipped_weights_are_small_and_fit() -> None:
    assert Path(SHIPPED_FILE).stat().st_size <= 2_000_000
    with_weights(load_weights())
