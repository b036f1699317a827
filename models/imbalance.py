"""What makes up for the rarer class: weights, over- or undersampling.

The focal loss, a fourth choice, is a matter of the loss: see `models.optimisation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

CLASS_WEIGHTS = "class_weights"
FOCAL = "focal"
RESAMPLING = ("oversample", "undersample")  # the other choices leave the films as they are


def class_weights(counts: Sequence[int]) -> dict[int, float]:
    """Returns weights that give each class the same sum over the training films.

    The weight of class c is `total / (classes * count[c])` (King and Zeng, Logistic
    Regression in Rare Events Data, 2001), so the mean weight of a film is 1.

    Args:
        counts: Training films by class index, each at least 1.

    Returns:
        Weight by class index.

    Raises:
        ValueError: If a class has no film.
    """
    if min(counts) < 1:
        raise ValueError(f"each class needs a training film; the counts are {list(counts)}")
    balanced = sum(counts) / (len(counts) * np.asarray(counts, dtype=float))
    return {index: float(weight) for index, weight in enumerate(balanced)}


def film_weights(classes: tf.Tensor, counts: Sequence[int], imbalance: str) -> tf.Tensor:
    """Returns what each film of a batch counts in the loss.

    Args:
        classes: `[batch]` int64, class index.
        counts: Training films by class index.
        imbalance: Only `class_weights` gives other weights than 1.

    Returns:
        `[batch]` float32, mean 1 over the training films.
    """
    if imbalance != CLASS_WEIGHTS:
        return tf.ones(tf.shape(classes), tf.float32)
    by_class = class_weights(counts)
    return tf.gather(tf.constant([by_class[index] for index in range(len(counts))]), classes)


def resample(
    by_class: Sequence[tf.data.Dataset], counts: Sequence[int], how: str, seed: int
) -> tf.data.Dataset:
    """Draws the classes equally often.

    Args:
        by_class: One finite dataset of single films a class.
        counts: Films in each.
        how: `oversample` draws until the commonest class has been seen once,
            `undersample` until the rarest has.
        seed: Of the draw.

    Returns:
        Dataset of `resampled_size(counts, how)` films.
    """
    share = 1 / len(by_class)
    endless = [films.repeat() for films in by_class]
    drawn = tf.data.Dataset.sample_from_datasets(
        endless, [share] * len(endless), seed=seed, rerandomize_each_iteration=True
    )
    return drawn.take(resampled_size(counts, how))


def resampled_size(counts: Sequence[int], how: str) -> int:
    """Returns the films an epoch has after `resample`."""
    return len(counts) * (max(counts) if how == "oversample" else min(counts))
