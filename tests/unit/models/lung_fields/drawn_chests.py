"""Phantoms of 256 px with their known lungs, and pictures that show no chest."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from radiographs.phantoms import Phantom, draw_phantom

SIZE_PX = 256


@functools.cache
def chests() -> tuple[Phantom, ...]:
    """Draws twelve films, of children and adults, well and ill."""
    return tuple(draw_phantom(seed, SIZE_PX) for seed in range(12))


@functools.cache
def no_chests() -> dict[str, np.ndarray]:
    """Draws pictures with grey levels of every kind and no lungs."""
    rng = np.random.default_rng(5)
    text = np.full((SIZE_PX, SIZE_PX), 255, np.uint8)
    for line in range(16, SIZE_PX, 14):
        cv2.putText(text, "findings of the lungs", (8, line), cv2.FONT_HERSHEY_PLAIN, 0.9, 0)
    film = chests()[0].pixels
    return {
        "noise": rng.integers(0, 256, (SIZE_PX, SIZE_PX), np.uint8),
        "text": text,
        "gradient": np.tile(np.arange(SIZE_PX, dtype=np.uint8), (SIZE_PX, 1)),
        "upside down": film[::-1],
        "sideways": np.rot90(film),
        "inverted": 255 - film,
    }


def encode(pixels: np.ndarray) -> bytes:
    """Returns a PNG."""
    return cv2.imencode(".png", np.ascontiguousarray(pixels))[1].tobytes()
