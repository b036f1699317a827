"""What a control is left to see of a film: masks without lungs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from radiographs.usual_lungs import usual_lungs

LUNGS_BLACKED_OUT = "lungs blacked out"
OUTER_FRAME = "outer frame"

FRAME_WIDTH = 20 / 224  # of the side


def outside_lungs(side_px: int) -> np.ndarray:
    """Returns the mask of all but `usual_lungs`.

    Args:
        side_px: Height and width of a film.

    Returns:
        `[side, side, 1]` uint8: 0 in a lung, which is 49 % of the film, else 1.
    """
    return (~usual_lungs(side_px)).astype(np.uint8)[..., None]


def outer_frame(side_px: int) -> np.ndarray:
    """Returns the mask of a frame of `FRAME_WIDTH` of the side.

    Args:
        side_px: Height and width of a film.

    Returns:
        `[side, side, 1]` uint8: 1 in the frame, else 0.
    """
    width_px = max(1, round(FRAME_WIDTH * side_px))
    frame = np.ones((side_px, side_px, 1), dtype=np.uint8)
    frame[width_px:-width_px, width_px:-width_px] = 0
    return frame


# From the side of a film to the mask that its pixels are multiplied by.
ALTERATIONS: Mapping[str, Callable[[int], np.ndarray]] = {
    LUNGS_BLACKED_OUT: outside_lungs,
    OUTER_FRAME: outer_frame,
}
