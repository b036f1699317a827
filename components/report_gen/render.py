"""From a report to its page: one template a section, and words where a section cannot be shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from components.evaluation.slices import SliceMetrics
from components.report_gen import sections, words
from components.report_gen.all_runs import RUN_COLUMNS, RunRow, auc_sparkline, best_of
from components.report_gen.environment import environment
from components.report_gen.pictures import fitted_uris
from components.report_gen.report import Report
from components.report_gen.sections import METRIC_TITLES, MOST_LISTED
from components.report_gen.slice_figures import slice_figures
from components.report_gen.two_runs import TwoRuns

_LOG = logging.getLogger(__name__)

_COUNTS = ("_count", "_positives", "_negatives")  # end the names of metrics that count films

# Title and what is shown, by the name of the template, in the order of the page.
SECTIONS: Mapping[str, tuple[str, Callable[[Report], Mapping[str, Any]]]] = {
    "data": ("Data", sections.data),
    "labels": ("Labels", sections.labels),
    "training": ("Training", sections.training),
    "performance": ("Performance", sections.performance),
    "explorer": ("Threshold explorer", sections.explorer),
    "slices": ("Slices", sections.slices),
    "gates": ("Gates", sections.gates),
    "audits": ("Audits", sections.audits),
    "gallery": ("Explanations", sections.gallery),
    "card": ("Model card", sections.card),
    "run": ("Run", sections.run),
}


def render(report: Report) -> str:
    """Returns the page: one HTML file that loads nothing.

    Args:
        report: Of a run, however early it stopped.
    """
    templates = environment()
    shown = [
        (name, title, _section(templates, name, view, report))
        for name, (title, view) in SECTIONS.items()
    ]
    return templates.get_template("page.html.j2").render(
        report=report,
        headline=words.headline(report),
        sentence=words.sentence(report),
        not_a_device=words.NOT_A_DEVICE,
        decisive=words.decisive(report.verdicts),
        sections=shown,
    )


def slices_page(slices: Sequence[SliceMetrics]) -> str:
    """Returns a page of every metric that TFMA has, slice by slice.

    Args:
        slices: Of `components.evaluation.slices.load_slices`.
    """
    shares = {
        title: metric
        for title, metric in sections.COLUMNS.items()
        if title not in sections.COUNT_COLUMNS
    }
    metrics = list(dict.fromkeys(metric for one in slices for metric in one.metrics))
    return (
        environment()
        .get_template("slices_page.html.j2")
        .render(
            slices=slices,
            columns=sections.COLUMNS,
            counts=sections.COUNT_COLUMNS,
            figures=slice_figures(slices, shares),
            metrics=metrics,
            whole=[metric for metric in metrics if metric.endswith(_COUNTS)],
        )
    )


def compare_page(both: TwoRuns) -> str:
    """Returns a page of two runs side by side.

    Args:
        both: Of `components.report_gen.two_runs.compare`.
    """
    pictures = tuple(
        fitted_uris({name: report.pictures[name] for name in _pictures_of(both, side)})
        for side, report in enumerate(both.reports)
    )
    return (
        environment()
        .get_template("two_runs.html.j2")
        .render(
            both=both,
            titles=METRIC_TITLES,
            pictures=pictures,
            most_listed=MOST_LISTED,
            not_a_device=words.NOT_A_DEVICE,
        )
    )


def all_runs_page(rows: Sequence[RunRow], place: str) -> str:
    """Returns the index of runs.

    Args:
        rows: The oldest first.
        place: Where they are, in words.
    """
    return (
        environment()
        .get_template("all_runs.html.j2")
        .render(
            rows=rows,
            place=place,
            best=best_of(rows),
            columns=RUN_COLUMNS,
            sparkline=auc_sparkline(rows),
        )
    )


def _pictures_of(both: TwoRuns, side: int) -> list[str]:
    films = [film.explained[side] for film in both.changed[:MOST_LISTED]]
    names = [name for film in films if film for name in (film.film, film.heat) if name]
    return [name for name in names if name in both.reports[side].pictures]


def _section(
    templates: jinja2.Environment,
    name: str,
    view: Callable[[Report], Mapping[str, Any]],
    report: Report,
) -> Markup:
    """Returns a section; an artifact of an earlier version may lack what one shows."""
    try:
        shown = view(report)
        return Markup(templates.get_template(f"{name}.html.j2").render(report=report, **shown))
    except (LookupError, TypeError, ValueError, jinja2.UndefinedError) as error:
        _LOG.warning("the section %s cannot be shown", name, exc_info=True)
        why = f"What the run left behind lacks what this section shows ({error})."
        return Markup("<p class='absent'>{}</p>").format(why)
