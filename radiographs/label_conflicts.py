"""The same bytes under both labels: one of them is wrong, and no file can say which."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.layouts import Layout
from radiographs.options import IngestOptions

LABEL_CONFLICT = "label conflict"
CONFLICTS_FILE = "label_conflicts.csv"

_SHOWN = 3  # groups in a sentence; the list has all


def settle_label_conflicts(
    layout: Layout, identical: Iterable[Sequence[str]], options: IngestOptions
) -> Layout:
    """Leaves films with the same bytes and different labels out, or stops.

    Args:
        layout: What was found.
        identical: Groups of paths whose files have the same bytes.
        options: `label_conflicts` says which of both.

    Returns:
        The layout without these films, each of them listed with the reason.

    Raises:
        DataError: Naming the files, with the list of all of them.
    """
    by_path = {film.path: film for film in layout.films}
    groups = [[by_path[path] for path in same] for same in sorted(map(sorted, identical))]
    conflicts = [group for group in groups if len({film.label for film in group}) > 1]
    if conflicts and options.label_conflicts == "stop":
        raise DataError(_sentence(conflicts), {CONFLICTS_FILE: _csv(conflicts)})
    reasons = {
        film.path: f"{LABEL_CONFLICT}: the same bytes as "
        + next(other.path for other in group if other.label != film.label)
        for group in conflicts
        for film in group
    }
    return replace(layout.without(reasons), notes=[*layout.notes, *_notes(groups, reasons)])


def _notes(groups: Sequence[Sequence[Film]], left_out: Collection[str]) -> list[str]:
    notes = []
    if left_out:
        notes.append(
            f"{len(left_out):,} films with the same bytes under both labels are left out "
            "(data.label_conflicts=drop)."
        )
    of_two_kinds = [
        group
        for group in groups
        if group[0].path not in left_out and len({film.subtype for film in group}) > 1
    ]
    if of_two_kinds:
        one, other, *_ = of_two_kinds[0]
        times = "once" if len(of_two_kinds) == 1 else f"{len(of_two_kinds):,} times"
        notes.append(
            f"The same bytes are under different subtypes {times}, such as '{one.path}' and "
            f"'{other.path}'."
        )
    return notes


def _sentence(conflicts: Sequence[Sequence[Film]]) -> str:
    named = "; ".join(
        " and ".join(f"'{film.path}' ({film.label})" for film in group[:_SHOWN])
        for group in conflicts[:_SHOWN]
    )
    rest = len(conflicts) - _SHOWN
    more = f"; and {rest:,} more groups" if rest > 0 else ""
    return (
        f"label conflict: the same bytes are under both labels: {named}{more}; correct the labels "
        "or remove the files, or set data.label_conflicts=drop to leave all of them out"
    )


def _csv(conflicts: Sequence[Sequence[Film]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("group", "path", "label"))
    for number, group in enumerate(conflicts, start=1):
        writer.writerows((number, film.path, film.label) for film in group)
    return text.getvalue()
