"""What makes up for the rarer class, and for the rarer group: weights, over- or undersampling.

The focal loss, a fourth choice, is a matter of the loss: see `models.optimisation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

CLASS_WEIGHTS = "class_weights"
FOCAL = "focal"
OVERSAMPLE, UNDERSAMPLE = "oversample", "undersample"  # other choices leave the films as they are


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
    balanced = sum(counts) / (len(counts) * np.asarray(counts))
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


def films_of_epoch(counts: Sequence[int], imbalance: str) -> tuple[int, ...]:
    """Returns how many films of each class an epoch draws.

    Args:
        counts: Training films by class index.
        imbalance: `oversample` draws of each class as many as the commonest has,
            `undersample` as many as the rarest; the others draw every film.

    Returns:
        Films by class index.
    """
    if imbalance == OVERSAMPLE:
        return (max(counts),) * len(counts)
    if imbalance == UNDERSAMPLE:
        return (min(counts),) * len(counts)
    return tuple(counts)


def draw_epoch(
    classes: np.ndarray,
    imbalance: str,
    random: np.random.Generator,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Draws the films of an epoch, and their order.

    Within a class no film is drawn twice before each has been drawn once, and every film has
    the same chance of being drawn and of any place in the order. With groups that holds within
    the films of a class and a group, and of each class as many are drawn of every group that
    has some: then the group tells nothing of the class (Idrissi et al., Simple Data Balancing
    Achieves Competitive Worst-Group-Accuracy, CLeaR 2022), but for groups of one class alone.

    Args:
        classes: `[films]` int, class index of each training film; each class has one.
        imbalance: As `films_of_epoch` takes it.
        random: Source of the draw.
        groups: `[films]` names, or None where groups make no difference.

    Returns:
        `[drawn]` int64, indices into `classes`.
    """
    counts = np.bincount(classes)
    drawn = []
    for index, size in enumerate(films_of_epoch(counts.tolist(), imbalance)):
        films = np.flatnonzero(classes == index)
        of_groups = [films] if groups is None else _divided(films, groups)
        sizes = _even_shares(size, len(of_groups), random)
        drawn += [_draw(*pair, random) for pair in zip(of_groups, sizes, strict=True)]
    return random.permutation(np.concatenate(drawn))


def _divided(films: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    return [films[groups[films] == name] for name in np.unique(groups[films])]


def _even_shares(size: int, groups: int, random: np.random.Generator) -> list[int]:
    """Divides a number so that no share is larger than another by more than one."""
    rounds, rest = divmod(size, groups)
    larger = random.choice(groups, rest, replace=False)
    return (rounds + np.isin(np.arange(groups), larger)).tolist()


def _draw(films: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    rounds, rest = divmod(size, len(films))
    return np.concatenate([np.tile(films, rounds), random.choice(films, rest, replace=False)])
