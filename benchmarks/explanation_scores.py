"""How well maps and boxes agree with what was drawn: lesions and lungs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

Maps = npt.NDArray[np.float32]  # [films, side, side]
Masks = npt.NDArray[np.bool_]  # [films, side, side]
Boxes = npt.NDArray[np.float32]  # [films, boxes, 4], shares of the sides; NaN where unused

_THRESHOLDS = np.linspace(0.05, 0.95, 19)
_HIT = 0.1  # intersection over union with a lesion's box


@dataclass(frozen=True)
class Agreement:
    """Maps against masks.

    Attributes:
        pointing: Share of films whose hottest place lies inside.
        share: Of the heat that lies inside, mean of films.
        overlap: Intersection over union at the threshold that is best for all films together.
        threshold: That one.
    """

    pointing: float
    share: float
    overlap: float
    threshold: float


def agreement(maps: Maps, masks: Masks) -> Agreement:
    """Compares maps with masks; a film without heat counts as missed.

    Args:
        maps: In [0, 1].
        masks: Of the same films, at least a pixel each.
    """
    heat, inside = (part.reshape(len(part), -1) for part in (maps, masks))
    total = heat.sum(axis=1)
    has_heat = total > 0
    pointing = inside[np.arange(len(heat)), heat.argmax(axis=1)] & has_heat
    share = (heat * inside).sum(axis=1) / np.where(has_heat, total, 1)
    overlaps = [
        float(((hot & inside).sum(axis=1) / (hot | inside).sum(axis=1)).mean())
        for hot in (heat >= threshold for threshold in _THRESHOLDS)
    ]
    best = int(np.argmax(overlaps))
    return Agreement(
        float(pointing.mean()), float(share.mean()), overlaps[best], float(_THRESHOLDS[best])
    )


def control(masks: Masks) -> float:
    """Returns the mean share of the film that masks cover: what pointing blindly reaches."""
    return float(masks.mean())


@dataclass(frozen=True)
class BoxAgreement:
    """Boxes against lesions.

    Attributes:
        first: Share of films whose first box meets the box of a lesion.
        any: Share of films of which some box does.
        found: Share of lesions that a box meets.
        boxes: Mean number of boxes of a film.
    """

    first: float
    any: float
    found: float
    boxes: float


def box_agreement(boxes: Boxes, masks: Masks) -> BoxAgreement:
    """Compares boxes with the connected regions of lesion masks.

    Args:
        boxes: Of `explain_images`.
        masks: Lesions of the same films, at least a pixel each.
    """
    first, any_, found = [], [], []
    for of_film, mask in zip(boxes, masks, strict=True):
        drawn = lesion_boxes(mask)
        met = overlaps_of(of_film, drawn) >= _HIT  # nothing is met by NaN
        first.append(bool(met[0].any()))
        any_.append(bool(met.any()))
        found += met.any(axis=0).tolist()
    used = np.isfinite(boxes[..., 0]).sum(axis=1)
    return BoxAgreement(*(float(np.mean(part)) for part in (first, any_, found, used)))


def lesion_boxes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Returns the box of each connected region of a mask, `[regions, 4]`, in shares of sides."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    left, top, width, height = statistics[1:, :4].T
    edges = np.stack([top, left, top + height, left + width], axis=-1).astype(np.float32)
    return edges / np.array([*mask.shape, *mask.shape], np.float32)


def overlaps_of(
    boxes: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Returns intersection over union of each box with each other, `[boxes, others]`."""
    one, other = boxes[:, np.newaxis], others[np.newaxis]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(part[..., 2:] - part[..., :2], axis=-1) for part in (one, other)]
    return shared / (areas[0] + areas[1] - shared)


def extent_agreement(opacity: Maps, lesions: Masks, lungs: Masks) -> float:
    """Ranks lungs by how much of them is hot, and by how much is drawn as lesion.

    Args:
        opacity: `[films, 2]`, of `explain_images`.
        lesions: `[films, side, side]`.
        lungs: `[films, side, side, 2]`.

    Returns:
        Spearman's correlation over single lungs.
    """
    areas = lungs.sum(axis=(1, 2))
    shares = (lungs & lesions[..., np.newaxis]).sum(axis=(1, 2)) / np.maximum(areas, 1)
    known = np.isfinite(opacity) & (areas > 0)
    return float(spearmanr(opacity[known], shares[known]).statistic)
