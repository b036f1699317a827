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

    def batches(self, examples: Iterable[tf.train.Example]) -> Iterator[tf.Tensor]:
        """Yields films as Transform makes them.

        Args:
            examples: Raw examples, of which only the image has to be there.

        Yields:
            `[batch, side, side, 1]` float32 in [0, 1].
        """
        for batch in batches(examples):
            yield self._unpacked(self._transformed(batch))

    def of_images(self, images: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Prepares encoded films.

        Args:
            images: JPEG or PNG files, at least one.

        Returns:
            Grey levels in [0, 255] and what the network is given, both `[films, side, side, 1]`
            float32.
        """
        levels, given = [], []
        for batch in batches(map(example_of, images)):
            transformed = self._transformed(batch)
            pixels = self._unpacked(transformed)
            levels.append(255.0 * pixels.numpy())
            given.append(standardise(pixels, transformed, self.settings.normalisation).numpy())
        return np.concatenate(levels), np.concatenate(given)

    def _transformed(self, examples: list[tf.train.Example]) -> dict[str, tf.Tensor]:
        serialised = tf.constant([example.SerializeToString() for example in examples])
        return self.served.signatures[features.TRANSFORM_FEATURES](
            **{features.EXAMPLES: serialised}
        )

    def _unpacked(self, transformed: dict[str, tf.Tensor]) -> tf.Tensor:
        return unpack_images(transformed, self.settings.image_size_px)


def example_of(image: bytes) -> tf.train.Example:
    """Returns a raw example of which only the encoded image is known."""
    example = tf.train.Example()
    example.features.feature[features.IMAGE].bytes_list.value.append(image)
    return example
