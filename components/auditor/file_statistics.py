"""A control that sees no picture: a logistic regression on what a file says as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.auditor.scoring import image_of
from models import features
from radiographs.decoding import film_size, grey_levels

_STATISTICS_SIDE_PX = 256
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def statistics_control(
    train: Iterable[tf.train.Example], test: Iterable[tf.train.Example]
) -> np.ndarray:
    """Fits a logistic regression to what a file says without its picture.

    Args:
        train: Raw examples to learn from, of both classes.
        test: Raw examples to score.

    Returns:
        `[test films]` P(pneumonia).
    """
    statistics, labels = [], []
    for example in train:
        statistics.append(file_statistics(image_of(example)))
        label = example.features.feature[features.LABEL].bytes_list.value[0]
        labels.append(label == features.PNEUMONIA.encode())
    regression = LogisticRegression(class_weight="balanced", max_iter=1000)
    fitted = make_pipeline(StandardScaler(), regression).fit(np.array(statistics), labels)
    of_test = [file_statistics(image_of(example)) for example in test]
    return fitted.predict_proba(np.array(of_test))[:, 1]


def file_statistics(data: bytes) -> np.ndarray:
    """Measures an encoded film as a whole.

    Args:
        data: JPEG or PNG file.

    Returns:
        `[16]` float: width, height, aspect ratio, encoded bytes, and of the grey levels
        mean, standard deviation, skewness, excess kurtosis, seven percentiles and the share of
        the brightest level.
    """
    width_px, height_px = film_size(data)
    levels = grey_levels(data, _STATISTICS_SIDE_PX).ravel().astype(np.float64)
    mean, stddev = levels.mean(), levels.std()
    standardised = (levels - mean) / max(stddev, 1e-6)
    return np.array(
        [
            width_px, height_px, width_px / height_px, len(data),
            mean, stddev, np.mean(standardised**3), np.mean(standardised**4) - 3,
            *np.percentile(levels, _PERCENTILES), np.mean(levels == 255),
        ]
    )  # fmt: skip
