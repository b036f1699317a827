"""Words and tables for what the Auditor found, for the terminal and the page of a run."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metrics.scores import CALIBRATION_ERROR

_TELLING_MARGIN = 0.05  # of AUC above a control that sees no lungs

_METRICS = {"AUC": "auc", "recall": "recall", "specificity": "specificity"}


def audit_lines(audit: Mapping[str, Any]) -> Iterator[str]:
    """Yields the gist of an audit, one sentence each.

    Args:
        audit: Content of the Auditor's file; what did not run is absent, null or empty.
    """
    model = audit.get("model") or {}
    if model.get("subtype_auc") is not None:
        low, high = model["subtype_auc_interval"]
        yield f"bacterial against viral: AUC {model['subtype_auc']:.3f} ({low:.3f}-{high:.3f})"
    unscored = model.get("unscored") or {}
    if unscored:
        reasons = ", ".join(f"{reason} ({films})" for reason, films in unscored.items())
        yield f"test films that the model did not judge, left out: {reasons}"
    yield from _abstention_lines("test films", model.get("abstention"))
    changed = (audit.get("shifts") or [])[1:]  # the unchanged films come first
    for title, metric in _METRICS.items():
        reached = [shift for shift in changed if shift[metric] is not None]
        if reached:
            worst = min(reached, key=lambda shift: shift[metric])
            yield (
                f"worst {title} under an acquisition change: {worst[metric]:.3f} "
                f"({worst['name']}, {worst[f'{metric}_change']:+.3f})"
            )
    unseen = _unseen(changed)
    if unseen:
        yield f"undone by the preparation, so they show nothing of the model: {unseen}"
    swaps = audit.get("frame_swaps")
    if swaps:
        aucs = ", ".join(
            f"{row['name']} {_with_interval(row['metrics'], row['intervals'], 'auc')}"
            for row in swaps["rows"]
        )
        yield f"AUC with lungs and frames swapped: {aucs}"
    controls = audit.get("controls") or []
    if controls:
        aucs = ", ".join(f"{one['name']} {one['auc']:.3f}" for one in controls)
        yield f"AUC of controls that see no lungs: {aucs}"
        best = max(controls, key=lambda one: one["auc"])
        if best["margin"] < _TELLING_MARGIN:
            yield (
                f"the plain test cannot tell a lung from a frame: on it the control "
                f"'{best['name']}', which sees no lungs, is as good as the model, or nearly so"
            )
    external = audit.get("external")
    if external:
        metrics = ", ".join(
            f"{title} {_with_interval(external['metrics'], external['intervals'], name)}"
            for title, name in _METRICS.items()
        )
        error = _with_small_interval(external["metrics"][CALIBRATION_ERROR], None)
        yield f"other site ({external['films']:,} films): {metrics}, calibration error {error}"
        yield from _abstention_lines("films of the other site", external.get("abstention"))


def _abstention_lines(films: str, abstention: Mapping[str, Any] | None) -> Iterator[str]:
    if not abstention:
        return
    if abstention["out_of_distribution"] is not None:
        yield f"{films} held to be unlike the train films: {abstention['out_of_distribution']:.1%}"
    if abstention["coverage"] < 1:
        missed, false_alarms = (
            "-" if abstention[name] is None else f"{abstention[name]:.1%}"
            for name in ("missed", "false_alarms")
        )
        yield (
            f"{films} answered: {abstention['coverage']:.1%}, the others are UNCERTAIN; pneumonia "
            f"called NORMAL {missed}, normal called PNEUMONIA {false_alarms}"
        )


def audit_html(audit: Mapping[str, Any], swaps_picture: bytes = b"") -> str:
    """Returns the sections of the page; empty where no audit ran.

    Args:
        audit: Content of the Auditor's file.
        swaps_picture: PNG of films whose frames were swapped.
    """
    return "".join(
        (
            _shifts_html(audit.get("shifts") or []),
            _swaps_html(audit.get("frame_swaps"), swaps_picture),
            _controls_html(audit.get("controls") or []),
            _abstention_html(audit),
            _external_html(audit.get("external")),
            _subtypes_html(audit.get("model") or {}),
        )
    )


def _shifts_html(shifts: Sequence[Mapping[str, Any]]) -> str:
    if not shifts:
        return ""
    rows = [
        [
            shift["name"],
            str(shift["films"]),
            *(
                _with_small_interval(shift[name], shift[f"{name}_interval"])
                for name in _METRICS.values()
            ),
            *(_signed(shift[f"{name}_change"]) for name in _METRICS.values()),
        ]
        for shift in shifts
    ]
    titles = ["films are", "films", *_METRICS, *(f"{name} change" for name in _METRICS)]
    unseen = _unseen(shifts[1:])
    note = f"<p>Undone by the preparation, so they show nothing of the model: {unseen}.</p>"
    return f"<h2>Acquisition changes</h2>{_table(titles, rows)}{note if unseen else ''}"


def _unseen(changed: Sequence[Mapping[str, Any]]) -> str:
    """Names the changes that do not reach the network."""
    return ", ".join(one["name"] for one in changed if not one["changes_input"])


def _swaps_html(swaps: Mapping[str, Any] | None, picture: bytes) -> str:
    if not swaps:
        return ""
    rows = [
        [
            row["name"],
            str(row["films"]),
            *(
                _with_small_interval(row["metrics"][name], row["intervals"].get(name))
                for name in _METRICS.values()
            ),
        ]
        for row in swaps["rows"]
    ]
    shown = base64.b64encode(picture).decode()
    names = ", ".join(row["name"] for row in swaps["rows"])
    image = (
        f'<p><img alt="Test films, a row each: {names}" src="data:image/png;base64,{shown}"></p>'
    )
    return (
        "<h2>Frames swapped</h2><p>Lungs of each film in frames of others. A model that reads "
        "lungs does as well in frames of the other class as of the same; one that reads how a film "
        f"was taken does not. No lungs were found in {swaps['left_out']} films.</p>"
        f"{_table(['films have', 'films', *_METRICS], rows)}{_swapped_controls_html(swaps)}"
        f"{image if picture else ''}"
    )


def _swapped_controls_html(swaps: Mapping[str, Any]) -> str:
    if not swaps.get("controls"):
        return ""
    return (
        "<p>With lungs in frames of either class, no frame tells the class, and controls that see "
        f"no lungs have nothing to go by.</p>{_control_table(swaps['controls'])}"
    )


def _controls_html(controls: Sequence[Mapping[str, Any]]) -> str:
    if not controls:
        return ""
    return (
        "<h2>Shortcuts</h2><p>Controls that read no lungs. What they reach, a model can reach by "
        f"how a film was taken.</p>{_control_table(controls)}"
    )


def _control_table(controls: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            one["name"],
            _with_small_interval(one["auc"], one["auc_interval"]),
            _with_small_interval(one["margin"], one["margin_interval"]),
        ]
        for one in controls
    ]
    return _table(["control", "AUC", "model above it"], rows)


_ABSTENTION = {
    "unlike the train films": "out_of_distribution",
    "answered": "coverage",
    "pneumonia called NORMAL": "missed",
    "normal called PNEUMONIA": "false_alarms",
    "wrong of answered": "wrong_of_answered",
}


def _abstention_html(audit: Mapping[str, Any]) -> str:
    of_films = {
        "test": (audit.get("model") or {}).get("abstention"),
        "other site": (audit.get("external") or {}).get("abstention"),
    }
    rows = [
        [name, *("-" if one[key] is None else f"{one[key]:.1%}" for key in _ABSTENTION.values())]
        for name, one in of_films.items()
        if one
    ]
    return (
        "<h2>When not to answer</h2><p>Films beyond an out_of_distribution of 1, and labels as a "
        "client gets them: with train.selective some are UNCERTAIN, which all other numbers take "
        f"for the forced answer.</p>{_table(['films', *_ABSTENTION], rows)}"
        if rows
        else ""
    )


def _external_html(external: Mapping[str, Any] | None) -> str:
    if not external:
        return ""
    values = [
        _with_small_interval(external["metrics"][name], external["intervals"].get(name))
        for name in _METRICS.values()
    ]
    values.append(_with_small_interval(external["metrics"][CALIBRATION_ERROR], None))
    row = [str(external["films"]), str(external["patients"]), str(external["rejected"]), *values]
    table = _table(["films", "patients", "rejected", *_METRICS, "ECE"], [row])
    return f"<h2>Other site</h2><p>{html.escape(external['root'])}</p>{table}"


def _subtypes_html(model: Mapping[str, Any]) -> str:
    if model.get("subtype_auc") is None:
        return ""
    auc = _with_small_interval(model["subtype_auc"], model["subtype_auc_interval"])
    return f"<h2>Bacterial against viral</h2>{_table(['AUC'], [[auc]])}"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table; cells are HTML already."""
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _with_small_interval(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    small = f"<small>{interval[0]:.3f}-{interval[1]:.3f}</small>" if interval else ""
    return f"{value:.3f}{small}"


def _with_interval(
    metrics: Mapping[str, float | None], intervals: Mapping[str, Sequence[float]], name: str
) -> str:
    value = metrics[name]
    if value is None:
        return "-"
    low, high = intervals[name]
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"
