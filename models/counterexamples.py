"""What is no upright chest film, made from films: turned, inverted, cut up, without a shape.

A distance to films alone grows with another scanner as with another kind of picture. Beside
pictures that keep the grain and tone of these very films but not the chest, it can tell the two
apart: what both laws find strange is strange for its acquisition (after Ren et al., A Simple Fix
to Mahalanobis Distance, 2021; shifting transformations as negatives: Tack et al., CSI, NeurIPS
2020).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Film = np.ndarray  # [side, side] float32 in [0, 1]
Change = Callable[[Film, np.random.Generator], Film]

_CORNER = (0.3, 0.55)  # sides of the part that is enlarged, of the film's
_FARTHER = (0.3, 0.65)  # sides of the film on a plain ground, of its own


def counterexample(film: Film, kind: int, random: np.random.Generator) -> Film:
    """Makes a picture that is no upright film out of one.

    Args:
        film: `[side, side]` float32 in [0, 1].
        kind: Any whole number; changes take turns.
        random: Decides on details.

    Returns:
        The same shape, float32 in [0, 1].
    """
    changed = _CHANGES[kind % len(_CHANGES)](film, random)
    return np.ascontiguousarray(changed, dtype=np.float32)


def _cut_up(tiles: int) -> Change:
    def change(film: Film, random: np.random.Generator) -> Film:
        side = film.shape[0] // tiles
        parts = film[: tiles * side, : tiles * side].reshape(tiles, side, tiles, side)
        parts = parts.transpose(0, 2, 1, 3).reshape(-1, side, side)
        shuffled = parts[random.permutation(len(parts))].reshape(tiles, tiles, side, side)
        whole = shuffled.transpose(0, 2, 1, 3).reshape(tiles * side, tiles * side)
        return cv2.resize(whole, film.shape[::-1]) if whole.shape != film.shape else whole

    return change


def _corner(film: Film, random: np.random.Generator) -> Film:
    side = round(random.uniform(*_CORNER) * film.shape[0])
    top, left = random.integers(0, film.shape[0] - side, 2)
    return cv2.resize(film[top : top + side, left : left + side], film.shape[::-1])


def _farther(film: Film, random: np.random.Generator) -> Film:
    side = round(random.uniform(*_FARTHER) * film.shape[0])
    ground = np.full_like(film, random.random())
    top, left = random.integers(0, film.shape[0] - side, 2)
    small = cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)
    ground[top : top + side, left : left + side] = small
    return ground


def _without_shape(film: Film, random: np.random.Generator) -> Film:
    """Keeps the spectrum and takes the phases of noise."""
    mean, stddev = film.mean(), film.std()
    phases = np.angle(np.fft.fft2(random.normal(size=film.shape)))
    clouds = np.real(np.fft.ifft2(np.abs(np.fft.fft2(film - mean)) * np.exp(1j * phases)))
    return np.clip(mean + clouds * stddev / max(clouds.std(), 1e-6), 0, 1)


def _one_half_twice(film: Film, random: np.random.Generator) -> Film:
    middle = film.shape[1] // 2
    half = film[:, :middle] if random.random() < 0.5 else film[:, -middle:]
    return cv2.resize(np.concatenate([half, half], axis=1), film.shape[::-1])


_CHANGES: tuple[Change, ...] = (
    lambda film, random: np.rot90(film),
    lambda film, random: np.rot90(film, -1),
    lambda film, random: film[::-1],
    lambda film, random: 1 - film,
    _cut_up(2),
    _cut_up(4),
    _cut_up(8),
    _corner,
    _farther,
    _without_shape,
    _one_half_twice,
)
