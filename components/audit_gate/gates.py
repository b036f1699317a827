"""What the audits demand of a model, each with a sentence that says how it went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from components.auditor.findings import (
    EITHER_FRAME,
    FACTS,
    OTHER_FRAME,
    UNCHANGED,
    Control,
    ExternalSite,
    Findings,
    FrameSwaps,
    Shift,
)
from components.verdicts import CONTROL, Verdict
from metrics.estimates import Estimate
from metrics.scores import AUC, RECALL, SPECIFICITY
from metrics.slices import OVERALL
from models.audit_settings import AuditFloors
from models.features import NORMAL, PNEUMONIA

_SHOWN_NAME = {AUC: "AUC", RECALL: "recall", SPECIFICITY: "specificity"}
_FRAMES_FOR_LUNGS = "cannot tell a lung from the frame around it"
_FACTS_FOR_LUNGS = "cannot tell pneumonia from the age, sex and view of those who have it"
_LEAST_JUDGED = 0.9  # of the films that were to be changed, or the rest says too little
LOWER_BOUND = " lower bound"  # ends the name of a metric that a gate judges by its bound


def judge(settings: AuditFloors, findings: Findings) -> list[Verdict]:
    """Judges everything that a floor was set for.

    Args:
        settings: The floors, and whether they hold for estimates or lower bounds.
        findings: Of an audit.

    Returns:
        The verdicts, failures first.
    """
    verdicts = [
        *_slice_gates(settings, findings.slices),
        *_shift_gates(settings, findings.shifts),
        *_swap_gates(settings, findings.frame_swaps),
        *_external_gates(settings, findings.external),
        *_control_gates(settings, findings),
    ]
    return sorted(verdicts, key=lambda verdict: verdict.passed)


def _slice_gates(settings: AuditFloors, slices: Mapping[str, Estimate]) -> Iterator[Verdict]:
    """Yields gates on lower bounds; the Evaluator has judged the estimates already."""
    if settings.gate_on == "estimate":
        return
    yield from _floor(settings, OVERALL, AUC, slices[OVERALL], settings.min_auc)
    for name, one in slices.items():
        if name == OVERALL or one.positives >= settings.min_slice_positives:
            yield from _floor(settings, name, RECALL, one, settings.min_recall)
        if name == OVERALL or one.films - one.positives >= settings.min_slice_negatives:
            yield from _floor(settings, name, SPECIFICITY, one, settings.min_specificity)


def _shift_gates(settings: AuditFloors, shifts: Sequence[Shift]) -> Iterator[Verdict]:
    """Yields a gate on the worst change of each metric: one that leaves too few films, if any."""
    changed = [shift for shift in shifts if shift.name != UNCHANGED]
    if not changed:
        return
    (unchanged,) = (shift.estimate for shift in shifts if shift.name == UNCHANGED)
    floors = {
        AUC: settings.min_shift_auc,
        RECALL: settings.min_shift_recall,
        SPECIFICITY: settings.min_shift_specificity,
    }
    kept = [
        (judged / films, shift.name, f"{judged:,} of {films:,} {label} films")
        for shift in changed
        for label, judged, films in _by_class(shift.estimate, unchanged)
    ]
    share, fewest, counts = min(kept, default=(1.0, "", ""))  # none: nothing was judged at all
    for metric, bound in floors.items():
        if bound and share < _LEAST_JUDGED:
            why = f"the model judged {counts} under the change '{fewest}'"
            name = _named(_SHOWN_NAME[metric], settings)
            yield Verdict(f"shift={fewest}", name, math.nan, bound, False, why)
        else:
            worst = min(changed, key=lambda shift: _rank(_judged(settings, metric, shift.estimate)))
            yield from _floor(settings, f"shift={worst.name}", metric, worst.estimate, bound)


def _by_class(judged: Estimate, films: Estimate) -> Iterator[tuple[str, int, int]]:
    """Yields label, films judged and all films of each class that has any."""
    for label, some, every in (
        (NORMAL, judged.films - judged.positives, films.films - films.positives),
        (PNEUMONIA, judged.positives, films.positives),
    ):
        if every:
            yield label, some, every


def _swap_gates(settings: AuditFloors, swaps: FrameSwaps | None) -> Iterator[Verdict]:
    """Yields a gate on lungs in frames of the other class, which a model of frames gets wrong."""
    bound = settings.min_swap_auc
    if not bound:
        return
    why = _too_few_swapped(swaps, OTHER_FRAME)
    if swaps is None or why:
        metric = _named(_SHOWN_NAME[AUC], settings)
        verdict = Verdict(OTHER_FRAME, metric, math.nan, bound, False, why)
    else:
        (verdict,) = _floor(settings, OTHER_FRAME, AUC, swaps.rows[OTHER_FRAME], bound)
    yield _of_blind_test(settings, verdict)


def _too_few_swapped(swaps: FrameSwaps | None, kind: str) -> str:
    """Returns why films with swapped frames say too little; an empty string if they say enough.

    Args:
        swaps: What was reached; None where no frames were swapped.
        kind: `OTHER_FRAME`, or `EITHER_FRAME`, which has all lungs twice.
    """
    if swaps is None:
        return "no lungs were found in the test films of some class, so no frames were swapped"
    times = 2 if kind == EITHER_FRAME else 1
    films, judged = swaps.films + swaps.left_out, swaps.rows[kind].films
    if judged >= _LEAST_JUDGED * times * films:
        return ""
    return (
        f"lungs were found in {swaps.films:,} of {films:,} films, and {judged:,} of "
        f"{times * swaps.films:,} films with a {kind} were judged"
    )


def _external_gates(settings: AuditFloors, external: ExternalSite | None) -> Iterator[Verdict]:
    if external is None:
        return
    floors = {
        AUC: settings.min_external_auc,
        RECALL: settings.min_external_recall,
        SPECIFICITY: settings.min_external_specificity,
    }
    for metric, bound in floors.items():
        yield from _floor(settings, "external", metric, external.estimate, bound)


def _control_gates(settings: AuditFloors, findings: Findings) -> Iterator[Verdict]:
    """Yields a gate on the smallest margin above a control.

    Where frames were swapped it is that of the films in which no frame tells the class: on the
    plain test a control may reach all that can be reached, and no model could be above it.
    """
    swapped = findings.frame_swaps.controls if findings.frame_swaps else []
    controls: Sequence[Control] = swapped or findings.controls
    if not controls:
        return
    by_bound = settings.gate_on == "lower_bound"
    margins = {
        control.name: control.margin_interval[0] if by_bound else control.margin
        for control in controls
    }
    name = min(margins, key=lambda control: margins[control])
    margin = "AUC margin with frames of either class" if swapped else "AUC margin"
    metric, floor = _named(margin, settings), settings.min_shortcut_margin
    verdicts: Iterable[Verdict] = _gate(f"{CONTROL}{name}", metric, margins[name], floor)
    why = _too_few_swapped(findings.frame_swaps, EITHER_FRAME) if swapped and floor else ""
    if why:
        verdicts = [Verdict(f"{CONTROL}{name}", metric, math.nan, floor, False, why)]
    confused = _FACTS_FOR_LUNGS if name == FACTS else _FRAMES_FOR_LUNGS
    yield from (_of_blind_test(settings, verdict, confused) for verdict in verdicts)


def _of_blind_test(
    settings: AuditFloors, verdict: Verdict, confused: str = _FRAMES_FOR_LUNGS
) -> Verdict:
    """Says what it means that a gate failed which looks for lungs; a reason overrules."""
    if verdict.passed:
        return verdict
    why = f"{verdict.why}: the model, or its test, {confused}"
    reason = settings.accept_blind_test.strip()
    if not reason:
        return replace(verdict, why=f"{why}; evaluation.accept_blind_test=REASON overrules")
    return replace(verdict, passed=True, accepted=reason, why=f"{why}; accepted: {reason}")


def _floor(
    settings: AuditFloors, name: str, metric: str, reached: Estimate, bound: float
) -> Iterator[Verdict]:
    value = _judged(settings, metric, reached)
    yield from _gate(name, _named(_SHOWN_NAME[metric], settings), value, bound)


def _judged(settings: AuditFloors, metric: str, reached: Estimate) -> float:
    by_bound = settings.gate_on == "lower_bound"
    return reached.lower_bound(metric) if by_bound else reached.metrics[metric]


def _rank(value: float) -> float:
    """Puts what is not defined below everything else: it fails."""
    return -math.inf if math.isnan(value) else value


def _named(metric: str, settings: AuditFloors) -> str:
    return metric + (LOWER_BOUND if settings.gate_on == "lower_bound" else "")


def _gate(name: str, metric: str, value: float, bound: float) -> Iterator[Verdict]:
    """Yields the verdict; none for a floor of 0, which asks for nothing."""
    if not bound:
        return
    if math.isnan(value):
        why = f"{metric} on {name} is not defined, since a class has no film; add some"
    elif value >= bound:
        why = f"{metric} on {name} is {value:.4f}, the floor is {bound:.4f}"
    else:
        why = (
            f"{metric} on {name} is {value:.4f}, {bound - value:.4f} below the floor of {bound:.4f}"
        )
    yield Verdict(name, metric, value, bound, value >= bound, why)
