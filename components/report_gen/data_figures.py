"""Small figures of how features are spread over the splits, and of how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from components.report_gen.distributions import Distribution
from components.report_gen.svg import INK, MODEL, SPLIT_COLOURS, drawing
from models import features

_SIZE_PX = (300, 220)
_MOST_CATEGORIES = 12
_UNITS = {
    features.AGE_YEARS: "age in years", features.WIDTH_PX: "width in pixels",
    features.HEIGHT_PX: "height in pixels", features.MEAN_INTENSITY: "mean intensity",
}  # fmt: skip
_CURVES = {"loss": "loss", "auc": "AUC"}  # of the training record, train and `val_` beside it
_VALIDATION = {"loss": ("val_loss", "val_calibrated_log_loss"), "auc": ("val_auc",)}


def distribution_figure(of_splits: Sequence[Distribution]) -> Markup:
    """Draws a feature in every split.

    Args:
        of_splits: At least one, all of the same feature.
    """
    feature = of_splits[0].feature
    title = _UNITS.get(feature, feature)
    with drawing(f"distribution-{feature}", f"{title} by split", _SIZE_PX) as drawn:
        axes = drawn.axes
        if of_splits[0].names:
            _bars(axes, of_splits)
            axes.set(ylabel="share")
        else:
            for one in of_splits:
                axes.stairs(*_density(one), color=SPLIT_COLOURS[one.split], label=one.split)
            axes.set(yticks=[], ylabel="density")
            values = {edge for one in of_splits for edge in one.edges}
            if len(values) == 1:
                axes.set_xticks(list(values))
        axes.set(xlabel=title)  # which colour is which split is said once, beside the figures
    return drawn.svg


def _bars(axes: Axes, of_splits: Sequence[Distribution]) -> None:
    names = list(dict.fromkeys(name for one in of_splits for name in one.names))
    names = sorted(names)[:_MOST_CATEGORIES]
    width = 0.8 / len(of_splits)
    for position, one in enumerate(of_splits):
        counts = dict(zip(one.names, one.counts, strict=True))
        shares = [counts.get(name, 0) / max(sum(one.counts), 1) for name in names]
        at = np.arange(len(names)) + (position - (len(of_splits) - 1) / 2) * width
        axes.bar(at, shares, width, color=SPLIT_COLOURS[one.split], label=one.split)
    axes.set_xticks(range(len(names)), [name[:12] for name in names])
    if len(names) > 5:
        axes.tick_params(axis="x", labelrotation=60, labelsize=9)


def _density(one: Distribution) -> tuple[np.ndarray, np.ndarray]:
    """Returns heights and edges; a feature of one value is as wide as a unit."""
    edges, counts = np.array(one.edges), np.array(one.counts)
    if edges[-1] <= edges[0]:
        return np.array([1.0]), np.array([edges[0] - 0.5, edges[0] + 0.5])
    return counts / counts.sum() / np.diff(edges), edges


def learning_figures(
    history: Sequence[Mapping[str, float]], reached: Mapping[str, float] = MappingProxyType({})
) -> list[Markup]:
    """Draws loss and AUC by epoch, of the train and the eval split, a line for each member.

    Args:
        history: Of the training record, at least one row.
        reached: What the network that is served reaches on eval; shown where it folds several.

    Returns:
        A figure for each of the two that the record has.
    """
    members = [list(rows) for _, rows in groupby(history, lambda row: row.get("member", 1))]
    figures = []
    for name, title in _CURVES.items():
        validation = next((one for one in _VALIDATION[name] if one in history[0]), "")
        keys = {"train": name, "eval": validation}
        known = {split: key for split, key in keys.items() if key in history[0]}
        if not known:
            continue
        with drawing(f"learning-{name}", f"{title} by epoch", (440, 300)) as drawn:
            for split, key in known.items():
                _learned(drawn.axes, members, key, split)
            folded = reached.get(validation.removeprefix("val_"))
            if folded is not None and len(members) > 1:
                drawn.axes.axhline(folded, color=INK, linestyle="--", label="eval, folded")
            drawn.axes.set(xlabel="epoch", ylabel=title)
            drawn.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            drawn.axes.legend()
        figures.append(drawn.svg)
    return figures


def _learned(
    axes: Axes, members: Sequence[Sequence[Mapping[str, float]]], key: str, split: str
) -> None:
    colour, width = SPLIT_COLOURS[split], 1.8 if len(members) == 1 else 1.0
    for place, rows in enumerate(members):
        epochs = [row["epoch"] + 1 for row in rows]
        values = [row.get(key, np.nan) for row in rows]
        label = split if place == 0 else None  # said once
        axes.plot(epochs, values, "o-", color=colour, label=label, markersize=3, linewidth=width)


def search_figure(trials: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws the score of each trial of a search, in the order in which they were tried.

    Args:
        trials: Of the Tuner's results, at least one.
    """
    tried = sorted(trials, key=lambda trial: str(trial["trial_id"]))
    scores = [float(trial["score"]) for trial in tried]
    with drawing("search", "Score by trial; lower is better", (440, 300)) as drawn:
        axes = drawn.axes
        axes.plot(range(1, len(scores) + 1), scores, "o", color=MODEL, label="trial")
        axes.step(
            range(1, len(scores) + 1), np.minimum.accumulate(scores), where="post", color=INK,
            linewidth=1, label="best so far",
        )  # fmt: skip
        axes.set(xlabel="trial", ylabel="calibrated log loss on eval")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
    return drawn.svg
