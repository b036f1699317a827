"""The same bytes under both labels: one of the labels is wrong, and no file can say which."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.layouts import Layout
from radiographs.options import IngestOptions

LABEL_CONFLICT = "label conflict"
CONFLICTS_FILE = "label_conflicts.csv"

_SHOWN = 3  # groups in a sentence; the list has all


def find_label_conflicts(
    films: Sequence[Film], identical: Iterable[Sequence[str]]
) -> list[list[Film]]:
    """Finds films with the same bytes and different labels.

    Args:
        films: All films.
        identical: Groups of paths whose files have the same bytes.

    Returns:
        The films of each group that has more than one label.
    """
    by_path = {film.path: film for film in films}
    groups = [[by_path[path] for path in sorted(same) if path in by_path] for same in identical]
    return sorted(
        (group for group in groups if len({film.label for film in group}) > 1),
        key=lambda group: group[0].path,
    )


def settle_label_conflicts(
    layout: Layout, conflicts: Sequence[Sequence[Film]], options: IngestOptions
) -> Layout:
    """Leaves the films of conflicts out, or stops, as `data.label_conflicts` says.

    Args:
        layout: What was found.
        conflicts: Of `find_label_conflicts`.
        options: Which of both.

    Returns:
        The layout without these films, each of them listed with the reason.

    Raises:
        DataError: Naming the files, with the list of all of them.
    """
    if not conflicts:
        return layout
    if options.label_conflicts == "stop":
        raise DataError(_sentence(conflicts), {CONFLICTS_FILE: _csv(conflicts)})
    reasons = {
        film.path: f"{LABEL_CONFLICT}: the same bytes as "
        + next(other.path for other in group if other.label != film.label)
        for group in conflicts
        for film in group
    }
    left_out = layout.without(reasons)
    left_out.notes.append(
        f"{len(reasons):,} films with the same bytes under both labels are left out "
        "(data.label_conflicts=drop)."
    )
    return left_out


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
