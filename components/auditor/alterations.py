"""What a control is left to see of a film: masks without lungs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

LUNGS_BLACKED_OUT = "lungs blacked out"
OUTER_FRAME = "outer frame"

LUNG_CENTRES = ((0.47, 0.29), (0.47, 0.71))  # row and column, of the side
LUNG_SEMI_AXES = (0.37, 0.21)  # the same; both ellipses together cover 49 % of the film
FRAME_WIDTH = 20 / 224  # of the side


def outside_lungs(side_px: int) -> np.ndarray:
    """Returns the mask of all but both lung fields.

    Two upright ellipses, one a lung: centres at 47 % of the height and 29 % and 71 % of
    the width, semi-axes of 37 % of the height and 21 % of the width.

    Args:
        side_px: Height and width of a film.

    Returns:
        `[side, side, 1]` uint8: 0 in a lung, which is 49 % of the film, else 1.
    """
    places = (np.arange(side_px) + 0.5) / side_px
    rows, columns = places[:, None], places[None]
    outside = np.ones((side_px, side_px), dtype=np.uint8)
    for row, column in LUNG_CENTRES:
        distance = ((rows - row) / LUNG_SEMI_AXES[0]) ** 2
        distance = distance + ((columns - column) / LUNG_SEMI_AXES[1]) ** 2
        outside[distance <= 1] = 0
    return outside[..., None]


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
