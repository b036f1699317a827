"""Maps against the algebra of average pooling and a dense layer."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from models.cut_open import activations_and_logits, explained_layers
from models.grad_cam import grad_cam, layer_maps, mean_of, overlay, weigh_differences
from models.hyperparameters import Network, Task
from models.network import build_network

SIDE = 16


@pytest.fixture(name="linear_model")
def make_linear_model() -> keras.Model:
    """Two channels that are the image and its negative, averaged and weighed."""
    image = keras.Input((SIDE, SIDE, 1))
    activations = keras.layers.Conv2D(2, 1, use_bias=False)(image)
    logit = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(activations))
    model = keras.Model(image, [[[activations]], logit])
    model.set_weights([np.array([[[[1.0, -1.0]]]]), np.array([[2.0], [-0.5]]), np.array([0.3])])
    return model


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_the_map_is_the_weighted_difference_to_the_reference(linear_model: keras.Model) -> None:
    images, reference = draw(3, SIDE, SIDE, 1), draw(SIDE, SIDE, 1) / 2
    # d logit / d activation is the dense weight over SIDE^2, for every pixel; the common
    # factor leaves when the largest value becomes 1.
    more = (images - reference)[..., 0]
    evidence = np.maximum(2.0 * more + -0.5 * -more, 0)
    expected = evidence / evidence.max(axis=(1, 2), keepdims=True)
    heat, logit = grad_cam(linear_model, tf.constant(images), tf.constant(reference))
    np.testing.assert_allclose(heat, expected, atol=1e-5)
    mean = images.mean(axis=(1, 2))
    np.testing.assert_allclose(logit, 2.0 * mean + -0.5 * -mean + 0.3, atol=1e-5)


def test_a_film_without_evidence_has_an_empty_map(linear_model: keras.Model) -> None:
    reference = np.ones((SIDE, SIDE, 1), np.float32)
    films = np.stack([reference, reference - 1])  # the reference itself, and a darker film
    heat, _ = grad_cam(linear_model, tf.constant(films), tf.constant(reference))
    assert np.all(heat.numpy() == 0)


def test_maps_are_averaged_on_the_finest_grid() -> None:
    maps = [np.abs(draw(2, side, side)) for side in (3, 6, 12)]
    resized = [np.stack([cv2.resize(film, (12, 12)) for film in one]) for one in maps]
    mean = np.mean([one / one.max(axis=(1, 2), keepdims=True) for one in resized], axis=0)
    expected = mean / mean.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(mean_of([tf.constant(one) for one in maps]), expected, atol=1e-5)


def answer_by_algebra(
    activations: np.ndarray, dense: list[np.ndarray], last: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Applies the head, and the chain rule from the pneumonia logit back to the feature map.

    Returns:
        Gradient of each channel, the same at every place, and the logits.
    """
    hidden = np.maximum(activations.mean(axis=(1, 2)) @ dense[0] + dense[1], 0)
    assert 0 < np.mean(hidden > 0) < 1
    logits = hidden @ last[0] + last[1]
    by_logit = np.ones_like(logits)
    if logits.shape[1] == 3:  # d logsumexp is the softmax; normal is subtracted
        by_logit = np.concatenate([-by_logit[:, :1], softmax(logits[:, 1:], axis=1)], axis=1)
    by_average = ((by_logit @ last[0].T) * (hidden > 0)) @ dense[0].T
    return by_average / np.prod(activations.shape[1:3]), logits


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


NETWORKS = [
    ("binary", {"block": "plain"}),
    ("subtype", {"block": "plain", "squeeze_excite": True}),
    ("binary", {"block": "residual"}),
    ("subtype", {"backbone": "mobilenet_v3"}),
    ("subtype", {"backbone": "efficientnet_v2"}),
    ("subtype", {"backbone": "densenet121"}),
    ("binary", {"backbone": "resnet50"}),
    ("subtype", {"backbone": "efficientnet_lite0"}),
]


@pytest.mark.parametrize(
    ("task", "settings"),
    NETWORKS,
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_the_coarsest_map_of_every_network_follows_the_chain_rule(
    task: Task, settings: dict[str, str]
) -> None:
    keras.utils.set_random_seed(0)
    values = {"width": 4, "depth": 4, "dense_units": 8} | settings
    network = build_network(64, Network.model_validate(values), task)
    films = np.random.default_rng(1).random((3, 64, 64, 1), dtype=np.float32)
    cut_open = activations_and_logits(network)
    activations = cut_open(films, training=False)[0][0][0].numpy()
    gradients, expected_logits = answer_by_algebra(activations, *draw_head(network, activations))
    difference = activations[:2] - activations[2:]
    expected = np.maximum((gradients[:2, None, None] * difference).sum(axis=-1), 0)
    (coarsest, *finer), logits = layer_maps(
        cut_open, tf.constant(films[:2]), tf.constant(films[2]), weigh_differences
    )
    np.testing.assert_allclose(logits, expected_logits[:2], rtol=1e-4, atol=1e-4)
    assert expected.max() > 0
    np.testing.assert_allclose(coarsest / expected.max(), expected / expected.max(), atol=1e-3)
    sides = [coarsest.shape[1], *(one.shape[1] for one in finer)]
    assert sides == [sides[0], 2 * sides[0], 4 * sides[0]]
    assert all(np.ptp(one) > 0 for one in finer)


def test_finer_maps_follow_the_logit_where_a_channel_is_raised() -> None:
    """The mean gradient of a channel is what the logit gains where it is raised everywhere."""
    keras.utils.set_random_seed(0)
    network = build_network(64, Network(width=4, depth=4, dense_units=8))
    films = np.random.default_rng(1).random((2, 64, 64, 1), dtype=np.float32)
    cut_open = activations_and_logits(network)
    draw_head(network, cut_open(films, training=False)[0][0][0].numpy())
    maps, _ = layer_maps(cut_open, tf.constant(films[:1]), tf.constant(films[1]), weigh_differences)
    for layer, found in zip(explained_layers(network)[1:], maps[1:], strict=True):
        tail = keras.Model(layer.output, network.get_layer("logits").output)
        own, other = keras.Model(network.input, layer.output)(films, training=False).numpy()
        step = 1e-3
        raised = own + step * np.eye(own.shape[-1])[:, None, None, :]
        lowered = own - step * np.eye(own.shape[-1])[:, None, None, :]
        gain = (tail(raised)[:, 0] - tail(lowered)[:, 0]).numpy() / (2 * step)
        expected = np.maximum((gain * (own - other)).sum(axis=-1), 0)
        np.testing.assert_allclose(found[0] / np.max(found), expected / expected.max(), atol=0.05)


def test_the_map_explains_both_halves_of_the_answer() -> None:
    """Logits averaged over the mirror image: what is true of a film is true of its mirror image.

    The map of a mirrored film is the mirrored map, which that of one half would not be; and it
    is the sum of the maps of both halves.
    """
    keras.utils.set_random_seed(0)
    network = build_network(64, Network(width=4, depth=4, dense_units=8), "binary")
    images = np.random.default_rng(1).random((2, 64, 64, 1), dtype=np.float32)
    reference = np.random.default_rng(2).random((64, 64, 1), dtype=np.float32)
    reference = (reference + reference[:, ::-1]) / 2
    draw_head(network, activations_and_logits(network)(images, training=False)[0][0][0].numpy())
    averaged = activations_and_logits(network, flip_average=True)
    heat, _ = grad_cam(averaged, tf.constant(images), tf.constant(reference))
    turned = tf.constant(images[:, :, ::-1].copy())
    of_mirror, _ = grad_cam(averaged, turned, tf.constant(reference))
    np.testing.assert_allclose(of_mirror.numpy()[:, :, ::-1], heat, atol=1e-3)

    single = activations_and_logits(network)

    def evidence(half: np.ndarray) -> list[np.ndarray]:
        """What both halves' layers hold, before what speaks against pneumonia is cut off."""
        with tf.GradientTape() as tape:
            (layers,), logit = single(np.concatenate([half, reference[None]]), training=False)
        parts = zip(layers, tape.gradient(logit, layers), strict=True)
        return [weigh_differences(one[:-1], by[:-1], one[-1:]).numpy() for one, by in parts]

    both, logits = layer_maps(
        averaged, tf.constant(images), tf.constant(reference), weigh_differences
    )
    halves = [single(half, training=False)[1].numpy() for half in (images, turned)]
    np.testing.assert_allclose(logits, (halves[0] + halves[1]) / 2, atol=1e-5)
    for one, own, mirrored in zip(both, evidence(images), evidence(turned.numpy()), strict=True):
        expected = np.maximum(own + mirrored[:, :, ::-1], 0) / 2  # each half counts half
        np.testing.assert_allclose(one, expected, rtol=1e-3, atol=1e-5)


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
