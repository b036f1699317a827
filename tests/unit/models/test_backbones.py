"""Backbones: the scale of their input, saving, freezing, weights from a local server."""

from __future__ import annotations

import hashlib
import http.server
import pathlib
import threading
from collections.abc import Iterator
from functools import partial

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import applications
from keras.src.applications import mobilenet_v3
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils

from models.backbones import RESCALED
from models.cut_open import activations_and_logits
from models.hyperparameters import Network
from models.network import LAST_CONVOLUTION, build_network, set_backbone_trainable

SIDE_PX = 64
CHANNELS = {
    "mobilenet_v3": 576,
    "efficientnet_v2": 1280,
    "densenet121": 1024,
    "resnet50": 2048,
    "efficientnet_lite0": 1280,
}
FILMS = np.random.default_rng(0).random((3, SIDE_PX, SIDE_PX, 1), dtype=np.float32)


def settings_of(backbone: str, **others: str) -> Network:
    return Network.model_validate({"backbone": backbone, "dense_units": 8} | others)


def disturb(model: keras.Model) -> None:
    """Moves biases and normalisations off their common first values, to tell layers apart."""
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            weight + rng.uniform(0, 0.5, weight.shape) if weight.ndim == 1 else weight
            for weight in model.get_weights()
        ]
    )


@pytest.fixture(name="network", scope="module", params=list(CHANNELS))
def make_network(request: pytest.FixtureRequest) -> keras.Model:
    network = build_network(SIDE_PX, settings_of(request.param), "subtype")
    disturb(network)
    return network


def test_the_last_feature_map_is_a_thirty_second_of_the_image(network: keras.Model) -> None:
    channels = CHANNELS[network.name.removeprefix("chest_xray_")]
    assert network.get_layer(LAST_CONVOLUTION).output.shape == (None, 2, 2, channels)
    assert network.output_shape == (None, 3)
    assert network.input_shape == (None, SIDE_PX, SIDE_PX, 1)


def expected_scale(backbone: str, colours: np.ndarray) -> np.ndarray:
    """Prepares pixels in [0, 255] with the code that Keras ships for a backbone, if it has it."""
    if backbone.startswith("efficientnet_lite"):
        return (colours - 127) / 128
    if backbone == "densenet121":
        return applications.densenet.preprocess_input(colours)
    if backbone == "resnet50":
        return applications.resnet_v2.preprocess_input(colours)
    build, first = {
        "mobilenet_v3": (applications.MobileNetV3Small, "conv"),
        "efficientnet_v2": (applications.EfficientNetV2B0, "stem_conv"),
    }[backbone]
    model = build(include_top=False, weights=None, input_shape=(SIDE_PX, SIDE_PX, 3))
    return keras.Model(model.input, model.get_layer(first).input)(colours).numpy()


def test_pixels_reach_the_backbone_on_the_scale_it_expects(network: keras.Model) -> None:
    seen = keras.Model(network.input, network.get_layer(RESCALED).output)(FILMS).numpy()
    colours = np.repeat(FILMS * 255, 3, axis=-1)
    expected = expected_scale(network.name.removeprefix("chest_xray_"), colours.copy())
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def assert_same_answers(network: keras.Model, again: keras.Model) -> None:
    answers = activations_and_logits(again)(FILMS, training=False)
    expected = activations_and_logits(network)(FILMS, training=False)
    for answer, part in zip(tf.nest.flatten(answers), tf.nest.flatten(expected), strict=True):
        assert_close(answer, part)


def assert_close(answer: np.ndarray, expected: np.ndarray) -> None:
    largest = np.abs(expected).max()
    np.testing.assert_allclose(answer / largest, expected / largest, atol=1e-4)


@pytest.mark.parametrize("extension", ["keras", "h5"])
def test_a_saved_backbone_answers_the_same(
    network: keras.Model, extension: str, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / f"model.{extension}"
    network.save(file)
    assert_same_answers(network, keras.saving.load_model(file, compile=False))


def test_an_earlier_run_of_a_backbone_is_taken_whole(
    network: keras.Model, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "earlier.weights.h5"
    network.save_weights(file)
    backbone = network.name.removeprefix("chest_xray_")
    again = build_network(SIDE_PX, settings_of(backbone, weights=str(file)), "subtype")
    assert_same_answers(network, again)


def test_freezing_stops_where_the_head_begins(network: keras.Model) -> None:
    free = len(network.trainable_weights)
    set_backbone_trainable(network, False)
    try:
        assert [weight.path for weight in network.trainable_weights] == [
            "dense/kernel", "dense/bias", "logits/kernel", "logits/bias",
        ]  # fmt: skip
    finally:
        set_backbone_trainable(network, True)
    assert len(network.trainable_weights) == free > 100


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="server_folder")
def serve_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """Stands in for the server that keras.applications downloads from; its cache is empty."""
    folder, cache = tmp_path / "server", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(cache))
    address = ("127.0.0.1", 0)
    server = http.server.ThreadingHTTPServer(address, partial(Quiet, directory=str(folder)))
    url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(mobilenet_v3, "BASE_WEIGHT_PATH", url)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def publish(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[keras.Model, pathlib.Path]:
    """Writes weights as Keras publishes them: by position, for colour photographs."""
    published = applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(SIDE_PX, SIDE_PX, 3)
    )
    disturb(published)
    file = folder / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    with h5py.File(file, "w") as content:
        legacy_h5_format.save_weights_to_hdf5_group(content, published)
    digest = hashlib.md5(file.read_bytes()).hexdigest()
    monkeypatch.setitem(mobilenet_v3.WEIGHTS_HASHES, "small_224_1.0_float", ("", digest))
    return published, file


def test_imagenet_weights_are_downloaded_once(
    server_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, file = publish(server_folder, monkeypatch)
    settings = settings_of("mobilenet_v3", weights="imagenet")
    network = build_network(SIDE_PX, settings)
    colours = np.repeat(FILMS * 255, 3, axis=-1)
    features = keras.Model(network.input, network.get_layer(LAST_CONVOLUTION).output)(FILMS)
    assert_close(features, published(colours))
    file.unlink()
    cached = build_network(SIDE_PX, settings).get_layer("conv").get_weights()[0]
    np.testing.assert_array_equal(cached, published.get_layer("conv").get_weights()[0])


@pytest.mark.parametrize("fault", ["missing", "damaged", "unreachable"])
def test_a_failed_download_says_what_to_do(
    fault: str, server_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "damaged":
        (server_folder / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5").write_bytes(b"?")
    if fault == "unreachable":
        monkeypatch.setattr(mobilenet_v3, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    with pytest.raises(
        ValueError, match=r"mobilenet_v3 could not be fetched .* set network\.weights"
    ):
        build_network(SIDE_PX, settings_of("mobilenet_v3", weights="imagenet"))
