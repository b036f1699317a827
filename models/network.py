"""The convolutional network, and the names by which others find its parts."""

from __future__ import annotations

import keras

from models.hyperparameters import Network

LAST_CONVOLUTION = "last_convolution"  # activations that Grad-CAM weighs
LOGIT = "logit"
PROBABILITY = "probability"


def build_network(image_size_px: int, settings: Network) -> keras.Model:
    """Builds an uncompiled network for one-channel radiographs.

    Each block is convolution, batch normalisation, ReLU and max pooling; the width
    doubles from block to block. The first convolution strides, so that the full
    resolution is seen but not carried. Global average pooling, a dense layer, dropout
    and a sigmoid follow.

    Args:
        image_size_px: Height and width of the input.
        settings: Width, depth, dense units and dropout.

    Returns:
        Model from `[batch, height, width, 1]` float32 to `[batch, 1]` P(pneumonia)
        before calibration.

    Raises:
        ValueError: If the image is too small to be halved `depth` times.
    """
    if image_size_px < 2 ** (settings.depth + 1):
        raise ValueError(
            f"network.depth {settings.depth} needs preprocessing.image_size_px of at least "
            f"{2 ** (settings.depth + 1)}, not {image_size_px}"
        )
    image = keras.Input((image_size_px, image_size_px, 1), name="image")
    x = image
    for block in range(settings.depth):
        last = block == settings.depth - 1
        x = keras.layers.Conv2D(
            settings.width * 2**block,
            kernel_size=5 if block == 0 else 3,
            strides=2 if block == 0 else 1,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"convolution_{block}",
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"normalisation_{block}")(x)
        x = keras.layers.ReLU(name=LAST_CONVOLUTION if last else f"activation_{block}")(x)
        if not last:
            x = keras.layers.MaxPooling2D(name=f"pooling_{block}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    x = keras.layers.Dense(settings.dense_units, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(settings.dropout, name="dropout")(x)
    logit = keras.layers.Dense(1, name=LOGIT)(x)
    # float32 whatever the policy: probabilities near 0 and 1 must not be rounded away.
    probability = keras.layers.Activation("sigmoid", dtype="float32", name=PROBABILITY)(logit)
    return keras.Model(image, probability, name="chest_xray_cnn")


def activations_and_logit(network: keras.Model) -> keras.Model:
    """Returns the network cut open for explanations and calibration.

    Args:
        network: A model of `build_network`.

    Returns:
        Model with the same input whose outputs are the last convolution's activations
        `[batch, rows, columns, channels]` and the logit `[batch, 1]`.
    """
    outputs = [network.get_layer(LAST_CONVOLUTION).output, network.get_layer(LOGIT).output]
    return keras.Model(network.input, outputs, name="activations_and_logit")
