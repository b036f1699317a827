"""A change of prevalence on films: what is gained by correcting for it, stated or estimated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.site_films import PreparedSite, half_of, score
from metrics.prevalence import LEAST, MOST, most_likely_prevalence
from models.calibration import Calibration, OperatingPoint, moved_to

UNCHANGED, STATED, ESTIMATED = "not corrected", "stated", "estimated without labels"


@dataclass(frozen=True)
class Moved:
    """What a model reached on films of which another share is pneumonia.

    Attributes:
        share: Of the films that are pneumonia, as wished for.
        films: That were scored.
        way: One of those above.
        assumed: Share that the probabilities assume.
        metrics: By name, of `metrics.estimates`.
    """

    share: float
    films: int
    way: str
    assumed: float
    metrics: dict[str, float]


def prevalences(
    site: PreparedSite,
    logits: np.ndarray,
    calibration: Calibration,
    point: OperatingPoint,
    shares: Sequence[float],
    seed: int,
) -> Iterator[Moved]:
    """Draws films of each share twice: to estimate it by, and of other patients to score.

    Args:
        site: Films.
        logits: `[films]` pneumonia logits of them.
        calibration: Of the model; its prevalence is known.
        point: Of the model.
        shares: Of films that are pneumonia, in (0, 1).
        seed: Of the draws.

    Yields:
        Each way at each share.

    Raises:
        ValueError: If half of the films lack a class.
    """
    random = np.random.default_rng(seed)
    looked_at = half_of(site.patients, seed)
    for share in shares:
        unlabelled = draw_share(site.classes, looked_at, share, random)
        scored = draw_share(site.classes, ~looked_at, share, random)
        assumed = {
            UNCHANGED: _assumed(calibration),
            STATED: float(site.classes[scored].mean()),
            ESTIMATED: estimated_share(calibration, logits[unlabelled]),
        }
        for way, to in assumed.items():
            metrics = score(site, scored, logits[scored], *moved_to(to, calibration, point))
            yield Moved(share, len(scored), way, to, metrics)


def draw_share(
    classes: np.ndarray, among: np.ndarray, share: float, random: np.random.Generator
) -> np.ndarray:
    """Draws as many films as there can be with a share of pneumonia.

    Args:
        classes: `[films]` of 0 and 1.
        among: `[films]` of bool, films to draw from.
        share: In (0, 1).
        random: Of the draw.

    Returns:
        `[drawn]` places.

    Raises:
        ValueError: If no film of a class is there.
    """
    ill, well = (np.flatnonzero(among & (classes == label)) for label in (1, 0))
    films = min(len(ill) / share, len(well) / (1 - share))
    of_ill, of_well = round(films * share), round(films * (1 - share))
    if not of_ill or not of_well:
        raise ValueError(f"too few films for a prevalence of {share:g}; give more, or another")
    return np.concatenate(
        [random.choice(ill, of_ill, replace=False), random.choice(well, of_well, replace=False)]
    )


def estimated_share(calibration: Calibration, logits: np.ndarray) -> float:
    """Returns how many of some films, `[films]` pneumonia logits, are pneumonia."""
    counting = calibration.for_counting
    probabilities = counting.probabilities(logits)
    once = np.ones((1, len(logits)))
    found = most_likely_prevalence(once, probabilities, _assumed(counting))[0]
    return float(np.clip(found, LEAST, MOST))  # which `pipeline.site prior` refuses


def _assumed(calibration: Calibration) -> float:
    if calibration.prevalence is None:
        raise ValueError("the model does not say which prevalence it assumes; train it anew")
    return calibration.prevalence
