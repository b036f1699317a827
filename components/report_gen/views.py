"""Pages of TFMA's plots and TFDV's statistics of a run, which load nothing from anywhere.

The scripts that TFMA and TFDV bring for Jupyter fetch Google Charts and Facets from the network
each time they are shown. So their numbers are drawn with the figures of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from markupsafe import Markup
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.report_gen.data_figures import distribution_figure
from components.report_gen.distributions import Distribution, distributions_of
from components.report_gen.environment import environment
from components.report_gen.feature_statistics import (
    IDENTIFIERS,
    FeatureStatistics,
    feature_statistics,
)
from components.report_gen.plot_figures import plot_figures
from components.report_gen.tfma_plots import SlicePlots

_SHOWN_THRESHOLDS = 21  # rows of the table of confusion


def plots_page(plots: Sequence[SlicePlots], run_id: str) -> str:
    """Returns a page of TFMA's plots, slice by slice.

    Args:
        plots: Of `read_plots`.
        run_id: Whose they are.
    """
    shown = [(one, plot_figures(one, number), _rows(one)) for number, one in enumerate(plots)]
    page = environment().get_template("plots_page.html.j2")
    return page.render(shown=shown, run_id=run_id)


def statistics_page(
    by_split: Mapping[str, statistics_pb2.DatasetFeatureStatistics], run_id: str
) -> str:
    """Returns a page of TFDV's statistics, numbers and categories apart as in Facets.

    Args:
        by_split: Of `components.report_gen.distributions.read_statistics`.
        run_id: Whose they are.
    """
    statistics = feature_statistics(by_split)
    names = dict.fromkeys(one.feature for one in statistics if one.feature not in IDENTIFIERS)
    spread = [
        one
        for split, of_split in by_split.items()
        for one in distributions_of(of_split, split, names)
    ]
    page = environment().get_template("statistics_page.html.j2")
    return page.render(
        tables=_tables(statistics),
        figures=_figures(spread),
        films={split: of_split.num_examples for split, of_split in by_split.items()},
        run_id=run_id,
    )


def _rows(plots: SlicePlots) -> list[tuple[float, ...]]:
    """Returns thresholds from 0 to 1 and the counts there; none of an earlier version's result."""
    inside = np.flatnonzero((plots.thresholds >= 0) & (plots.thresholds <= 1))
    if not len(inside):
        return []
    chosen = inside[np.linspace(0, len(inside) - 1, _SHOWN_THRESHOLDS).round().astype(int)]
    return [(plots.thresholds[row], *plots.counts[row]) for row in dict.fromkeys(chosen)]


def _tables(statistics: Sequence[FeatureStatistics]) -> list[list[FeatureStatistics]]:
    """Groups what has the same columns, in the order in which these first occur."""
    kinds = dict.fromkeys(one.columns for one in statistics)
    return [[one for one in statistics if one.columns == kind] for kind in kinds]


def _figures(spread: Sequence[Distribution]) -> list[Markup]:
    by_feature = groupby(sorted(spread, key=lambda one: one.feature), lambda one: one.feature)
    return [distribution_figure(list(of_splits)) for _, of_splits in by_feature]
