"""The gist of the label audit in sentences, for the terminal and the page of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.label_audit_settings import SWITCHED_OFF


def label_lines(audit: Mapping[str, Any]) -> Iterator[str]:
    """Yields the gist: how many labels are doubtful, and how far the judgement can be trusted.

    Args:
        audit: Content of LabelAuditor's file; may be empty.
    """
    reason = audit.get("reason")
    if not audit or reason == SWITCHED_OFF:
        return
    if reason:
        yield f"no label audit: {reason}"
        return
    yield _judgement(audit)
    if audit["left_out"]:
        yield f"films of no class of the task, left out of the label audit: {audit['left_out']:,}"


def _judgement(audit: Mapping[str, Any]) -> str:
    films, doubtful = audit["films"], audit["doubtful"]
    agreement = _percent(audit["agreement"])
    if audit["weak"]:
        guess = audit["guess"]
        return (
            f"no label is called doubtful: films of other patients agree with {agreement} of "
            f"{films:,} labels, and {guess['class']} for every film would with "
            f"{_percent(guess['agreement'])}"
        )
    if not doubtful:
        return f"labels: none of {films:,} is doubtful by the films of other patients"
    errors = ", ".join(
        f"{count:,} of {audit['given'][name]:,} {name}"
        for name, count in audit["estimated_errors"].items()
    )
    return (
        f"labels to look at: {doubtful:,} of {films:,} films, whose label the films of other "
        f"patients speak against; none is removed (estimated errors: {errors}; the judgement "
        f"agrees with {agreement} of all labels)"
    )


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
