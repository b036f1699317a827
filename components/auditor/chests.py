"""Films with their lung fields, cut apart and put together anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.auditor.scoring import batches
from models.lung_fields.fields import LUNG, lungs_of_films
from radiographs.options import IngestOptions

Grey = npt.NDArray[np.uint8]
Share = npt.NDArray[np.float32]

# Of the side. What is seen or hidden is widened by this before its edge is blurred by half of it,
# so that all of it is, and the seam lies outside.
_RIM = 0.03
_NARROW_RIM = 0.01  # where it takes from the lungs


@dataclass(frozen=True)
class Chest:
    """A film and where its lungs are.

    Attributes:
        pixels: `[side, side]` uint8, the whole film, squashed to a square.
        fields: `[side, side, 2]` float32 in [0, 1], of `lungs_of_films`.
    """

    pixels: Grey
    fields: Share


def find_chests(
    images: Iterable[bytes], side_px: int, weights: str, bounds: IngestOptions
) -> Iterator[Chest | None]:
    """Looks for the lungs of films.

    Args:
        images: Encoded, as the ingest keeps them.
        side_px: Height and width of the results.
        weights: Of the network that finds lungs, as of `lungs_of_films`.
        bounds: Of the sides of a film.

    Yields:
        A film each; None where no plausible lung fields were found.
    """

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def find(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return lungs_of_films(encoded, side_px, weights, bounds)

    for batch in batches(images):
        found = [part.numpy() for part in find(tf.constant(batch))]
        for pixels, fields, plausible in zip(*found, strict=True):
            yield Chest(pixels, fields) if plausible else None


def with_lungs_of(frame: Chest, lungs: Chest) -> Grey:
    """Pastes the lungs of one film into another, each lung scaled to fit the place of its own kind.

    All of the frame's own lungs are covered. A film pasted into itself is what it was.

    Args:
        frame: Gives all that lies outside the lungs.
        lungs: Gives the lungs.

    Returns:
        `[side, side]` uint8.
    """
    pasted = frame.pixels.astype(np.float32)
    for field, own in zip(_apart(lungs.fields), _apart(frame.fields), strict=True):
        into_place = _scaling(_box(own), _box(field))
        moved = _warped(lungs.pixels, into_place, cv2.BORDER_REPLICATE)
        # A lung may reach the edge of its film; it ends there all the same.
        place = _warped(field, into_place, cv2.BORDER_CONSTANT)
        seen = _feathered(np.maximum(place, own))
        pasted += seen * (moved - pasted)
    return _levels(pasted)


def lungs_alone(chest: Chest) -> Grey:
    """Makes all but the lungs one grey: the mean of the lungs, `[side, side]` uint8."""
    inside = chest.fields.max(axis=-1)
    hidden = _feathered(1 - inside, _NARROW_RIM)
    grey = chest.pixels[inside > LUNG].mean()
    return _levels(chest.pixels + hidden * (grey - chest.pixels))


def frame_alone(chest: Chest) -> Grey:
    """Makes the lungs one grey: the mean of what lies outside, `[side, side]` uint8."""
    inside = chest.fields.max(axis=-1)
    hidden = _feathered(inside)
    grey = chest.pixels[inside <= LUNG].mean()
    return _levels(chest.pixels + hidden * (grey - chest.pixels))


def _apart(fields: Share) -> tuple[Share, Share]:
    return fields[..., 0], fields[..., 1]


def _box(field: Share) -> tuple[float, float, float, float]:
    """Returns left, top, width and height of a field in pixels."""
    left, top, width, height = cv2.boundingRect((field > LUNG).astype(np.uint8))
    return left, top, max(width, 1), max(height, 1)


def _scaling(
    to: tuple[float, float, float, float], of: tuple[float, float, float, float]
) -> npt.NDArray[np.float64]:
    """Returns the affine map from pixels of one box to those of another, for `_warped`."""
    across, down = of[2] / to[2], of[3] / to[3]
    return np.array(
        [
            [across, 0, of[0] + (0.5 - to[0]) * across - 0.5],
            [0, down, of[1] + (0.5 - to[1]) * down - 0.5],
        ]
    )


def _warped(picture: npt.NDArray, target_to_source: npt.NDArray[np.float64], beyond: int) -> Share:
    """Returns a picture moved by a map; `beyond` its edges is what OpenCV calls so."""
    return cv2.warpAffine(
        picture.astype(np.float32),
        target_to_source,
        picture.shape[1::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=beyond,
    )


def _feathered(field: Share, rim: float = _RIM) -> Share:
    """Returns how much of a film is seen through a field: 1 in it, falling to 0 around it."""
    rim_px = max(1, round(rim * field.shape[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim_px + 1, 2 * rim_px + 1))
    widened = cv2.dilate((field > LUNG).astype(np.float32), disc)
    return cv2.GaussianBlur(widened, (0, 0), rim_px / 2)


def _levels(pixels: Share) -> Grey:
    return np.rint(pixels).clip(0, 255).astype(np.uint8)
