"""Films as a served model prepares them, against OpenCV and by order."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from components.auditor.scoring import BATCH_FILMS
from components.auditor.served_pixels import ServedPixels, example_of
from models.hyperparameters import Preprocessing
from tests.support import encode
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import film_of

FILMS = [film_of(seed, 60 + seed, 2 * SIDE_PX) for seed in range(BATCH_FILMS + 2)]


@pytest.mark.parametrize("normalisation", ["unit", "per_image"])
def test_grey_levels_and_inputs_are_of_each_film_in_order(
    mean_model: Any, normalisation: str
) -> None:
    settings = Preprocessing.model_validate(
        {"image_size_px": SIDE_PX, "normalisation": normalisation}
    )
    levels, given = ServedPixels(mean_model, settings).of_images(map(encode, FILMS))
    assert levels.shape == given.shape == (len(FILMS), SIDE_PX, SIDE_PX, 1)
    side = (SIDE_PX, SIDE_PX)
    shrunk = np.stack([cv2.resize(one, side, interpolation=cv2.INTER_AREA) for one in FILMS])
    assert np.abs(levels[..., 0] - shrunk).max() <= 1
    if normalisation == "unit":
        assert given == pytest.approx(levels / 255, abs=1e-6)
    else:
        mean, stddev = (of(levels, axis=(1, 2, 3), keepdims=True) for of in (np.mean, np.std))
        assert given == pytest.approx((levels - mean) / stddev, abs=1e-3)


def test_an_example_of_an_image_holds_nothing_else() -> None:
    feature = example_of(b"film").features.feature
    assert {name: list(one.bytes_list.value) for name, one in feature.items()} == {
        "image": [b"film"]
    }
