"""What is known of a film when its label is judged: numbers that have never seen a label.

The features of a network that was trained on the labels would not do: what it has learnt by heart
it defends, wrong labels included. Directions of edges (N. Dalal and B. Triggs, "Histograms of
Oriented Gradients for Human Detection", CVPR 2005) and coarse grey levels of the prepared film
know nothing of them; `benchmarks.label_noise` measures both ways.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Description = npt.NDArray[np.float16]

_SIDE_PX = 128
_BLOCK_PX, _CELL_PX, _DIRECTIONS = 32, 16, 9
_COARSE_SIDE_PX = 16
_MIN_STDDEV = 1.0  # grey level

_EDGES = cv2.HOGDescriptor(
    (_SIDE_PX, _SIDE_PX),
    (_BLOCK_PX, _BLOCK_PX),
    (_BLOCK_PX, _BLOCK_PX),
    (_CELL_PX, _CELL_PX),
    _DIRECTIONS,
)

LENGTH = _EDGES.getDescriptorSize() + _COARSE_SIDE_PX**2


def describe(pixels: npt.NDArray[np.uint8]) -> Description:
    """Describes a film as Transform made it.

    Args:
        pixels: `[side, side]` uint8.

    Returns:
        `[LENGTH]` float16: strengths of directions in each part of the film, then its coarse
        grey levels, standardised.
    """
    film = cv2.resize(pixels, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(
        film.astype(np.float32), (_COARSE_SIDE_PX, _COARSE_SIDE_PX), interpolation=cv2.INTER_AREA
    )
    levels = (coarse - coarse.mean()) / max(coarse.std(), _MIN_STDDEV)
    edges = np.ravel(_EDGES.compute(film))
    return np.concatenate([edges, levels.ravel()]).astype(np.float16)
