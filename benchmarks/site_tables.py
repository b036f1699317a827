"""From points of a learning curve, and from models of several sites, to Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.joined_sites import Training
from benchmarks.site_calibration import Calibrated
from benchmarks.site_curve import Point
from metrics.scores import AUC, BRIER, CALIBRATION_ERROR, RECALL, SPECIFICITY
from models.features import SITE

_COLUMNS = {
    "AUC": AUC,
    "calibration error": CALIBRATION_ERROR,
    "sensitivity": RECALL,
    "specificity": SPECIFICITY,
}


def curve_table(points: Sequence[Point]) -> str:
    """Returns a row for each way and number of films: mean over seeds and standard deviation.

    Args:
        points: Of one site, in the order in which rows are wanted.
    """
    lines = [
        f"| films | the model | {' | '.join(_COLUMNS)} |",
        f"|---:|---|{'---:|' * len(_COLUMNS)}",
    ]
    for films, way in dict.fromkeys((point.films, point.way) for point in points):
        same = [point for point in points if (point.films, point.way) == (films, way)]
        cells = [_cell([point.metrics[name] for point in same]) for name in _COLUMNS.values()]
        lines.append(f"| {films} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def calibration_table(reached: Sequence[Calibrated]) -> str:
    """Returns a row for each site and way: mean over seeds and standard deviation.

    Args:
        reached: Of `benchmarks.site_calibration.calibrations`.
    """
    columns = {**_COLUMNS, "Brier score": BRIER}
    lines = [
        f"| site | train.calibrate_on | {' | '.join(columns)} |",
        f"|---|---|{'---:|' * len(columns)}",
    ]
    for site, way in dict.fromkeys((one.site, one.way) for one in reached):
        same = [one for one in reached if (one.site, one.way) == (site, way)]
        cells = [_cell([one.metrics[name] for one in same]) for name in columns.values()]
        lines.append(f"| {site} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sites_table(trainings: Sequence[Training]) -> str:
    """Returns a row for each training and site: test films of its own sites, all of another's.

    Args:
        trainings: Of `benchmarks.joined_sites.leave_one_out`.
    """
    lines = [
        f"| trained on | scored on | {' | '.join(_COLUMNS)} |",
        f"|---|---|{'---:|' * len(_COLUMNS)}",
    ]
    for training in trainings:
        drawn = ", evenly drawn" if training.balanced else ""
        trained_on = f"{' and '.join(training.sites)}{drawn}"
        for scored_on, of_seeds in _scored(training).items():
            cells = [
                _cell([metrics[name] for metrics in of_seeds if metrics.get(name) is not None])
                for name in _COLUMNS.values()
            ]
            lines.append(f"| {trained_on} | {scored_on} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _scored(training: Training) -> dict[str, list[Mapping[str, float]]]:
    """Returns the metrics of each seed by what was scored."""
    scored: dict[str, list[Mapping[str, float]]] = {}
    for record in training.records:
        slices = record.summary["metrics"]["slices"]
        for site in training.sites:
            scored.setdefault(f"{site}, test split", []).append(slices[f"{SITE}={site}"])
        for name, one in record.external.items():
            scored.setdefault(f"{name}, not seen", []).append(one["metrics"])
    return scored


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "n/a"
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
