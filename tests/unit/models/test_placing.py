"""Maps laid out on whole films, against OpenCV and algebra."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tensorflow as tf

from models.placing import WHOLE, place


def placed(maps: np.ndarray, frame: tuple[float, ...], size_px: int) -> np.ndarray:
    one = place(tf.constant(maps[np.newaxis, ..., np.newaxis]), tf.constant([frame]), size_px)
    return one.numpy()[0, ..., 0]


@pytest.mark.parametrize("shape", [(4, 4), (6, 6), (5, 9)])
def test_a_map_of_the_whole_film_is_resized(shape: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = cv2.resize(maps, (48, 48), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(placed(maps, WHOLE, 48), expected, atol=1e-5)


def test_a_map_lies_in_its_frame_alone() -> None:
    maps = np.random.default_rng(1).random((4, 4), dtype=np.float32) + 1
    # A quarter of 64 px from the top, three eighths from the left; 32 by 16 px.
    answer = placed(maps, (0.25, 0.375, 0.75, 0.625), 64)
    expected = np.zeros((64, 64), np.float32)
    expected[16:48, 24:40] = cv2.resize(maps, (16, 32), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_each_film_has_its_frame_and_each_channel_stays_apart() -> None:
    maps = tf.constant(np.ones((2, 2, 2, 2), np.float32) * [1.0, 3.0], tf.float32)
    frames = tf.constant([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    answer = place(maps, frames, 8).numpy()
    for channel, value in enumerate((1.0, 3.0)):
        assert np.all(answer[0, :4, :4, channel] == value)
        assert np.all(answer[1, 4:, 4:, channel] == value)
        assert answer[0, ..., channel].sum() == answer[1, ..., channel].sum() == 16 * value
