"""Pneumonia of a phantom: lung tissue that has filled with fluid instead of air.

This module owns the three patterns that a radiologist names. Each is drawn as the share of
air that is lost, so a lesion can only be as dense as the lung is deep, stays inside
the lungs and erases the heart border it touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radiographs.phantoms.anatomy import (
    LEFT_LUNG,
    RIGHT_LUNG,
    Chest,
    Field,
    ellipse,
    lung_height,
    smooth_noise,
    soft_step,
)

LOBAR = "lobar"
INTERSTITIAL = "interstitial"
BRONCHOPNEUMONIA = "bronchopneumonia"
PATTERNS = (LOBAR, INTERSTITIAL, BRONCHOPNEUMONIA)

EDGE_OF_LESION = 0.2  # extent, of 1, from which on a pixel belongs to the lesion
HIDDEN_AIR = 0.1  # lung too thin, or behind the heart, for a lesion to be seen


@dataclass(frozen=True)
class Lesion:
    """One patient's pneumonia on one film."""

    attenuation: Field  # to be added to the chest's
    mask: npt.NDArray[np.bool_]


def draw_lesion(rng: np.random.Generator, chest: Chest, pattern: str) -> Lesion:
    """Draws a pneumonia.

    Args:
        rng: Source of place, extent and density.
        chest: The healthy chest.
        pattern: One of PATTERNS.

    Returns:
        The lesion; its mask holds at least one pixel and lies inside the lungs.
    """
    extent, density = _DRAW[pattern](rng, chest)
    mask = (extent > EDGE_OF_LESION) & (chest.air > HIDDEN_AIR)
    return Lesion(np.minimum(density, 1) * chest.air, mask)


def _lobar(rng: np.random.Generator, chest: Chest) -> tuple[Field, Field]:
    """A dense lobe with one sharp border, the fissure, and air left in its bronchi."""
    grid = chest.grid
    side = int(rng.choice((RIGHT_LUNG, LEFT_LUNG)))
    height = lung_height(grid, chest.habitus)
    upper = rng.random() < 0.4
    centre_y = rng.uniform(-0.42, -0.25) if upper else rng.uniform(0.12, 0.32)
    lobe = ellipse(
        grid, side * rng.uniform(0.36, 0.5), centre_y,
        rng.uniform(0.27, 0.38), rng.uniform(0.25, 0.35),
    )  # fmt: skip
    fissure = rng.uniform(0.42, 0.52) + rng.uniform(-0.15, 0.15) * (np.abs(grid.x) - 0.4)
    above_fissure = fissure - height
    within = soft_step(above_fissure if upper else -above_fissure, 0.012)
    ragged = lobe + 0.13 * smooth_noise(rng, grid.shape, cells=9)
    extent = soft_step(ragged, 0.07) * within * (side * grid.x > 0)
    return extent, rng.uniform(0.65, 0.95) * extent * (1 - 0.45 * chest.vessels)


def _interstitial(rng: np.random.Generator, chest: Chest) -> tuple[Field, Field]:
    """A net of thickened septa over large parts of both lungs, with a faint haze."""
    grid = chest.grid
    centre_y = rng.uniform(0.0, 0.25)
    regions = [
        ellipse(grid, side * rng.uniform(0.32, 0.42), centre_y, 0.36, rng.uniform(0.38, 0.55))
        for side in (RIGHT_LUNG, LEFT_LUNG)
    ]
    patchy = np.maximum(*regions) + 0.15 * smooth_noise(rng, grid.shape, cells=6)
    extent = soft_step(patchy, 0.08)
    net = np.maximum(_net(rng, grid.shape, cells=28), _net(rng, grid.shape, cells=42))
    net = net * np.clip(0.6 + 0.3 * smooth_noise(rng, grid.shape, cells=12), 0.1, 1)
    haze = rng.uniform(0.12, 0.22)
    return extent, extent * (haze + rng.uniform(0.38, 0.58) * net)


def _net(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Field:
    """Thin curved lines in [0, 1]: the zero crossings of a random field."""
    return np.exp(-((smooth_noise(rng, shape, cells) / 0.28) ** 2))


def _bronchopneumonia(rng: np.random.Generator, chest: Chest) -> tuple[Field, Field]:
    """Many fuzzy patches around the bronchi, mostly low in the lungs, some run together."""
    grid = chest.grid
    rows, columns = np.nonzero(chest.lung_depth > 0.08)
    weight = np.clip(grid.y[rows, columns] + 0.9, 0.1, None).astype(np.float64)
    main_side = grid.x[rows, columns] * int(rng.choice((RIGHT_LUNG, LEFT_LUNG))) > 0
    weight *= np.where(main_side, 1.0, rng.uniform(0, 1))
    patches = rng.integers(8, 15)
    clear = np.ones(grid.shape, np.float32)
    for pixel in rng.choice(rows.size, patches, p=weight / weight.sum()):
        x, y = grid.x[rows[pixel], columns[pixel]], grid.y[rows[pixel], columns[pixel]]
        radius = rng.uniform(0.07, 0.13)
        distance_squared = ((grid.x - x) ** 2 + (grid.y - y) ** 2) / radius**2
        clear *= 1 - rng.uniform(0.7, 1.0) * np.exp(-distance_squared)
    texture = np.clip(1 + 0.25 * smooth_noise(rng, grid.shape, cells=26), 0, 1.4)
    extent = 1 - clear
    return extent, rng.uniform(0.65, 0.9) * extent * texture


_DRAW: dict[str, Callable[[np.random.Generator, Chest], tuple[Field, Field]]] = {
    LOBAR: _lobar,
    INTERSTITIAL: _interstitial,
    BRONCHOPNEUMONIA: _bronchopneumonia,
}
