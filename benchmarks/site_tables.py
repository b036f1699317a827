"""From points of a learning curve, and from models of several sites, to Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.joined_sites import Training
from benchmarks.site_calibration import Calibrated
from benchmarks.site_curve import Point
from benchmarks.site_prevalence import Moved
from metrics.scores import ACCURACY, AUC, BRIER, CALIBRATION_ERROR, RECALL, SPECIFICITY
from models.features import SITE

# No metrics: films that were scored, and the prevalence that their probabilities assume.
_FILMS, _ASSUMED = "films", "assumed"
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
    rows = [((str(point.films), point.way), point.metrics) for point in points]
    return _table(("films", "the model"), rows, _COLUMNS)


def calibration_table(reached: Sequence[Calibrated]) -> str:
    """Returns a row for each site and way: mean over seeds and standard deviation.

    Args:
        reached: Of `benchmarks.site_calibration.calibrations`.
    """
    rows = [((one.site, one.way), one.metrics) for one in reached]
    return _table(("site", "train.calibrate_on"), rows, {**_COLUMNS, "Brier score": BRIER})


def prevalence_table(reached: Sequence[Moved]) -> str:
    """Returns a row for each share and way: mean over seeds and standard deviation.

    Args:
        reached: Of `benchmarks.site_prevalence.prevalences`.
    """
    rows = [
        ((f"{one.share:g}", one.way), {_FILMS: one.films, _ASSUMED: one.assumed, **one.metrics})
        for one in reached
    ]
    columns = {
        "films": _FILMS,
        "assumed": _ASSUMED,
        "Brier score": BRIER,
        "accuracy": ACCURACY,
        **_COLUMNS,
    }
    return _table(("pneumonia", "correction"), rows, columns)


def sites_table(trainings: Sequence[Training]) -> str:
    """Returns a row for each training and site: test films of its own sites, all of another's.

    Args:
        trainings: Of `benchmarks.joined_sites.leave_one_out`.
    """
    rows = []
    for training in trainings:
        drawn = ", evenly drawn" if training.balanced else ""
        trained_on = f"{' and '.join(training.sites)}{drawn}"
        for scored_on, of_seeds in _scored(training).items():
            rows += [((trained_on, scored_on), metrics) for metrics in of_seeds]
    return _table(("trained on", "scored on"), rows, _COLUMNS)


def _table(
    titles: tuple[str, str],
    rows: Sequence[tuple[tuple[str, str], Mapping[str, float]]],
    columns: Mapping[str, str],
) -> str:
    """Returns a table with a row for each pair of names: the mean of all metrics under them."""
    lines = [f"| {' | '.join((*titles, *columns))} |", f"|---|---|{'---:|' * len(columns)}"]
    of_names: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for names, metrics in rows:
        of_names.setdefault(names, []).append(metrics)
    for names, found in of_names.items():
        known = (
            [metrics[name] for metrics in found if metrics.get(name) is not None]
            for name in columns.values()
        )
        lines.append(f"| {' | '.join((*names, *map(_cell, known)))} |")
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
    digits = 3 if np.mean(values) < 10 else 0  # a share, or a number of films
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
