"""The films that control networks learn from: a bounded choice, kept on scratch disk.

The choice is read once from what Transform wrote, halved, with the lungs that it found blacked
out, and written in a row. From there any film can be had by its position, so every epoch has a
whole shuffle, and no more than a few batches are in memory, however many films there are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components.auditor.sampling import evenly
from models import features
from models.input_pipeline import TransformedFilms
from models.preprocessing import unpack_images, unpack_lungs

_FILMS_AT_ONCE = 64
_LUNG = 0.5  # share of a place from which on it counts as lung
_RIM = 1  # places of the lung fields by which what is hidden reaches beyond them


@dataclass(frozen=True)
class ControlFilms:
    """Films at half of the resolution, and their labels.

    Attributes:
        side_px: Height and width.
        labels: `[films]` int64 of 0 and 1.
        read: From positions `[batch]` to pixels `[batch, side, side, 1]` uint8.
    """

    side_px: int
    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]

    def shuffled(self, batch_films: int, seed: int) -> tf.data.Dataset:
        """Returns every film once, in another order in each pass.

        Args:
            batch_films: Films in a batch; the last one may be shorter.
            seed: Of the orders.

        Returns:
            Dataset of pairs: pixels `[batch, side, side, 1]` uint8, labels `[batch, 1]` float32.
        """
        labels = tf.constant(self.labels, tf.float32)[:, tf.newaxis]

        def load(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = tf.numpy_function(self.read, [positions], tf.uint8)
            return (
                tf.ensure_shape(pixels, [None, self.side_px, self.side_px, 1]),
                tf.gather(labels, positions),
            )

        films = len(self.labels)
        return tf.data.Dataset.range(films).shuffle(films, seed=seed).batch(batch_films).map(load)


@contextmanager
def control_films(
    films: TransformedFilms, size_px: int, at_most: int, seed: int
) -> Iterator[ControlFilms]:
    """Chooses films of both classes evenly and keeps them on scratch disk meanwhile.

    Args:
        films: The train split as Transform wrote it.
        size_px: Height and width that Transform resized to.
        at_most: Films; a rarer class leaves room for the other. They take a quarter of
            `size_px ** 2` bytes each.
        seed: Of the choice.

    Yields:
        The films.
    """
    labels = _labels(films)
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = evenly(labels, order, at_most)
    side_px = size_px // 2
    with tempfile.TemporaryFile() as file:
        for pixels in _chosen_pixels(films, chosen, len(labels), size_px):
            file.write(pixels.numpy().tobytes())
        file.flush()

        def read(positions: np.ndarray) -> np.ndarray:
            size = side_px**2
            rows = [os.pread(file.fileno(), size, int(position) * size) for position in positions]
            return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, side_px, side_px, 1)

        yield ControlFilms(side_px, labels[chosen], read)


def control_pixels(transformed: Mapping[str, tf.Tensor], size_px: int) -> tf.Tensor:
    """Returns films at half of their resolution, black where their lungs are.

    Each lung is hidden with the upright box around it: its own outline would tell of its disease.

    Args:
        transformed: Holds IMAGE_XF and LUNGS_XF; without lungs, as where Transform did not look for
            them, nothing is hidden.
        size_px: Height and width that Transform resized to.

    Returns:
        `[batch, size_px // 2, size_px // 2, 1]` uint8.
    """
    pixels = unpack_images(transformed, size_px)
    half = tf.cast(tf.round(255.0 * tf.nn.avg_pool2d(pixels, 2, 2, "VALID")), tf.uint8)
    boxes = tf.cast(_lung_boxes(unpack_lungs(transformed)), tf.uint8)
    hidden = tf.image.resize(boxes, half.shape[1:3], tf.image.ResizeMethod.NEAREST_NEIGHBOR)
    return half * (1 - hidden)


def _lung_boxes(lungs: tf.Tensor) -> tf.Tensor:
    """Returns `[batch, side, side, 1]` bool, true in the widened box of either lung."""
    inside = tf.nn.max_pool2d(lungs, 2 * _RIM + 1, 1, "SAME") > _LUNG
    rows = tf.reduce_any(inside, axis=2, keepdims=True)
    columns = tf.reduce_any(inside, axis=1, keepdims=True)
    return tf.reduce_any(rows & columns, axis=-1, keepdims=True)


def _labels(films: TransformedFilms) -> np.ndarray:
    spec = {features.LABEL_XF: tf.io.FixedLenFeature([], tf.int64)}
    batches = films.serialised().batch(_FILMS_AT_ONCE)
    parsed = batches.map(lambda batch: tf.io.parse_example(batch, spec)[features.LABEL_XF])
    return np.concatenate(list(parsed.as_numpy_iterator()))


def _chosen_pixels(
    films: TransformedFilms, chosen: np.ndarray, count: int, size_px: int
) -> tf.data.Dataset:
    """Returns the chosen ones of `count` films in their order, in batches of `control_pixels`."""
    mask = np.zeros(count, dtype=bool)
    mask[chosen] = True
    is_chosen = tf.constant(mask)
    some = films.serialised().enumerate().filter(lambda position, _: is_chosen[position])
    batches = some.map(lambda _, film: film).batch(_FILMS_AT_ONCE)
    return batches.map(lambda batch: control_pixels(films.parse(batch), size_px))
