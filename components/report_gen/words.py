"""The verdict in words: what a clinician can take from a run in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from components.evaluation.slices import SliceMetrics
from components.report_gen.report import Report
from components.verdicts import Verdict

NOT_A_DEVICE = (
    "Research software to assist engineers and radiologists; not a medical device, and no "
    "diagnosis may rest on it."
)


def headline(report: Report) -> str:
    """Says in a few words where the model went."""
    status = "stopped early" if report.run.error else report.outcome.status
    return {
        "pushed": f"Pushed as version {report.outcome.pushed_version}",
        "not blessed": "Not pushed: a gate failed",
        "not servable": "Not pushed: the model cannot be served",
        "stopped early": "Not pushed: the run stopped early",
    }[status]


def sentence(report: Report) -> str:
    """Says what the model does and why it was let through or not."""
    return f"{reached(report)} {_decided(report)}".strip()


def reached(report: Report) -> str:
    """Says what the model does on the test films."""
    if not report.slices:
        return "No test film was evaluated."
    overall = report.slices[0]
    patients = f" of {report.performance.patients:,} patients" if report.performance else ""
    return (
        f"On {overall.films:,} test films{patients} the model found "
        f"{_with_interval(overall, 'recall')} of the pneumonias and left "
        f"{_with_interval(overall, 'specificity')} of the normal films alone."
    )


def epochs_learned(history: Sequence[Mapping[str, float]]) -> str:
    """Says how many epochs there were, of each network where several are folded into one.

    Args:
        history: Of the training record.
    """
    each = list(Counter(row.get("member", 1) for row in history).values()) or [0]
    if len(each) == 1:
        return f"{each[0]} epochs"
    return f"{len(each)} networks folded into one, of {', '.join(map(str, each))} epochs"


def decisive(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Returns the gate that decided.

    Args:
        verdicts: Of all gates.

    Returns:
        Of those that failed the one that was missed by most, of those that passed the one that
        was nearest to failing; None where no gate has a value.
    """
    failed = [one for one in verdicts if not one.passed]
    measured = [one for one in failed or verdicts if one.is_defined and _asks(one)]
    if measured:
        return min(measured, key=lambda one: one.value - one.bound)
    return failed[0] if failed else None


def _asks(one: Verdict) -> bool:
    """Whether a gate could have decided: a floor of 0 asks for nothing, nor does one overruled."""
    return not one.accepted and (one.bound != 0 or one.metric.endswith(" change"))


def _decided(report: Report) -> str:
    if report.run.error:
        return f"The run stopped early: {report.run.error.splitlines()[0].rstrip('.:')}."
    if report.data.anomalies and not report.slices:
        return f"The data gate stopped the run over {len(report.data.anomalies)} anomalies."
    failed = sum(not one.passed for one in report.verdicts)
    gates, gate = len(report.verdicts), decisive(report.verdicts)
    if gate is None:
        return "No gate got to decide."
    if failed:
        others = f"; {failed - 1} more of {gates} gates failed" if failed > 1 else ""
        return f"It was not put into use because {_lowered(gate.why)}{others}."
    overruled = sum(bool(one.accepted) for one in report.verdicts)
    told = f", {overruled} of them overruled by the user," if overruled else ""
    if not report.outcome.pushed:
        return f"All {gates} gates{told} let it pass, but it cannot be served."
    return (
        f"All {gates} gates{told} let it pass; the narrowest by {gate.value - gate.bound:.3f} "
        f"({_lowered(gate.why)})."
    )


def _lowered(why: str) -> str:
    """Returns a sentence for the middle of another; `AUC` and `F1` stay as they are."""
    why = why.rstrip(".")
    return why[0].lower() + why[1:] if why[1:2].islower() else why


def _with_interval(one: SliceMetrics, metric: str) -> str:
    value, interval = one.metrics[metric], one.intervals.get(metric)
    if value != value:  # not defined
        return "none, as there are no such films,"
    shown = f"{value:.1%}"
    if interval:
        shown += f" ({interval[0]:.1%} to {interval[1]:.1%})"
    return shown.replace("%", "\N{NO-BREAK SPACE}%")
