"""What a run says of drift, in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def drift_lines(drift: Mapping[str, Any]) -> list[str]:
    """Returns what was compared, and what lay too far and was let pass.

    Args:
        drift: Content of `drift.json`.
    """
    notes = [f"drift: {note}" for note in drift.get("notes", [])]
    measured = drift.get("distances", [])
    moved = [one for one in measured if one["exceeded"]]
    if moved:
        reason = drift.get("accepted", "")
        return [*notes, *(f"drift overruled: {_numbers(one)}; {reason}" for one in moved)]
    if measured:
        nearest = max(measured, key=lambda one: one["value"] / one["threshold"])
        notes.append(
            f"drift: none in {len(measured)} distances; nearest to it is {_numbers(nearest)}"
        )
    return notes


def _numbers(one: Mapping[str, Any]) -> str:
    return (
        f"{one['split']} {one['feature']}, {one['value']:.3f} of {one['threshold']:.3f} "
        f"({one['measure']}; {one['shown']})"
    )
