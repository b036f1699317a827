"""Films as the served model prepares them: what Transform makes, what the network is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.auditor.scoring import batches
from models import features
from models.hyperparameters import Preprocessing
from models.preprocessing import standardise, unpack_images


@dataclass(frozen=True)
class ServedPixels:
    """The preparation inside a served model.

    Attributes:
        served: A loaded SavedModel.
        settings: What its films are prepared by.
    """

    served: Any
    settings: Preprocessing

    def transformed(self, examples: Iterable[tf.train.Example]) -> Iterator[dict[str, tf.Tensor]]:
        """Yields what Transform makes of films.

        Args:
            examples: Raw examples, of which only the image has to be there.

        Yields:
            The transformed features of a batch of films.
        """
        for batch in batches(examples):
            serialised = tf.constant([example.SerializeToString() for example in batch])
            yield self.served.signatures[features.TRANSFORM_FEATURES](
                **{features.EXAMPLES: serialised}
            )

    def of_images(self, images: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Prepares encoded films.

        Args:
            images: JPEG or PNG files, at least one.

        Returns:
            Grey levels in [0, 255] and what the network is given, both `[films, side, side, 1]`
            float32.
        """
        levels, given = [], []
        for transformed in self.transformed(map(example_of, images)):
            pixels = unpack_images(transformed, self.settings.image_size_px)
            levels.append(255.0 * pixels.numpy())
            given.append(standardise(pixels, transformed, self.settings.normalisation).numpy())
        return np.concatenate(levels), np.concatenate(given)


def example_of(image: bytes) -> tf.train.Example:
    """Returns a raw example of which only the encoded image is known."""
    example = tf.train.Example()
    example.features.feature[features.IMAGE].bytes_list.value.append(image)
    return example
