"""Grad-CAM against the algebra of average pooling and a dense layer."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from models.grad_cam import grad_cam, overlay
from models.hyperparameters import Network, Task
from models.network import activations_and_logits, build_network

SIDE = 16


@pytest.fixture(name="linear_model")
def make_linear_model() -> keras.Model:
    """Two channels that are the image and its negative, averaged and weighed."""
    image = keras.Input((SIDE, SIDE, 1))
    activations = keras.layers.Conv2D(2, 1, use_bias=False)(image)
    logit = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(activations))
    model = keras.Model(image, [[activations], logit])
    model.set_weights([np.array([[[[1.0, -1.0]]]]), np.array([[2.0], [-0.5]]), np.array([0.3])])
    return model


def test_heatmap_is_the_weighted_sum_of_activations(linear_model: keras.Model) -> None:
    images = np.random.default_rng(0).normal(size=(3, SIDE, SIDE, 1)).astype(np.float32)
    # d logit / d activation is the dense weight over SIDE^2, for every pixel; the common
    # factor leaves when the largest value becomes 1.
    evidence = np.maximum(images * 2.0 + -images * -0.5, 0)[..., 0]
    expected = evidence / evidence.max(axis=(1, 2), keepdims=True)
    heatmap, logit = grad_cam(linear_model, tf.constant(images))
    np.testing.assert_allclose(heatmap, expected, atol=1e-5)
    mean = images.mean(axis=(1, 2))
    np.testing.assert_allclose(logit, 2.0 * mean + -0.5 * -mean + 0.3, atol=1e-5)


def test_a_film_without_evidence_has_an_empty_map(linear_model: keras.Model) -> None:
    dark = -np.ones((1, SIDE, SIDE, 1), np.float32)
    heatmap, _ = grad_cam(linear_model, tf.constant(dark))
    assert np.all(heatmap.numpy() == 0)


def answer_by_algebra(
    activations: np.ndarray, dense: list[np.ndarray], last: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Applies the head, and the chain rule from the pneumonia logit back to the feature map."""
    hidden = np.maximum(activations.mean(axis=(1, 2)) @ dense[0] + dense[1], 0)
    assert 0 < np.mean(hidden > 0) < 1
    logits = hidden @ last[0] + last[1]
    by_logit = np.ones_like(logits)
    if logits.shape[1] == 3:  # d logsumexp is the softmax; normal is subtracted
        by_logit = np.concatenate([-by_logit[:, :1], softmax(logits[:, 1:], axis=1)], axis=1)
    by_average = ((by_logit @ last[0].T) * (hidden > 0)) @ dense[0].T
    evidence = np.maximum(np.einsum("bhwc,bc->bhw", activations, by_average), 0)
    resized = np.stack([cv2.resize(film, (64, 64)) for film in evidence])
    return resized / resized.max(axis=(1, 2), keepdims=True), logits


def draw_head(network: keras.Model, activations: np.ndarray) -> list[list[np.ndarray]]:
    """Gives the head weights under which half of its units are silent and pneumonia likely."""
    rng = np.random.default_rng(0)
    dense, logits = network.get_layer("dense"), network.get_layer("logits")
    kernel = rng.normal(0.3, 1, dense.kernel.shape)
    middle = np.median(activations.mean(axis=(1, 2)) @ kernel)
    dense.set_weights([kernel, np.full(kernel.shape[1], -middle)])
    towards = np.array([1.0] if logits.kernel.shape[1] == 1 else [-1.0, 1.0, 1.0])
    drawn = np.abs(rng.normal(size=logits.kernel.shape))
    logits.set_weights([drawn * towards, rng.normal(size=len(towards))])
    return [dense.get_weights(), logits.get_weights()]


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("binary", {"block": "plain"}),
        ("subtype", {"block": "plain", "squeeze_excite": True}),
        ("binary", {"block": "residual"}),
        ("subtype", {"backbone": "mobilenet_v3"}),
        ("subtype", {"backbone": "efficientnet_v2"}),
        ("subtype", {"backbone": "densenet121"}),
        ("binary", {"backbone": "resnet50"}),
        ("subtype", {"backbone": "efficientnet_lite0"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_heatmap_of_every_network_follows_the_chain_rule(
    task: Task, settings: dict[str, str]
) -> None:
    keras.utils.set_random_seed(0)
    values = {"width": 4, "depth": 4, "dense_units": 8} | settings
    network = build_network(64, Network.model_validate(values), task)
    images = np.random.default_rng(1).random((2, 64, 64, 1), dtype=np.float32)
    cut_open = activations_and_logits(network)
    activations = cut_open(images, training=False)[0][0].numpy()
    expected, expected_logits = answer_by_algebra(activations, *draw_head(network, activations))
    heatmap, logits = grad_cam(cut_open, tf.constant(images))
    np.testing.assert_allclose(logits, expected_logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(heatmap, expected, atol=1e-3)
    assert np.ptp(expected) > 0.01


def test_the_map_explains_both_halves_of_the_answer() -> None:
    """Logits averaged over the mirror image: what is true of a film is true of its mirror image.

    The map of a mirrored film is the mirrored map, which that of one half would not be; and it
    is the sum of the maps of both halves by the chain rule.
    """
    keras.utils.set_random_seed(0)
    network = build_network(64, Network(width=4, depth=4, dense_units=8), "binary")
    images = np.random.default_rng(1).random((2, 64, 64, 1), dtype=np.float32)
    draw_head(network, activations_and_logits(network)(images, training=False)[0][0].numpy())
    averaged = activations_and_logits(network, flip_average=True)
    heatmap, logits = (part.numpy() for part in grad_cam(averaged, tf.constant(images)))
    of_mirror, _ = grad_cam(averaged, tf.constant(images[:, :, ::-1].copy()))
    np.testing.assert_allclose(of_mirror.numpy()[:, :, ::-1], heatmap, atol=1e-4)

    single = activations_and_logits(network)
    evidence = np.zeros((2, 4, 4))
    expected_logits = np.zeros((2, 1))
    for turn in (slice(None), slice(None, None, -1)):
        half = tf.constant(images[:, :, turn].copy())
        with tf.GradientTape() as tape:
            (activations,), logit = single(half, training=False)
        importance = tape.gradient(logit, activations).numpy().mean(axis=(1, 2), keepdims=True)
        evidence += (importance * activations.numpy()).sum(axis=-1)[:, :, turn]
        expected_logits += logit.numpy() / 2
    resized = np.stack([cv2.resize(film, (64, 64)) for film in np.maximum(evidence, 0)])
    np.testing.assert_allclose(logits, expected_logits, atol=1e-5)
    np.testing.assert_allclose(
        heatmap, resized / resized.max(axis=(1, 2), keepdims=True), atol=1e-3
    )


def test_overlay_leaves_cold_pixels_and_reddens_hot_ones() -> None:
    pixels = tf.constant(np.full((1, 8, 8, 1), 0.5, np.float32))
    heatmap = np.zeros((1, 8, 8), np.float32)
    heatmap[0, :, 4:] = 1.0
    encoded = overlay(pixels, tf.constant(heatmap)).numpy()[0]
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (8, 8, 3)
    assert np.all(picture[:, :4] == 128)
    blue, green, red = picture[0, 6].astype(int)
    assert red > 128 > green >= blue
