"""From a phantom's attenuation to its film: scatter, noise, exposure, marker, collimation.

This module owns what depends on the X-ray department and never on the disease. The
tone curve is fitted to each film, as digital systems do, towards a random target: so
neither the brightness nor the contrast of a film gives its label away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from radiographs.phantoms.anatomy import Field

MARKER_STROKES = {  # on a unit square, y downwards
    "L": ((0.1, 0.0), (0.1, 1.0), (0.75, 1.0)),
    "R": ((0.1, 1.0), (0.1, 0.0), (0.6, 0.0), (0.75, 0.2), (0.6, 0.5), (0.1, 0.5), (0.75, 1.0)),
}
TONE_PERCENTILES = (1, 25, 50, 75, 99)


@dataclass(frozen=True)
class Site:
    """The look of one X-ray department's films."""

    name: str
    noise: float  # standard deviation behind a chest of thickness 1, in attenuation
    blur: float  # standard deviation of the detector's blur, in pixels of a 256 px film
    sharpening: float  # share of the high frequencies that post-processing adds
    max_collimation: float  # widest black border, as a share of the side
    suffix: str  # of the files that the archive keeps
    save_options: Mapping[str, Any]  # of Pillow, for that kind of file


SITES = (
    Site("harbour", 0.018, 0.7, 0.0, 0.0, ".jpeg", {"quality": 92}),
    Site("hillside", 0.030, 0.9, 0.3, 0.06, ".jpeg", {"quality": 85}),
    Site("riverside", 0.024, 0.5, 0.6, 0.03, ".png", {"compress_level": 3}),
)


def expose(rng: np.random.Generator, attenuation: Field, site: Site) -> npt.NDArray[np.uint8]:
    """Takes the film.

    Args:
        rng: Source of noise, exposure, marker and collimation.
        attenuation: What the beam meets, [height, width], 0 in free air.
        site: The department.

    Returns:
        Grey levels, [height, width]; dense tissue is bright.
    """
    signal = _detect(rng, attenuation, site)
    film = _tone(rng, signal)
    film = np.maximum(film, rng.uniform(0.8, 1.0) * _marker(rng, film.shape))
    _collimate(rng, film, site)
    return np.round(255 * np.clip(film, 0, 1)).astype(np.uint8)


def _detect(rng: np.random.Generator, attenuation: Field, site: Site) -> Field:
    """Scatter lifts the shadows, few photons pass dense tissue, the detector blurs."""
    scatter = rng.uniform(0.1, 0.2)
    signal = (1 - scatter) * attenuation + scatter * _wide_blur(attenuation)
    dose = rng.uniform(0.7, 1.6)
    photon_noise = site.noise / math.sqrt(dose) * np.exp(0.5 * (signal - 1))
    signal = signal + photon_noise * rng.standard_normal(signal.shape, dtype=np.float32)
    blur_px = site.blur * signal.shape[0] / 256
    signal = ndimage.gaussian_filter(signal, blur_px, truncate=3)
    return signal + site.sharpening * (signal - ndimage.uniform_filter(signal, 5))


def _wide_blur(field: Field) -> Field:
    height, width = field.shape
    small = Image.fromarray(field).resize((12, 12), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def _tone(rng: np.random.Generator, signal: Field) -> Field:
    """Maps fixed percentiles of the film to random grey levels, linearly in between."""
    black, white = rng.uniform(0.02, 0.14), rng.uniform(0.80, 0.97)
    middle = rng.uniform(0.50, 0.62)
    quarter = middle * rng.uniform(0.58, 0.74)
    three_quarters = middle + (1 - middle) * rng.uniform(0.30, 0.46)
    levels = np.array([black, quarter, middle, three_quarters, white])
    found = np.percentile(signal, TONE_PERCENTILES)
    return np.interp(signal, found, levels).astype(np.float32)


def _marker(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """The lead letter of the patient's side, in [0, 1]; R is at the viewer's left."""
    height, width = shape
    letter = "L" if rng.random() < 0.5 else "R"
    side_px = rng.uniform(0.05, 0.08) * width
    left = rng.uniform(0.02, 0.10) * width
    column = left if letter == "R" else width - left - side_px
    row = rng.uniform(0.03, 0.25) * height
    canvas = Image.new("L", (width, height))
    points = [(column + side_px * x, row + side_px * y) for x, y in MARKER_STROKES[letter]]
    ImageDraw.Draw(canvas).line(points, fill=255, width=max(1, round(side_px / 6)), joint="curve")
    blurred = canvas.filter(ImageFilter.GaussianBlur(width / 400))
    return np.asarray(blurred, np.float32) / 255


def _collimate(rng: np.random.Generator, film: Field, site: Site) -> None:
    """Blackens what the shutters cover."""
    height, width = film.shape
    top, bottom = (round(height * share) for share in rng.uniform(0, site.max_collimation, 2))
    left, right = (round(width * share) for share in rng.uniform(0, site.max_collimation, 2))
    film[:top] = film[height - bottom :] = 0.01
    film[:, :left] = film[:, width - right :] = 0.01
