"""Grad-CAM against the algebra of average pooling and a dense layer."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from models.grad_cam import grad_cam, overlay

SIDE = 16


@pytest.fixture(name="linear_model")
def make_linear_model() -> keras.Model:
    """Two channels that are the image and its negative, averaged and weighed."""
    image = keras.Input((SIDE, SIDE, 1))
    activations = keras.layers.Conv2D(2, 1, use_bias=False)(image)
    logit = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(activations))
    model = keras.Model(image, [activations, logit])
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
