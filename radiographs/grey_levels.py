"""Grey levels of more than 8 bits, brought to 8 without losing a film to a broken pixel.

A file of 16 bits does not record how many of them are used, so its levels are stretched
between the darkest and the brightest one. A hot or dead pixel, a dead row or an overlay may lie
far outside; those few must not squeeze the film into a handful of levels.
"""

from __future__ import annotations

import numpy as np

# Share of the pixels at either end that defects may take: a few rows of the smallest usual film.
DEFECT_SHARE = 0.02
# Tissue fades into the extremes of a film; a defect stands apart from them by more than this share
# of the span of the middle 96 % of the levels.
GAP = 0.05

# Spread of the middle 98 % of the levels below which a film shows nothing, of 255.
BLANK_SPREAD = 8
BLANK_SHARE = 0.01

_COUNTED_AT_ONCE = 1 << 22  # pixels


def robust_bounds(levels: np.ndarray) -> tuple[int, int]:
    """Returns the darkest and the brightest level that belong to the film.

    They are the extremes themselves where no pixel stands apart from all others.

    Args:
        levels: `[height, width]` uint16.

    Returns:
        Lower and upper bound, levels that occur in the film.
    """
    counts = _counts(levels)
    low, high = _quantiles(counts, DEFECT_SHARE)
    occurring = np.flatnonzero(counts)
    apart = np.diff(occurring) > max(GAP * (high - low), 1)
    # The first gap on the way out from the middle, on either side.
    below = np.flatnonzero(apart & (occurring[1:] <= low))
    above = np.flatnonzero(apart & (occurring[:-1] >= high))
    first = below[-1] + 1 if below.size else 0
    last = above[0] if above.size else -1
    return int(occurring[first]), int(occurring[last])


def to_8_bit(levels: np.ndarray) -> np.ndarray:
    """Stretches levels between their robust bounds.

    Args:
        levels: `[height, width]` uint16.

    Returns:
        The same shape, uint8; what lies outside the bounds is black or white.
    """
    low, high = robust_bounds(levels)
    table = (np.arange(65536, dtype=np.float32) - low) * np.float32(255 / max(high - low, 1))
    return np.round(np.clip(table, 0, 255)).astype(np.uint8)[levels]


def is_blank(grey: np.ndarray) -> bool:
    """Tells whether hardly a pixel differs from the others, whatever their level.

    Args:
        grey: `[height, width]` uint8.
    """
    low, high = _quantiles(_counts(grey), BLANK_SHARE)
    return high - low < BLANK_SPREAD


def _counts(levels: np.ndarray) -> np.ndarray:
    """Counts the pixels of each level, some at a time, as NumPy copies each to eight bytes."""
    whole = np.iinfo(levels.dtype).max + 1
    parts = np.array_split(levels.ravel(), 1 + levels.size // _COUNTED_AT_ONCE)
    return np.sum([np.bincount(part, minlength=whole) for part in parts], axis=0)


def _quantiles(counts: np.ndarray, share: float) -> tuple[int, int]:
    """Returns the levels with at most a share of the pixels below and above."""
    cumulated = np.cumsum(counts)
    beyond = int(share * cumulated[-1])
    low = np.searchsorted(cumulated, beyond, side="right")
    high = np.searchsorted(cumulated, cumulated[-1] - beyond)
    return int(low), int(high)
