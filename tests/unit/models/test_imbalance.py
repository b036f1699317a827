"""Class weights against scikit-learn; resampled epochs counted."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from models.imbalance import class_weights, resample, resampled_size


def test_class_weights_agree_with_scikit_learn() -> None:
    labels = np.repeat([0, 1], [1341, 3875])
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    assert class_weights([1341, 3875]) == pytest.approx(dict(enumerate(expected)))


def test_a_class_without_films_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 5\]"):
        class_weights([0, 5])


@pytest.mark.parametrize(("how", "size"), [("oversample", 1600), ("undersample", 400)])
def test_resampled_epochs_are_balanced(how: str, size: int) -> None:
    counts = [200, 800]
    by_class = [tf.data.Dataset.from_tensors(index).repeat(counts[index]) for index in (0, 1)]
    drawn = list(resample(by_class, counts, how, seed=4).as_numpy_iterator())
    assert len(drawn) == size == resampled_size(counts, how)
    assert np.mean(drawn) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(size))
