"""Age, sex and view as numbers: what a network, or a control, may be told beside the pixels.

The vector is made here and nowhere else. Transform writes it where `network.clinical` is on, so
training and serving have it from one graph; the control of the Auditor calls the same function.
What is unknown is said by a flag: an age of 0 is a newborn's, and no sex at all is none of those
that are known. A signature that is given a file alone knows nothing, and gets `NOTHING_KNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import tensorflow as tf

from models import features
from radiographs.ages import MAX_AGE_YEARS

_KNOWN_SEXES = tuple(sex for sex in features.SEXES if sex != features.UNKNOWN)
_KNOWN_VIEWS = tuple(view for view in features.VIEWS if view != features.UNKNOWN)

# Numbers of age, sex and view; the last one of each says that it is unknown.
WIDTHS = (2, len(_KNOWN_SEXES) + 1, len(_KNOWN_VIEWS) + 1)
LENGTH = sum(WIDTHS)
NOTHING_KNOWN = tuple(float(place == width - 1) for width in WIDTHS for place in range(width))

# A film, and with `network.clinical` what is known beside it.
Given: TypeAlias = tf.Tensor | tuple[tf.Tensor, tf.Tensor]


def clinical_vector(ages_years: tf.Tensor, sexes: tf.Tensor, views: tf.Tensor) -> tf.Tensor:
    """Makes the vectors of films.

    Args:
        ages_years: `[batch, 1]` int64; outside 0 to `MAX_AGE_YEARS` it is unknown.
        sexes: `[batch, 1]` string; what is none of `features.SEXES` is unknown.
        views: `[batch, 1]` string, likewise of `features.VIEWS`.

    Returns:
        `[batch, LENGTH]` float32: the age as a share of `MAX_AGE_YEARS` and whether it is unknown;
        whether the sex is M, F, O, unknown; whether the view is PA, AP, unknown.
    """
    known = (ages_years >= 0) & (ages_years <= MAX_AGE_YEARS)
    shares = tf.where(known, tf.cast(ages_years, tf.float32) / MAX_AGE_YEARS, 0.0)
    age = tf.concat([shares, tf.cast(~known, tf.float32)], axis=1)
    return tf.concat([age, _one_hot(sexes, _KNOWN_SEXES), _one_hot(views, _KNOWN_VIEWS)], axis=1)


def forget(vectors: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Makes some of what is known unknown, so that a network learns to do without.

    A film is first stripped of all three at once, as a file alone is, and then of each by itself.

    Args:
        vectors: `[batch, LENGTH]` float32, of `clinical_vector`.
        share: Of the films that lose all, and of the others that lose age, sex or view.
        seed: `[2]` int64.

    Returns:
        The same shape.
    """
    drawn = tf.random.stateless_uniform([tf.shape(vectors)[0], 1 + len(WIDTHS)], seed)
    lost = drawn < share
    of_each = tf.repeat(lost[:, :1] | lost[:, 1:], WIDTHS, axis=1)
    return tf.where(of_each, tf.constant(NOTHING_KNOWN), vectors)


def given_to_network(images: tf.Tensor, transformed: Mapping[str, tf.Tensor]) -> Given:
    """Returns what a network is given of films.

    Args:
        images: `[batch, height, width, 1]` float32, standardised.
        transformed: The same films; holds CLINICAL_XF where Transform ran for `network.clinical`.

    Returns:
        The images, alone or with the vectors.
    """
    if features.CLINICAL_XF not in transformed:
        return images
    return images, transformed[features.CLINICAL_XF]


def film_of(given: Given) -> tf.Tensor:
    """Returns the images alone of what a network is given."""
    return tf.nest.flatten(given)[0]


def _one_hot(words: tf.Tensor, vocabulary: tuple[str, ...]) -> tf.Tensor:
    """Returns `[batch, words + 1]` float32; the last column is for any other word."""
    matches = tf.cast(words == tf.constant([vocabulary]), tf.float32)
    return tf.concat([matches, 1 - tf.reduce_max(matches, axis=1, keepdims=True)], axis=1)
