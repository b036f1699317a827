"""The model of a run, opened to be asked where it looks and what its layers respond to."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.auditor.served_pixels import ServedPixels
from models import features
from models.cut_open import activations_and_logits, of_films_alone, side_by_side, up_to_last_hidden
from models.records import read_network
from models.served_facts import read_facts

_ANSWERS = (
    features.OVERLAY_BYTES, features.BOXES, features.BOX_SCORES, features.LUNG_OPACITY,
    features.LESIONS,
)  # fmt: skip


@dataclass(frozen=True)
class ExplainedModel:
    """A served model and the network in it.

    Attributes:
        served: A loaded SavedModel.
        prepared: How it prepares a film.
        network: Of `activations_and_logits`, without the mirror image.
        threshold: Probability from which a film is called PNEUMONIA.
    """

    served: Any
    prepared: ServedPixels
    network: keras.Model
    threshold: float

    @classmethod
    def open(cls, saved_model: str, model_run: str) -> ExplainedModel:
        """Opens what a training left.

        Args:
            saved_model: Folder of the SavedModel.
            model_run: Folder of the training record.

        Returns:
            The model.
        """
        served, facts = tf.saved_model.load(saved_model), read_facts(saved_model)
        return cls(
            served,
            ServedPixels(served, facts.settings.preprocessing),
            activations_and_logits(read_network(facts.settings, model_run)),
            facts.operating_point.threshold,
        )

    @functools.cached_property
    def _of_film(self) -> keras.Model:
        return of_films_alone(self.network)

    def explain(self, images: Sequence[bytes]) -> list[dict[str, Any]]:
        """Asks where the model looked.

        Args:
            images: Encoded films, at least one.

        Returns:
            By film the overlay, boxes, their scores, lung opacity and, where the model marks them,
            lesions, as `explain_images` has them.
        """
        answer = self.served.signatures[features.EXPLAIN_IMAGES](
            **{features.IMAGE_BYTES: tf.constant(images)}
        )
        columns = {name: answer[name].numpy() for name in _ANSWERS if name in answer}
        return [
            {name: column[row] for name, column in columns.items()} for row in range(len(images))
        ]

    def feature_maps(self, image: bytes) -> list[npt.NDArray[np.float32]]:
        """Returns what the explained layers hold of a film.

        Args:
            image: Encoded film that the model judges.

        Returns:
            `[rows, columns, channels]` of each layer, the first one first, with the channels of
            all members.
        """
        _, given = self.prepared.of_images([image])
        (layers,), _ = self._of_film(given, training=False)
        return [layer[0].numpy() for layer in reversed(side_by_side(layers))]

    def embeddings(self, images: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """Returns what the network decides by.

        Args:
            images: Encoded films that the model judges, at least one.

        Returns:
            `[films, dense_units]`, of several members side by side.
        """
        _, given = self.prepared.of_images(images)
        return of_films_alone(up_to_last_hidden(self.network))(given, training=False).numpy()
