"""The network: shapes, order of layers, sizes by algebra, what its logits mean, freezing."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

from models.cut_open import activations_and_logits
from models.hyperparameters import Network, Task
from models.network import (
    LAST_CONVOLUTION,
    build_network,
    class_probabilities,
    pneumonia_logit,
    set_backbone_trainable,
)

NORMALISATION = 4  # numbers a channel: scale, shift, moving mean and variance


def films(count: int, side_px: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, side_px, side_px, 1), dtype=np.float32)


def test_probability_is_the_sigmoid_of_the_logit() -> None:
    network = build_network(64, Network(width=4, depth=3, dense_units=8))
    cut_open = activations_and_logits(network)
    ((activations, *finer),), logit = cut_open.predict_on_batch(films(5, 64))
    assert activations.shape == (5, 8, 8, 16)
    assert [layer.shape for layer in finer] == [(5, 16, 16, 8), (5, 32, 32, 4)]
    assert logit.shape == (5, 1)
    np.testing.assert_allclose(network.predict_on_batch(films(5, 64)), expit(logit), rtol=1e-5)


def test_a_film_and_its_mirror_image_can_share_an_answer() -> None:
    network = build_network(64, Network(width=4, depth=3, dense_units=8))
    images = films(5, 64)
    plain = activations_and_logits(network)
    (activations,), logits = plain.predict_on_batch(images)
    (of_mirror,), mirrored = plain.predict_on_batch(images[:, :, ::-1])
    assert np.abs(logits - mirrored).max() > 1e-4
    averaged = activations_and_logits(network, flip_average=True)
    both, mean = averaged.predict_on_batch(images)
    np.testing.assert_allclose(mean, (logits + mirrored) / 2, atol=1e-6)
    for of_half, expected in zip(both, (activations, of_mirror), strict=True):
        for layer, values in zip(of_half, expected, strict=True):
            np.testing.assert_allclose(layer, values, atol=1e-6)


def test_subtypes_are_the_softmax_of_three_logits() -> None:
    network = build_network(32, Network(width=4, depth=2, dense_units=8), "subtype")
    _, logits = activations_and_logits(network).predict_on_batch(films(5, 32))
    assert logits.shape == (5, 3)
    probability = network.predict_on_batch(films(5, 32))
    np.testing.assert_allclose(probability, softmax(logits, axis=1), rtol=1e-5)


def test_probabilities_are_float32_under_mixed_precision() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build_network(32, Network(width=4, depth=2), "subtype")
    finally:
        keras.config.set_dtype_policy(before)
    assert network.output.dtype == "float32"
    assert network.get_layer(LAST_CONVOLUTION).output.dtype == "bfloat16"


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


def parameters_by_algebra(settings: Network, classes: int) -> int:
    """Counts what the papers prescribe, moving statistics included."""
    width = settings.width
    total = 5 * 5 * width + NORMALISATION * width
    widths = [width * 2**block for block in range(settings.depth)]
    for before, after in itertools.pairwise(widths):
        total += 9 * before * after + NORMALISATION * after
        if settings.block == "residual":
            total += 9 * after * after + NORMALISATION * after
            total += before * after + NORMALISATION * after
        if settings.squeeze_excite:
            units = max(after // 8, 4)
            total += (after + 1) * units + (units + 1) * after
    dense = settings.dense_units
    return total + (widths[-1] + 1) * dense + (dense + 1) * classes


@pytest.mark.parametrize("block", ["plain", "residual"])
@pytest.mark.parametrize("squeeze_excite", [False, True])
@pytest.mark.parametrize(("task", "classes"), [("binary", 1), ("subtype", 3)])
def test_parameters_are_those_of_the_papers(
    block: str, squeeze_excite: bool, task: Task, classes: int
) -> None:
    settings = Network.model_validate(
        {"width": 16, "depth": 3, "dense_units": 8, "block": block}
        | {"squeeze_excite": squeeze_excite}
    )
    network = build_network(64, settings, task)
    assert network.count_params() == parameters_by_algebra(settings, classes)
    assert network.get_layer(LAST_CONVOLUTION).output.shape == (None, 8, 8, 64)


def test_a_residual_block_without_its_second_normalisation_is_the_shortcut() -> None:
    network = build_network(32, Network(width=4, depth=2, block="residual"))
    network.get_layer("normalisation_1_second").gamma.assign(np.zeros(8))
    shortcut = network.get_layer("normalisation_1_shortcut").output
    output = network.get_layer(LAST_CONVOLUTION).output
    seen, block = keras.Model(network.input, [shortcut, output]).predict_on_batch(films(2, 32))
    np.testing.assert_allclose(block, np.maximum(seen, 0), atol=1e-6)
    assert block.max() > 0


def test_squeeze_and_excitation_multiplies_by_a_weight_of_the_average() -> None:
    network = build_network(32, Network(width=4, depth=2, squeeze_excite=True))
    rectified = network.get_layer("rectified_1").output
    output = network.get_layer(LAST_CONVOLUTION).output
    before, after = keras.Model(network.input, [rectified, output]).predict_on_batch(films(3, 32))
    kernel, bias = network.get_layer("reduce_1").get_weights()
    assert kernel.shape == (8, 4)
    hidden = np.maximum(before.mean(axis=(1, 2)) @ kernel + bias, 0)
    kernel, bias = network.get_layer("excite_1").get_weights()
    weight = expit(hidden @ kernel + bias)
    np.testing.assert_allclose(after, before * weight[:, np.newaxis, np.newaxis], rtol=1e-4)


@pytest.mark.parametrize("extension", ["keras", "h5"])
@pytest.mark.parametrize("block", ["plain", "residual"])
def test_saved_network_answers_the_same(extension: str, block: str, tmp_path) -> None:
    settings = {"width": 4, "depth": 2, "dense_units": 4, "block": block, "squeeze_excite": True}
    network = build_network(32, Network.model_validate(settings), "subtype")
    file = tmp_path / f"model.{extension}"
    network.save(file)
    again = keras.saving.load_model(file, compile=False)
    np.testing.assert_allclose(
        again.predict_on_batch(films(3, 32)), network.predict_on_batch(films(3, 32)), rtol=1e-6
    )


def test_sigmoid_of_the_pneumonia_logit_is_bacterial_plus_viral() -> None:
    logits = np.random.default_rng(2).normal(0, 5, (100, 3)).astype(np.float32)
    classes = softmax(logits.astype(np.float64), axis=1)
    combined = pneumonia_logit(tf.constant(logits)).numpy()
    assert combined.shape == (100, 1)
    np.testing.assert_allclose(expit(combined[:, 0]), classes[:, 1] + classes[:, 2], rtol=1e-5)


def test_the_pneumonia_logit_of_one_unit_is_that_unit() -> None:
    logits = np.array([[-3.0], [0.25]], np.float32)
    np.testing.assert_array_equal(pneumonia_logit(tf.constant(logits)), logits)


def test_subtypes_share_the_calibrated_probability() -> None:
    logits = tf.math.log(tf.constant([[0.5, 0.3, 0.2], [0.1, 0.45, 0.45]]))
    classes = class_probabilities(tf.constant([0.8, 0.5]), logits)
    np.testing.assert_allclose(classes, [[0.2, 0.48, 0.32], [0.5, 0.25, 0.25]], rtol=1e-5)


def test_an_uncalibrated_probability_is_spread_as_the_softmax() -> None:
    logits = np.random.default_rng(3).normal(0, 3, (50, 3)).astype(np.float32)
    probability = tf.sigmoid(pneumonia_logit(tf.constant(logits)))[:, 0]
    classes = class_probabilities(probability, tf.constant(logits))
    np.testing.assert_allclose(classes, softmax(logits, axis=1), atol=1e-6)


def test_two_classes_are_the_probability_and_what_it_leaves() -> None:
    classes = class_probabilities(tf.constant([0.75, 0.0]), tf.constant([[9.0], [-9.0]]))
    np.testing.assert_array_equal(classes, [[0.25, 0.75], [1.0, 0.0]])


def test_a_frozen_network_learns_in_its_head_alone() -> None:
    network = build_network(32, Network(width=4, depth=2, block="residual", dense_units=8))
    set_backbone_trainable(network, False)
    network.compile("sgd", "binary_crossentropy")
    before = {layer.name: layer.get_weights() for layer in network.layers}
    network.train_on_batch(films(4, 32), np.array([[0], [1], [1], [1]]))
    changed = {
        layer.name
        for layer in network.layers
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        if not np.array_equal(old, new)
    }
    assert changed == {"dense", "logits"}


def test_a_freed_network_learns_everywhere() -> None:
    network = build_network(32, Network(width=4, depth=2, squeeze_excite=True))
    everything = [weight.path for weight in network.trainable_weights]
    set_backbone_trainable(network, False)
    assert [weight.path.split("/")[0] for weight in network.trainable_weights] == [
        "dense", "dense", "logits", "logits",
    ]  # fmt: skip
    set_backbone_trainable(network, True)
    assert [weight.path for weight in network.trainable_weights] == everything


def test_an_image_too_small_for_the_depth_is_refused() -> None:
    with pytest.raises(ValueError, match=r"network\.depth 6 .* at least 128"):
        build_network(64, Network(depth=6))


def test_an_image_too_small_for_a_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"network\.backbone resnet50 .* at least 32, not 31"):
        build_network(31, Network(backbone="resnet50"))


def test_the_depth_of_the_cnn_does_not_bind_a_backbone() -> None:
    network = build_network(32, Network(backbone="mobilenet_v3", depth=7))
    assert network.get_layer(LAST_CONVOLUTION).output.shape == (None, 1, 1, 576)


def test_the_cnn_has_no_weights_of_imagenet() -> None:
    with pytest.raises(ValueError, match="imagenet needs one of the backbones"):
        build_network(64, Network(weights="imagenet", depth=3))
