"""What another room, machine or archive does to a film and leaves the diagnosis as it is.

In the manner of Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations, ICLR 2019. Each change takes and gives grey levels
`[height, width]` uint8; the size may change.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image
from scipy import ndimage

BLUR_SIGMA = 0.005  # of the shorter side: about one pixel at 224
NOISE_STDDEV = 8.0  # grey levels of 255
NOISE_SEED = 0
JPEG_QUALITY = 30
CROP = 0.08  # of the length, at either end: a tighter collimation

# A side marker is made of strokes much brighter than what is around them, near the edge.
MARKER_STROKE = 0.035  # width at most, of the shorter side
MARKER_CONTRAST = 70  # grey levels above the surroundings
MARKER_CLEARANCE = 60  # grey levels above the brightest that touch it; a rib that goes on has less
MARKER_MARGIN = 0.2  # of each side: a marker has its centre this near to the edge
MARKER_SIDE = 0.12  # longest side of a marker, of the film's
MARKER_MIN_AREA = 3e-4  # of the film: what is smaller is noise
_MARKER_PADDING = 0.01  # of the shorter side: the blurred rim of a marker

Change = Callable[[np.ndarray], np.ndarray]


def at_size_of(film: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Brings a changed film back to the size of the unchanged one.

    A small film that was halved or cropped would be too small to be judged at all.

    Args:
        film: `[height, width]` uint8.
        changed: The same changed, of any size.

    Returns:
        `[height, width]` uint8.
    """
    if changed.shape == film.shape:
        return changed
    height, width = film.shape
    return np.asarray(Image.fromarray(changed).resize((width, height), Image.Resampling.BILINEAR))


def gamma(film: np.ndarray, exponent: float) -> np.ndarray:
    """Raises grey levels in [0, 1] to a power; below 1 brightens."""
    return _levels(255.0 * (np.arange(256) / 255.0) ** exponent)[film]


def contrast(film: np.ndarray, factor: float) -> np.ndarray:
    """Scales the distance of each grey level to the mean of the film."""
    mean = film.mean()
    return _levels(mean + factor * (film - mean))


def blur(film: np.ndarray) -> np.ndarray:
    """Blurs by a Gaussian of `BLUR_SIGMA` of the shorter side."""
    sigma_px = BLUR_SIGMA * min(film.shape)
    return _levels(ndimage.gaussian_filter(film.astype(np.float32), sigma_px))


def noise(film: np.ndarray) -> np.ndarray:
    """Adds Gaussian noise, the same to each film of a size."""
    grain = np.random.default_rng(NOISE_SEED).normal(0.0, NOISE_STDDEV, film.shape)
    return _levels(film + grain)


def jpeg(film: np.ndarray) -> np.ndarray:
    """Compresses the film as JPEG of `JPEG_QUALITY`."""
    file = io.BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(file))


def half_resolution(film: np.ndarray) -> np.ndarray:
    """Shrinks both sides to a half, by areas."""
    height, width = film.shape
    size = (max(1, width // 2), max(1, height // 2))
    return np.asarray(Image.fromarray(film).resize(size, Image.Resampling.BOX))


def rotate(film: np.ndarray, degrees: float) -> np.ndarray:
    """Turns the film about its centre, anticlockwise; corners become black."""
    return np.asarray(Image.fromarray(film).rotate(degrees, Image.Resampling.BILINEAR))


def crop(film: np.ndarray, rows: float, columns: float) -> np.ndarray:
    """Cuts shares of the height and of the width off at either end.

    As films are brought to a square, what is left is stretched: the lungs get another shape.
    """
    height, width = film.shape
    top, left = round(rows * height), round(columns * width)
    return film[top : height - top, left : width - left]


def remove_markers(film: np.ndarray) -> np.ndarray:
    """Paints side markers over, and other letters near the edge, with the median level around each.

    A marker upon a bone may stay, as little there is darker than it.

    Args:
        film: `[height, width]` uint8.

    Returns:
        The same where there is no marker.
    """
    cleaned = film.copy()
    rim_px = max(1, round(_MARKER_PADDING * min(film.shape)))
    strokes = _bright_strokes(film)
    blurred = ndimage.binary_dilation(strokes, iterations=rim_px)
    blobs, _ = ndimage.label(strokes, structure=np.ones((3, 3)))
    for number, box in enumerate(ndimage.find_objects(blobs), start=1):
        window = tuple(
            slice(max(0, side.start - 3 * rim_px), side.stop + 3 * rim_px) for side in box
        )
        blob = blobs[window] == number
        if not _may_hold_marker(box, blob.sum(), film.shape):
            continue
        covered = ndimage.binary_dilation(blob, iterations=rim_px)
        around = ndimage.binary_dilation(covered, iterations=2 * rim_px) & ~blurred[window]
        if _stands_out(film[window][blob], film[window][around]):
            cleaned[window][covered] = round(float(np.median(film[window][around])))
    return cleaned


def _bright_strokes(film: np.ndarray) -> np.ndarray:
    stroke_px = max(3, round(MARKER_STROKE * min(film.shape)))
    return np.asarray(
        ndimage.white_tophat(film, size=(stroke_px, stroke_px)) >= MARKER_CONTRAST, bool
    )


def _may_hold_marker(box: tuple[slice, ...], pixels: int, shape: tuple[int, ...]) -> bool:
    """Tells whether pixels in a box are many, but the box small and its centre near the edge."""
    sides = list(zip(box, shape, strict=True))
    small = all((side.stop - side.start) / length <= MARKER_SIDE for side, length in sides)
    centres = [(side.start + side.stop) / 2 / length for side, length in sides]
    near_edge = any(not MARKER_MARGIN < centre < 1 - MARKER_MARGIN for centre in centres)
    return small and near_edge and pixels >= MARKER_MIN_AREA * math.prod(shape)


def _stands_out(blob: np.ndarray, around: np.ndarray) -> bool:
    """Tells letters from bones: a bright bone touches more of it, a letter ends everywhere."""
    if not around.size:
        return False
    clearance = np.percentile(blob, 75) - np.percentile(around, 95)
    return bool(clearance >= MARKER_CLEARANCE)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


SHIFTS: Mapping[str, Change] = {
    "gamma 0.7": lambda film: gamma(film, 0.7),
    "gamma 1.4": lambda film: gamma(film, 1.4),
    "contrast 0.7": lambda film: contrast(film, 0.7),
    "contrast 1.3": lambda film: contrast(film, 1.3),
    "blur": blur,
    "noise": noise,
    f"JPEG quality {JPEG_QUALITY}": jpeg,
    "half resolution": half_resolution,
    "markers removed": remove_markers,
    "rotated +7 degrees": lambda film: rotate(film, 7),
    "rotated -7 degrees": lambda film: rotate(film, -7),
    "cropped above and below": lambda film: crop(film, CROP, 0),
    "cropped at the sides": lambda film: crop(film, 0, CROP),
}
