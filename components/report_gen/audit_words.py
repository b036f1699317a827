"""The gist of an audit in sentences, for the terminal and the page of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.auditor.findings import FACTS, OTHER_FRAME
from components.auditor.lesions import (
    DICE,
    DRAWN_SHARE,
    HEAT_POINTING,
    MARKED_NORMALS,
    POINTING,
)
from components.verdicts import CONTROL
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
    left_out = _left_out(changed)
    if left_out:
        yield f"no longer judged under an acquisition change, and left out of its row: {left_out}"
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
                f"the plain test cannot tell {_confused(best['name'])} "
                "is as good as the model, or nearly so"
            )
    for name, missing in (audit.get("missing_controls") or {}).items():
        yield f"no control of {name}: {missing}"
    yield from _lesion_lines(audit.get("lesions"))
    external = audit.get("external")
    if external:
        metrics = ", ".join(
            f"{title} {_with_interval(external['metrics'], external['intervals'], name)}"
            for title, name in _METRICS.items()
        )
        error = _number(external["metrics"][CALIBRATION_ERROR])
        yield f"other site ({external['films']:,} films): {metrics}, calibration error {error}"
        yield from _abstention_lines("films of the other site", external.get("abstention"))


def ungated_lines(audit: Mapping[str, Any]) -> Iterator[str]:
    """Yields what the AuditGate did not ask of a model, where it had its say.

    Args:
        audit: As for `audit_lines`, and as `gates` the verdicts of the AuditGate, if it got so far.
    """
    if not audit.get("model") or "gates" not in audit:
        return
    asked = [gate["slice"] for gate in audit["gates"]]
    if OTHER_FRAME not in asked:
        yield (
            "no gate asked whether the model reads the lungs or the frame around them; "
            "evaluation.min_swap_auc does"
        )
    if not any(name.startswith(CONTROL) for name in asked):
        yield (
            "no gate asked what can be reached without seeing a lung; "
            "evaluation.min_shortcut_margin does"
        )


def _confused(control: str) -> str:
    if control == FACTS:
        return f"pneumonia from those who have it: on it {control} alone, without any film,"
    return f"a lung from a frame: on it the control '{control}', which sees no lungs,"


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


def _lesion_lines(lesions: Mapping[str, Any] | None) -> Iterator[str]:
    if not lesions:
        return
    if not lesions["films"]:
        yield "lesions are marked, but no test film has one drawn to compare with"
        return
    agreement, surest, hottest = (
        _with_interval(lesions["metrics"], lesions["intervals"], name)
        for name in (DICE, POINTING, HEAT_POINTING)
    )
    yield (
        f"lesions marked against lesions drawn on {lesions['films']:,} test films: Dice "
        f"{agreement}; the surest place lies in a drawn one in {surest}, the hottest of the "
        f"heatmap in {hottest}, by chance {lesions['metrics'][DRAWN_SHARE]:.3f}"
    )
    if lesions["normal_films"]:
        share = _with_interval(lesions["metrics"], lesions["intervals"], MARKED_NORMALS)
        yield f"normal test films with a lesion marked: {share}"


def _unseen(changed: Sequence[Mapping[str, Any]]) -> str:
    """Names the changes that do not reach the network."""
    return ", ".join(one["name"] for one in changed if not one["changes_input"])


def _left_out(changed: Sequence[Mapping[str, Any]]) -> str:
    """Counts the films that changes leave without an answer; an earlier audit did not."""
    return ", ".join(
        f"{one['name']} ({one['left_out']:,} of {one['films'] + one['left_out']:,} films)"
        for one in changed
        if one.get("left_out")
    )


def _with_interval(
    metrics: Mapping[str, float | None], intervals: Mapping[str, Sequence[float]], name: str
) -> str:
    value = metrics[name]
    if value is None:
        return "-"
    low, high = intervals[name]
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
