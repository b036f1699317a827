"""Where lungs usually are on a film, for those who cannot look for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Shares of height and width.
LUNG_CENTRES = ((0.47, 0.29), (0.47, 0.71))
LUNG_SEMI_AXES = (0.37, 0.21)


def usual_lungs(side_px: int) -> npt.NDArray[np.bool_]:
    """Draws two upright ellipses, one a lung.

    Centres at 47 % of the height and 29 % and 71 % of the width, semi-axes of 37 % of the height
    and 21 % of the width.

    Args:
        side_px: Height and width of a film.

    Returns:
        `[side, side]` bool: true in a lung, which is 49 % of the film.
    """
    places = (np.arange(side_px) + 0.5) / side_px
    rows, columns = places[:, None], places[None]
    inside = np.zeros((side_px, side_px), dtype=bool)
    for row, column in LUNG_CENTRES:
        distance = ((rows - row) / LUNG_SEMI_AXES[0]) ** 2
        distance = distance + ((columns - column) / LUNG_SEMI_AXES[1]) ** 2
        inside |= distance <= 1
    return inside
