"""What each section of the page shows, made from a report: figures, rows, pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from components.auditor.findings import PICTURED
from components.evaluation.slices import SliceMetrics
from components.explanation_gen.index import ExplainedFilm
from components.report_gen import curve_figures as curves
from components.report_gen import data_figures
from components.report_gen.audit_figures import dot_figure, rows_of, rows_of_slices
from components.report_gen.audit_words import audit_lines, ungated_lines
from components.report_gen.distributions import SHOWN
from components.report_gen.drift_words import drift_lines
from components.report_gen.label_words import label_lines
from components.report_gen.model_card import card_page, model_card, network_has
from components.report_gen.pictures import data_uri, fitted_uris
from components.report_gen.report import Report
from components.report_gen.style_words import style_lines, style_sentence
from components.report_gen.words import epochs_learned
from metrics.scores import AUC, RECALL, SPECIFICITY
from models import features
from radiographs.ignored import ignored_sentence

# Column title and TFMA's metric, in the order of the page, the CSV and the terminal.
COLUMNS = {
    "AUC": "auc",
    "recall": "recall",
    "specificity": "specificity",
    "precision": "precision",
    "F1": "f1_score",
    "accuracy": "binary_accuracy",
    "PR-AUC": "auc_precision_recall",
    "ECE": "expected_calibration_error",
    "Brier": "brier_score",
    "TP": "true_positives",
    "FP": "false_positives",
    "TN": "true_negatives",
    "FN": "false_negatives",
}
COUNT_COLUMNS = ("TP", "FP", "TN", "FN")
METRIC_TITLES = {metric: title for title, metric in COLUMNS.items()}

MOST_LISTED = 200  # files in a list of the page; the CSV files have all
_EXAMPLES = 2  # films of a class in a slice
_AUDITED = {"AUC": AUC, "recall": RECALL, "specificity": SPECIFICITY}
_ABSTENTION = {
    "unlike the train films": "out_of_distribution",
    "answered": "coverage",
    "pneumonia called NORMAL": "missed",
    "normal called PNEUMONIA": "false_alarms",
    "wrong of answered": "wrong_of_answered",
}


def data(report: Report) -> dict[str, Any]:
    """Counts, what was left out and why, distributions, examples, styles."""
    facts = report.data
    ingest = facts.ingest
    by_feature = [
        [one for one in facts.distributions if one.feature == feature and sum(one.counts) > 0]
        for feature in SHOWN
    ]
    labels = {
        one.split: dict(zip(one.names, one.counts, strict=True))
        for one in facts.distributions
        if one.feature == features.LABEL
    }
    styles = ingest.get("styles", [])
    tested = {one.value: one for one in report.slices if one.feature == features.STYLE}
    return {
        "ingest": ingest,
        "labels": labels,
        "classes": features.LABELS,
        "ignored": ignored_sentence(
            ingest.get("ignored_reasons", {}), ingest.get("ignored_folders", {})
        ),
        "most_listed": MOST_LISTED,
        "figures": [data_figures.distribution_figure(one) for one in by_feature if one],
        "examples": examples(report.films),
        "styles": styles,
        "drift_lines": drift_lines(report.data.drift),
        "style_lines": list(style_lines(styles, ingest.get("style_agreement"), report.slices)),
        "style_sentences": {value: style_sentence(one) for value, one in tested.items()},
        "style_slices": {value: _rates(one) for value, one in tested.items()},
        "styles_picture": data_uri(report.data.styles_picture),
    }


def _rates(one: SliceMetrics) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Returns recall and specificity with their intervals; NaN where no film has the class."""
    films = {RECALL: one.positives, SPECIFICITY: one.negatives}
    return {
        name: (one.metrics[name], one.intervals.get(name)) if count else (math.nan, None)
        for name, count in films.items()
    }


def examples(films: tuple[ExplainedFilm, ...]) -> list[tuple[str, str, list[ExplainedFilm]]]:
    """Returns films that can be drawn of each slice and class.

    Args:
        films: Explained.

    Returns:
        Slice, class and films, in the order of the slices; where no film is, there is no row.
    """
    groups: dict[tuple[str, str], list[ExplainedFilm]] = {}
    for film in films:
        named = [f"{name}={value}" for name, value in film.slices.items()]
        for one in ("all", *named) if film.film else ():
            groups.setdefault((one, film.label), []).append(film)
    return [(*group, found[:_EXAMPLES]) for group, found in sorted(groups.items())]


def training(report: Report) -> dict[str, Any]:
    """Learning curves, hyperparameters, search."""
    record = report.training.record
    history, reached = record.get("history", []), record.get("reached", {})
    trials = report.training.trials
    return {
        "record": record,
        "curves": data_figures.learning_figures(history, reached) if history else [],
        "epochs": epochs_learned(history),
        "settings": flat(record.get("hyperparameters", {})),
        "trials": trials,
        "search": data_figures.search_figure(trials) if trials else "",
    }


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns nested settings by their dotted names.

    Args:
        settings: As JSON has them.
        prefix: Begins each name.
    """
    found = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = "" if value is None else str(value)
    return found


def threshold_of(report: Report) -> float | None:
    """Returns the operating point of the model, or None where it is not known."""
    return report.training.record.get("operating_point", {}).get("threshold")


def performance(report: Report) -> dict[str, Any]:
    """Curves, confusion matrix, reliability, histogram, decision curve."""
    found = report.performance
    if found is None or not found.films:
        return {"found": found, "figures": []}
    recall, specificity, precision = curves.operating_rates(found)
    threshold = threshold_of(report)
    figures = []
    if found.roc and found.precision_recall:
        figures += [
            ("ROC", curves.roc_figure(found.roc, (1 - specificity, recall))),
            (
                "Precision-recall",
                curves.precision_recall_figure(
                    found.precision_recall, (recall, precision), found.prevalence
                ),
            ),
        ]
    figures.append(("Reliability", curves.reliability_figure(found.reliability)))
    figures.append(("Scores by class", curves.histogram_figure(found.scores, threshold)))
    if found.decision:
        figures.append(("Decision curve", curves.decision_figure(found.decision, threshold)))
    return {
        "found": found,
        "figures": figures,
        "rates": {"recall": recall, "specificity": specificity, "precision": precision},
    }


def explorer(report: Report) -> dict[str, Any]:
    """The scores, for the script of the page."""
    found, threshold = report.performance, threshold_of(report)
    if found is None or not found.films:
        return {"island": None}
    start = 0.5 if threshold is None else threshold
    return {
        "island": {
            "labels": found.scores.labels.tolist(),
            "probabilities": found.scores.probabilities.tolist(),
            "threshold": start,
            "prevalence": found.prevalence,
        },
        "start": start,
        "prevalence": found.prevalence,
    }


def slices(report: Report) -> dict[str, Any]:
    """The metric table, and recall and specificity as dot plots."""
    floors = {"recall": RECALL, "specificity": SPECIFICITY}
    return {
        "columns": COLUMNS,
        "counts": COUNT_COLUMNS,
        "figures": [
            dot_figure(
                f"slices-{metric}", "by slice", title, rows_of_slices(report.slices, metric),
                _floor(report, title),
            )
            for title, metric in floors.items()
        ],
    }  # fmt: skip


def _floor(report: Report, metric: str) -> float | None:
    bounds = [one.bound for one in report.verdicts if one.metric.startswith(metric)]
    positive = [bound for bound in bounds if bound > 0]
    return max(positive, default=None)


def gates(report: Report) -> dict[str, Any]:
    """Every gate, what those on changes rest on, and what no gate asked."""
    return {
        "changes": [one for one in report.verdicts if one.metric.endswith(" change")],
        "ungated": list(ungated_lines(report.audit)),
    }


def audits(report: Report) -> dict[str, Any]:
    """Acquisition changes, shortcuts, frame swaps, another site, abstention."""
    audit = report.audit
    shifts, controls = audit.get("shifts") or [], audit.get("controls") or []
    swaps, external = audit.get("frame_swaps") or {}, audit.get("external") or {}
    model = audit.get("model") or {}
    reached = {"name": "the model", **model}
    own_site = {"name": "test films", **model}
    other_site = {"name": "other site", **external}
    overall_intervals = (audit.get("slices") or {}).get("overall", {}).get("intervals", {})
    for one in (reached, own_site):
        one["intervals"] = overall_intervals
    of_films = {"test": model.get("abstention"), "other site": external.get("abstention")}
    return {
        "lines": list(audit_lines(audit)),
        "audited": _AUDITED,
        "shifts": shifts,
        "shift_figure": dot_figure("shifts", "acquisition changes", "AUC", rows_of(shifts, AUC)),
        "controls": controls,
        "control_figure": dot_figure(
            "controls", "controls that see no lungs", "AUC",
            rows_of([reached, *controls], AUC) if controls else [],
        ),
        "swaps": swaps,
        "swap_figure": dot_figure(
            "swaps", "lungs and frames swapped", "AUC", rows_of(swaps.get("rows", []), AUC)
        ),
        "swaps_picture": data_uri(report.swaps_picture),
        "pictured": PICTURED,
        "external": external,
        "site_figure": dot_figure(
            "sites", "own site and other site", "AUC",
            rows_of([own_site, other_site], AUC) if external else [],
        ),
        "abstention": _ABSTENTION,
        "abstained": {name: found for name, found in of_films.items() if found},
        "subtypes": (model.get("subtype_auc"), model.get("subtype_auc_interval")),
    }  # fmt: skip


def labels(report: Report) -> dict[str, Any]:
    """Films with doubtful labels, with their pictures."""
    audit = report.labels.audit
    return {
        "lines": list(label_lines(audit)),
        "rows": audit.get("shown", []),
        "pictures": fitted_uris(report.labels.pictures),
    }


def gallery(report: Report) -> dict[str, Any]:
    """Explained films with their pictures, most certain first where nothing else is asked for."""
    values: dict[str, None] = {}
    for film in report.films:
        values.update(dict.fromkeys(f"{name}={value}" for name, value in film.slices.items()))
    return {
        "pictures": fitted_uris(report.pictures),
        "slice_names": sorted(values),
        "certainty": certainty,
        "is_number": math.isfinite,
        "threshold": threshold_of(report),
        "marks_lesions": network_has(report, "segmentation"),
    }


def certainty(film: ExplainedFilm, threshold: float | None) -> float:
    """Returns how far a probability is from the threshold, as a share of the way to 0 or 1.

    Args:
        film: Explained.
        threshold: Operating point; None counts as 0.5.

    Returns:
        In [0, 1]; 0 where the film was not judged.
    """
    if math.isnan(film.probability):
        return 0.0
    edge = 0.5 if threshold is None else threshold
    room = 1 - edge if film.probability >= edge else edge
    return abs(film.probability - edge) / room if room else 1.0


def card(report: Report) -> dict[str, Any]:
    """The model card, as ReportGen writes it in Markdown."""
    return {"card": card_page(model_card(report))}


def run(report: Report) -> dict[str, Any]:
    """Durations, lineage, configuration."""
    return {"total": sum(report.run.durations_seconds.values())}
