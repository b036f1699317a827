"""Shift audit: the model under acquisition changes, row by row.

A change is applied to the decoded film, which is then encoded and sent like any other. Some
changes never reach the network: one that scales all grey levels is undone where each film is
standardised by itself. Such a row says so, since it shows nothing of the model's robustness.

After some changes a model no longer judges every film. If the harder ones go, what is left looks
better than before, so a change is held against the same films unchanged, and its row says how many
were left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.auditor.changes import SHIFTS, at_size_of
from components.auditor.findings import SHOWN, UNCHANGED, Shift
from components.auditor.sampling import evenly
from components.auditor.scoring import judged, score_images, scores_of
from components.auditor.served_pixels import ServedPixels
from metrics.estimates import estimate, metrics_of
from models import features
from radiographs.decoding import grey_levels
from radiographs.formats.png import encode_png

_LOG = logging.getLogger(__name__)

# Larger films are shrunk first, the unchanged ones too: it bounds the time of the audit.
MAX_SIDE_PX = 512

PROBED_FILMS = 8  # whose input is looked at, of those that a change has altered


def audit_shifts(
    served: Any,
    films: pd.DataFrame,
    images: Sequence[bytes],
    prepared: ServedPixels,
    samples: int,
) -> list[Shift]:
    """Scores films under every change.

    Args:
        served: A loaded SavedModel.
        films: What is known of them, rows of `score_examples`.
        images: Their encoded images, in the same order.
        prepared: What the network of that model is given.
        samples: Draws of patients behind an interval.

    Returns:
        The unchanged films first, then the order of `SHIFTS`.
    """
    decoded = [grey_levels(image, MAX_SIDE_PX) for image in images]
    known = films[[features.PATIENT_ID, features.LABEL]].reset_index(drop=True)

    def scored(shown: Sequence[np.ndarray]) -> pd.DataFrame:
        return judged(known.join(score_images(served, map(encode_png, shown))))

    before = scored(decoded)
    reference = estimate(scores_of(before), samples)
    shifts = [Shift(UNCHANGED, reference, dict.fromkeys(SHOWN, 0.0), 0.0)]
    for name, change in SHIFTS.items():
        changed = [at_size_of(film, change(film)) for film in decoded]
        moved = input_change(prepared, decoded, changed)
        shifts.append(_compared(name, before, scored(changed), moved, samples))
    for shift in shifts:
        _LOG.info("%s", _sentence(shift))
    return shifts


def input_change(
    prepared: ServedPixels, films: Sequence[np.ndarray], changed: Sequence[np.ndarray]
) -> float:
    """Measures how far a change moves what the network is given.

    Args:
        prepared: What the network of a model is given.
        films: Grey levels, each `[height, width]` uint8.
        changed: The same films changed, in the same order.

    Returns:
        As `Shift.input_change`, over `PROBED_FILMS` at most of those that differ; 0 if none does.
    """
    pairs = zip(films, changed, strict=True)
    differing = [(one, other) for one, other in pairs if not np.array_equal(one, other)]
    if not differing:
        return 0.0
    before, after = zip(*differing[:PROBED_FILMS], strict=True)
    levels, given = prepared.of_images(map(encode_png, before))
    _, given_changed = prepared.of_images(map(encode_png, after))
    # Standardised inputs have units of their own: the spread of a film leads back to its levels.
    units = levels.std(axis=(1, 2, 3)) / np.maximum(given.std(axis=(1, 2, 3)), 1e-6)
    moved = np.sqrt(np.mean((given_changed - given) ** 2, axis=(1, 2, 3)))
    return float(np.max(units * moved))


def _compared(
    name: str, before: pd.DataFrame, after: pd.DataFrame, moved: float, samples: int
) -> Shift:
    """Measures a change on the films that were judged both unchanged and changed."""
    both = before.index.intersection(after.index)
    reached = estimate(scores_of(after.loc[both]), samples)
    unchanged = metrics_of(scores_of(before.loc[both]))
    differences = {metric: reached.metrics[metric] - unchanged[metric] for metric in SHOWN}
    return Shift(name, reached, differences, moved, len(before) - len(both))


def _sentence(shift: Shift) -> str:
    values = (
        f"{metric} {shift.estimate.metrics[metric]:.4f} ({shift.differences[metric]:+.4f})"
        for metric in SHOWN
    )
    said = f"{shift.name}: {', '.join(values)} on {shift.estimate.films} films"
    if shift.left_out:
        said += f", {shift.left_out} others are not judged any more"
    unseen = shift.name != UNCHANGED and not shift.changes_input
    return f"{said}; the preparation undoes it, the network sees the same" if unseen else said


def choose_films(films: pd.DataFrame, at_most: int) -> np.ndarray:
    """Chooses films of both classes evenly, by their digest, so always the same ones.

    Args:
        films: Of `score_examples`.
        at_most: How many; a rarer class leaves room for the other.

    Returns:
        Positions of the films, ascending.
    """
    digests = films[features.SHA256].to_numpy()
    return evenly(films[features.LABEL].to_numpy(), np.argsort(digests, kind="stable"), at_most)
