"""The second output: where lesions are, learnt from masks that somebody has drawn.

A decoder over the feature maps of the trained network, which stays as it is: what the model
answers about pneumonia, and its heat, are the same with and without it. So it asks nothing of how
the network is trained, of one member or several, for two classes or three, and a handful of masks
is enough, since few weights learn.

Source: T.-Y. Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, of which it
is the way back up.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import tensorflow as tf

from models.cut_open import feature_pyramid, of_films_alone, side_by_side

_CHANNELS = 32  # of the decoder, at every size


@dataclass(frozen=True)
class LesionFinder:
    """A network and the decoder over its feature maps.

    Attributes:
        pyramid: of `models.cut_open.feature_pyramid`, of films alone.
        decoder: from these maps to `[batch, rows, columns, 1]` float32 in [0, 1].
        flip_average: whether the answer is the mean over a film and its mirror image.
    """

    pyramid: keras.Model
    decoder: keras.Model
    flip_average: bool

    @classmethod
    def untrained(cls, network: keras.Model, flip_average: bool) -> LesionFinder:
        """Builds a new decoder over a network.

        Args:
            network: of `build_network` or `fold`; it is not changed.
            flip_average: as of the class.
        """
        pyramid = of_films_alone(feature_pyramid(network))
        shapes = side_by_side([tf.zeros([1, *one.shape[1:]]) for one in pyramid.outputs])
        decoder = _build_decoder([tuple(one.shape[1:]) for one in shapes])
        return cls(pyramid, decoder, flip_average)

    @property
    def weights(self) -> list[tf.Variable]:
        """What the decoder has learnt."""
        return [weight.value for weight in self.decoder.weights]

    def maps(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Returns what the decoder is given of `[batch, size, size, 1]` float32, standardised."""
        return side_by_side(tf.nest.flatten(self.pyramid(images, training=False)))

    def find(self, images: tf.Tensor) -> tf.Tensor:
        """Finds lesions.

        Args:
            images: `[batch, size, size, 1]` float32, standardised.

        Returns:
            `[batch, rows, columns]` float32 in [0, 1], on the finest grid of the pyramid.
        """
        found = self.decoder(self.maps(images), training=False)
        if self.flip_average:
            mirrored = self.decoder(self.maps(tf.reverse(images, [2])), training=False)
            found = (found + tf.reverse(mirrored, [2])) / 2
        return found[..., 0]


def lesion_loss(masks: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Adds the cross-entropy of pixels to what the soft Dice of the batch lacks of 1.

    Of the batch and not of each film, as the Dice of a film without lesions is not defined.

    Source: F. Milletari et al., "V-Net: Fully Convolutional Neural Networks for Volumetric Medical
    Image Segmentation", 3DV 2016, with sums in place of squares.

    Args:
        masks: `[batch, rows, columns, 1]` float32, share of each cell that is lesion.
        found: the same shape, float32 in [0, 1].

    Returns:
        Scalar float32 of at least 0.
    """
    entropy = keras.losses.BinaryCrossentropy()(masks, found)
    shared = 2 * tf.reduce_sum(masks * found)
    dice = tf.math.divide_no_nan(shared, tf.reduce_sum(masks) + tf.reduce_sum(found))
    return entropy + 1 - dice


def _build_decoder(shapes: list[tuple[int, int, int]]) -> keras.Model:
    """Builds the decoder for maps of these shapes, the finest first."""
    maps = [keras.Input(shape, name=f"map_{level}") for level, shape in enumerate(shapes)]
    x = None
    for level in reversed(range(len(maps))):
        lateral = _convolution(maps[level], f"lateral_{level}", kernel_size=1)
        if x is not None:
            x = keras.layers.Resizing(*shapes[level][:2], name=f"enlarged_{level}")(x)
            lateral = keras.layers.Add(name=f"joined_{level}")([lateral, x])
        x = _convolution(lateral, f"smooth_{level}", kernel_size=3)
    found = keras.layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="lesions")(x)
    return keras.Model(maps, found, name="lesion_decoder")


def _convolution(x: keras.KerasTensor, name: str, kernel_size: int) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        _CHANNELS, kernel_size, padding="same", use_bias=False, name=f"convolution_{name}"
    )(x)
    x = keras.layers.BatchNormalization(name=f"normalisation_{name}")(x)
    return keras.layers.ReLU(name=f"activation_{name}")(x)
