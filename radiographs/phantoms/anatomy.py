"""The healthy chest of a phantom: what an X-ray beam meets on its way to the film.

This module owns the geometry. Every organ is a closed formula on a grid of chest
coordinates, so that a film of any size, tilt or scale comes from the same drawing. The
coordinates run from -1 to 1, x to the viewer's right (the patient's left) and y
downwards. Attenuation is in arbitrary units, in which an adult chest is about 1 thick.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from models.features import AP

Field = npt.NDArray[np.float32]  # one value a pixel, [height, width]
Point = tuple[float, float]

RIGHT_LUNG = -1  # side of the viewer on which the patient's right lung appears
LEFT_LUNG = 1
COSTOPHRENIC_Y = 0.74
RIBS = 10
LAST_GENERATION = 3  # of vessels that are still visible


@dataclass(frozen=True)
class Grid:
    """Chest coordinates of every pixel of a film."""

    x: Field
    y: Field
    tilt: float  # radians, clockwise
    scale: float
    shift: Point

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.x.shape
        return height, width

    def to_pixel(self, point: Point) -> Point:
        """Returns the column and row of a chest coordinate."""
        x, y = point[0] - self.shift[0], point[1] - self.shift[1]
        across = math.cos(self.tilt) * x + math.sin(self.tilt) * y
        down = math.cos(self.tilt) * y - math.sin(self.tilt) * x
        height, width = self.shape
        column = (across / self.scale + 1) / 2 * width - 0.5
        row = (down / self.scale + 1) / 2 * height - 0.5
        return column, row


@dataclass(frozen=True)
class Habitus:
    """The build of one patient; the same on each of the patient's films."""

    half_width: float  # of the rib cage, at its base
    apex_y: float
    dome_y: float  # top of the right diaphragm, at full inspiration
    heart: float  # relative size
    aorta: float  # relative size of the arch
    wall: float  # thickness of the chest wall beside the ribs
    rib_contrast: float
    rib_slope: float
    breast: float  # attenuation of the breasts, 0 where there are none
    vessel_contrast: float


@dataclass(frozen=True)
class Chest:
    """A chest without disease, ready for a lesion and for the exposure."""

    grid: Grid
    attenuation: Field
    air: Field  # attenuation that the air in the lungs takes away; a lesion gives it back
    vessels: Field  # in [0, 1], pulmonary vessels and the bronchi beside them
    lung_depth: Field  # distance to the edge of the lung in chest coordinates, inside positive
    habitus: Habitus

    @property
    def lungs(self) -> npt.NDArray[np.bool_]:
        """Pixels inside either lung, [height, width]."""
        return self.lung_depth > 0


def make_grid(rng: np.random.Generator, size_px: int) -> Grid:
    """Places the chest on the film, as well as a radiographer manages.

    Args:
        rng: Source of tilt (within 5 degrees), scale and shift.
        size_px: Height and width of the film.

    Returns:
        The chest coordinates of the pixel centres.
    """
    tilt = math.radians(rng.uniform(-5, 5))
    scale = rng.uniform(0.92, 1.08)
    shift_x, shift_y = rng.uniform(-0.05, 0.05, size=2).tolist()
    centres = ((np.arange(size_px, dtype=np.float32) + 0.5) / size_px * 2 - 1) * scale
    column, row = np.meshgrid(centres, centres)
    x = math.cos(tilt) * column - math.sin(tilt) * row + shift_x
    y = math.sin(tilt) * column + math.cos(tilt) * row + shift_y
    return Grid(x, y, tilt, scale, (shift_x, shift_y))


def draw_habitus(rng: np.random.Generator, sex: str, age_years: int) -> Habitus:
    """Draws the build of a patient.

    Args:
        rng: Source of the variation between patients.
        sex: "M" or "F"; women from puberty on have breast shadows.
        age_years: Children have relatively large hearts and level ribs, the old a wide aorta.

    Returns:
        The build.
    """
    youth = max(0.0, (16 - age_years) / 16)
    old = max(0.0, (age_years - 50) / 50)
    has_breasts = sex == "F" and age_years >= 14
    return Habitus(
        half_width=rng.uniform(0.72, 0.84),
        apex_y=rng.uniform(-0.78, -0.68),
        dome_y=rng.uniform(0.36, 0.50),
        heart=rng.uniform(0.9, 1.1) + 0.12 * youth + 0.08 * old,
        aorta=rng.uniform(0.8, 1.1) + 0.3 * old - 0.2 * youth,
        wall=rng.uniform(0.05, 0.16),
        rib_contrast=rng.uniform(0.7, 1.2),
        rib_slope=rng.uniform(0.34, 0.48) - 0.12 * youth,
        breast=rng.uniform(0.05, 0.16) if has_breasts else 0.0,
        vessel_contrast=rng.uniform(0.6, 1.1),
    )


def draw_chest(rng: np.random.Generator, grid: Grid, habitus: Habitus, view: str) -> Chest:
    """Draws a chest without disease.

    Args:
        rng: Source of what differs between two films of a patient: breath, vessels, mottle.
        grid: Where the film lies on the chest.
        habitus: The patient's build.
        view: "PA" or "AP". AP magnifies the heart, and the patient breathes in less.

    Returns:
        The chest.
    """
    bedside = view == AP
    dome_y = habitus.dome_y - rng.uniform(0.0, 0.06) - (0.06 if bedside else 0.0)
    heart = _heart(grid, habitus.heart * (1.18 if bedside else 1.0))
    depth = np.maximum(
        _lung_depth(grid, habitus, RIGHT_LUNG, dome_y),
        _lung_depth(grid, habitus, LEFT_LUNG, dome_y + rng.uniform(0.03, 0.08)),
    )
    lung = soft_step(depth, 0.012)
    air = 0.62 * lung * (1 - np.exp(-np.maximum(depth, 0) / 0.11)) * (1 - 0.85 * heart)
    vessels = lung * _vessels(rng, grid)
    soft_tissue = (
        _body(grid, habitus)
        + 0.24 * heart
        + _mediastinum(grid, habitus)
        + _abdomen(rng, grid, dome_y, lung)
        + _breasts(grid, habitus)
        + 0.16 * habitus.vessel_contrast * vessels
        + 0.025 * smooth_noise(rng, grid.shape, cells=5)
    )
    attenuation = soft_tissue - air + _bones(rng, grid, habitus, bedside)
    return Chest(grid, np.maximum(attenuation, 0), air, vessels, depth, habitus)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Field:
    """Draws a random field that varies over a given distance.

    Args:
        rng: Source of the values.
        shape: Height and width in pixels.
        cells: Independent values along the shorter side; more cells, finer noise.

    Returns:
        Field of mean 0 and standard deviation 1.
    """
    height, width = (max(2, round(cells * side / min(shape))) for side in shape)
    coarse = Image.fromarray(rng.standard_normal((height, width), dtype=np.float32))
    fine = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC))
    return (fine - fine.mean()) / fine.std()


def ellipse(
    grid: Grid, x: float, y: float, radius_x: float, radius_y: float, tilt: float = 0.0
) -> Field:
    """Measures how far inside an ellipse each pixel lies.

    Args:
        grid: Chest coordinates.
        x: Centre.
        y: Centre.
        radius_x: Half axis, horizontal before the tilt.
        radius_y: Half axis, vertical before the tilt.
        tilt: Clockwise on the film, in radians.

    Returns:
        Field that is 1 at the centre, 0 on the outline and negative outside.
    """
    across, down = grid.x - x, grid.y - y
    along = math.cos(tilt) * across + math.sin(tilt) * down
    beside = math.cos(tilt) * down - math.sin(tilt) * across
    from_centre: Field = np.sqrt((along / radius_x) ** 2 + (beside / radius_y) ** 2)
    return 1 - from_centre


def soft_step(distance: Field, softness: float) -> Field:
    """Rises from 0 to 1 around a distance of 0: the logistic curve, `softness` wide."""
    return 0.5 + 0.5 * np.tanh(distance / (2 * softness))


def lung_height(grid: Grid, habitus: Habitus) -> Field:
    """Measures the height in the lung: 0 at the apex, 1 at the costophrenic angle."""
    return (grid.y - habitus.apex_y) / (COSTOPHRENIC_Y - habitus.apex_y)


def _cage_half_width(grid: Grid, habitus: Habitus) -> Field:
    """The inner side of the rib cage, seen from the midline."""
    height = np.clip(lung_height(grid, habitus), 0, 1)
    return habitus.half_width * np.sqrt(1 - (1 - height) ** 3.2)


def _lung_depth(grid: Grid, habitus: Habitus, side: int, dome_y: float) -> Field:
    lateral = side * grid.x
    hilum_to_wall = lateral - 0.45 * habitus.half_width
    diaphragm_y = dome_y + 1.5 * hilum_to_wall**2
    medial = 0.10 + 0.05 * soft_step(grid.y - 0.1, 0.12)
    return np.minimum(
        np.minimum(_cage_half_width(grid, habitus) - lateral, lateral - medial),
        diaphragm_y - grid.y,
    )


def _body(grid: Grid, habitus: Habitus) -> Field:
    """Skin and muscle: neck, shoulders, chest wall; nothing is left of the air outside."""
    neck, shoulder = 0.30, 1.15
    flank = habitus.half_width + habitus.wall + 0.06 * np.maximum(grid.y, 0)
    below_neck = soft_step(grid.y + 0.88 - 0.16 * np.abs(grid.x), 0.035)
    below_armpit = soft_step(grid.y + 0.22, 0.09)
    half_width = neck + (shoulder - neck) * below_neck
    half_width = half_width + (flank - half_width) * below_armpit
    inside = soft_step(half_width - np.abs(grid.x), 0.012)
    thickness = np.sqrt(np.clip(1 - (grid.x / half_width) ** 2, 0, 1))
    return inside * (0.50 + 0.42 * thickness + 0.5 * habitus.wall)


def _heart(grid: Grid, size: float) -> Field:
    ventricles = ellipse(grid, 0.15, 0.29, 0.34 * size, 0.25 * size, tilt=0.65)
    atrium = ellipse(grid, -0.06, 0.26, 0.15 * size, 0.22 * size)
    return soft_step(np.maximum(ventricles, atrium), 0.05)


def _mediastinum(grid: Grid, habitus: Habitus) -> Field:
    trunk = soft_step(0.115 - np.abs(grid.x), 0.018)
    arch = soft_step(ellipse(grid, 0.10, -0.26, 0.10 * habitus.aorta, 0.10 * habitus.aorta), 0.12)
    right_hilum = soft_step(ellipse(grid, -0.19, 0.00, 0.085, 0.13, tilt=0.3), 0.25)
    left_hilum = soft_step(ellipse(grid, 0.19, -0.05, 0.085, 0.12, tilt=-0.3), 0.25)
    trachea = np.exp(-((grid.x / 0.035) ** 2)) * soft_step(-0.16 - grid.y, 0.03)
    vertebrae = 0.8 + 0.2 * np.cos(2 * np.pi * grid.y / 0.15) ** 2
    spine = soft_step(0.075 - np.abs(grid.x), 0.012) * vertebrae
    hila = np.maximum(right_hilum, left_hilum)
    return 0.17 * trunk + 0.15 * arch + 0.20 * hila - 0.11 * trachea + 0.09 * spine


def _abdomen(rng: np.random.Generator, grid: Grid, dome_y: float, lung: Field) -> Field:
    below = soft_step(grid.y - dome_y - 0.02, 0.03) * soft_step(0.85 - np.abs(grid.x), 0.03)
    bubble = ellipse(
        grid, rng.uniform(0.38, 0.50), dome_y + rng.uniform(0.13, 0.17),
        rng.uniform(0.05, 0.13), rng.uniform(0.03, 0.06),
    )  # fmt: skip
    return 0.22 * below * (1 - lung) - rng.uniform(0, 0.2) * soft_step(bubble, 0.2) * below


def _breasts(grid: Grid, habitus: Habitus) -> Field:
    if not habitus.breast:
        return np.zeros(grid.shape, np.float32)
    right = ellipse(grid, -0.42, 0.22, 0.30, 0.27)
    left = ellipse(grid, 0.42, 0.22, 0.30, 0.27)
    nearest = np.maximum(right, left)
    return habitus.breast * soft_step(nearest, 0.05) * (1 - 0.6 * np.clip(nearest, 0, 1))


def _bones(rng: np.random.Generator, grid: Grid, habitus: Habitus, bedside: bool) -> Field:
    lateral = np.abs(grid.x)
    outward = lateral / habitus.half_width
    ribs = _posterior_ribs(rng, grid, habitus, outward) + _anterior_ribs(grid, habitus, outward)
    in_cage = soft_step(_cage_half_width(grid, habitus) + 0.02 - lateral, 0.01)
    in_cage = in_cage * soft_step(COSTOPHRENIC_Y - 0.05 - grid.y, 0.03)
    clavicle_y = habitus.apex_y + 0.27 - 0.24 * lateral - 0.04 * np.sin(5 * lateral)
    clavicle = _tube((grid.y - clavicle_y) / (0.036 + 0.012 * np.cos(6 * lateral)))
    clavicle = clavicle * soft_step(lateral - 0.07, 0.01) * soft_step(0.85 - lateral, 0.02)
    blade = ellipse(grid, 0, -0.32, 1.0, 0.36)
    medial_border = (0.60 if bedside else 0.72) + 0.12 * (grid.y + 0.3)
    scapula = soft_step(lateral - medial_border, 0.015) * soft_step(blade, 0.04)
    return habitus.rib_contrast * ribs * in_cage + 0.17 * clavicle + 0.07 * scapula


def _posterior_ribs(
    rng: np.random.Generator, grid: Grid, habitus: Habitus, outward: Field
) -> Field:
    """Ribs leave the spine level and fall towards the flank."""
    fall = habitus.rib_slope * outward**2.2 - 0.07 * np.sin(np.pi * np.clip(outward, 0, 1))
    phase = (grid.y - habitus.apex_y - 0.02 - fall) / 0.138
    rib = np.clip(np.floor(phase), 0, RIBS - 1)
    number = rib.astype(np.intp)
    centre = 0.5 + rng.uniform(-0.08, 0.08, RIBS).astype(np.float32)[number]
    strength = rng.uniform(0.105, 0.14, RIBS).astype(np.float32)[number]
    present = (phase > 0) & (phase < RIBS) & (outward > 0.08)
    return strength * _tube((phase - rib - centre) / 0.21) * present


def _anterior_ribs(grid: Grid, habitus: Habitus, outward: Field) -> Field:
    """Ribs come back from the flank falling steeply, and end in invisible cartilage."""
    fall = 1.5 * habitus.rib_slope * np.clip(1 - outward, 0, 1) ** 0.9
    phase = (grid.y - habitus.apex_y - 0.20 - fall) / 0.155
    bony = soft_step(outward - 0.42, 0.05) * (phase > 0) * (phase < 6)
    return 0.07 * _tube((phase - np.floor(phase) - 0.5) / 0.26) * bony


def _tube(distance: Field) -> Field:
    """Attenuation across a hollow bone: 1 at the cortex, less in the marrow, 0 outside."""
    squared = distance**2
    return (0.65 + 0.35 * squared) * np.clip(4 * (1 - squared), 0, 1)


def _vessels(rng: np.random.Generator, grid: Grid) -> Field:
    """Vessels branching outwards from both hila, in [0, 1]."""
    height, width = grid.shape
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    for side in (RIGHT_LUNG, LEFT_LUNG):
        for angle in np.linspace(-1.3, 1.4, 9) + rng.normal(0, 0.1, 9):
            for start, end, generation in _branches(rng, (side * 0.17, -0.02), angle, side, 0):
                thickness_px = max(1, round(width / 256 * (4 - generation)))
                shade = round(255 * 0.75**generation)
                ends = [grid.to_pixel(start), grid.to_pixel(end)]
                pen.line(ends, fill=shade, width=thickness_px)
    blurred = canvas.filter(ImageFilter.GaussianBlur(width / 300))
    return np.asarray(blurred, np.float32) / 255


def _branches(
    rng: np.random.Generator, start: Point, angle: float, side: int, generation: int
) -> Iterator[tuple[Point, Point, int]]:
    """Yields start, end and generation of a vessel and of all that leave it."""
    length = rng.uniform(0.12, 0.20) * 0.85**generation
    end = start[0] + side * length * math.cos(angle), start[1] + length * math.sin(angle)
    yield start, end, generation
    if generation == LAST_GENERATION:
        return
    for turn in (-1, 1) if generation else (rng.choice((-1, 1)),):
        onwards = angle + turn * rng.uniform(0.1, 0.5)
        yield from _branches(rng, end, onwards, side, generation + 1)
