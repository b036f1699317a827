"""Calibration over several sites: fitted on all films alike, or for the site that is worst off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.site_films import PreparedSite, half_of, score
from models.calibration import choose_operating_point, fit_calibration
from models.hyperparameters import Train

ALL, WORST_GROUP = "all", "worst_group"


@dataclass(frozen=True)
class Calibrated:
    """What a calibration reached on films of one site that it was not fitted on.

    Attributes:
        way: `ALL` or `WORST_GROUP`.
        site: Name.
        seed: Of the division in films to fit on and films to score.
        metrics: By name, of `metrics.estimates`.
    """

    way: str
    site: str
    seed: int
    metrics: dict[str, float]


def calibrations(
    sites: Mapping[str, tuple[PreparedSite, np.ndarray]], train: Train, seed: int
) -> Iterator[Calibrated]:
    """Fits on half of the patients of every site, and scores the other half site by site.

    Args:
        sites: By name, films and their pneumonia logits, `[films]`.
        train: How calibration and operating point are fitted.
        seed: Of the halves.

    Yields:
        Both ways at every site.
    """
    fitted_on = {name: half_of(site.patients, seed) for name, (site, _) in sites.items()}
    logits = np.concatenate([z[fitted_on[name]] for name, (_, z) in sites.items()])
    labels = np.concatenate([site.classes[fitted_on[name]] for name, (site, _) in sites.items()])
    groups = np.repeat(list(sites), [chosen.sum() for chosen in fitted_on.values()])
    for way, of_groups in ((ALL, None), (WORST_GROUP, groups)):
        calibration = fit_calibration(logits, labels, train.calibration, of_groups)
        point = choose_operating_point(
            calibration.probabilities(logits), labels, train.target_sensitivity, train.cost_ratio,
            of_groups,
        )  # fmt: skip
        for name, (site, of_site) in sites.items():
            others = ~fitted_on[name]
            metrics = score(site, others, of_site[others], calibration, point)
            yield Calibrated(way, name, seed, metrics)
