"""Films that are one in several files: what lies between them, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from radiographs.films import Film

_LISTED = 1000  # groups in a file; those across patients go first


@dataclass(frozen=True)
class FilmGroup:
    """Films that are one.

    Attributes:
        paths: In order.
        labels: Of each.
        splits: Of each; empty where there are none yet.
        across_patients: Whether they are of several patients.
        across_splits: Whether they are in several splits.
        across_labels: Whether they have several labels.
    """

    paths: list[str]
    labels: list[str]
    splits: list[str]
    across_patients: bool
    across_splits: bool
    across_labels: bool


def describe_groups(
    groups: Iterable[Sequence[str]], films: Iterable[Film], split_of: Mapping[str, str]
) -> list[FilmGroup]:
    """Says what lies between the films of each group.

    Args:
        groups: Of paths.
        films: Those that count.
        split_of: Split by path; empty where there is no plan.

    Returns:
        Groups of two films or more, those that matter most first.
    """
    by_path = {film.path: film for film in films}
    described = [
        _described([by_path[path] for path in sorted(group)], split_of)
        for group in ([path for path in group if path in by_path] for group in groups)
        if len(group) > 1
    ]
    return sorted(
        described,
        key=lambda group: (
            not group.across_labels, not group.across_splits, not group.across_patients,
            group.paths,
        ),
    )  # fmt: skip


def _described(films: Sequence[Film], split_of: Mapping[str, str]) -> FilmGroup:
    splits = [split_of.get(film.path, "") for film in films]
    return FilmGroup(
        paths=[film.path for film in films],
        labels=[film.label for film in films],
        splits=splits,
        across_patients=len({film.patient_id for film in films}) > 1,
        across_splits=len(set(splits)) > 1,
        across_labels=len({film.label for film in films}) > 1,
    )


def count_groups(groups: Sequence[FilmGroup]) -> dict[str, Any]:
    """Returns the groups as values that JSON can hold, with their numbers."""
    return {
        "groups": len(groups),
        "films": sum(len(group.paths) for group in groups),
        "across_patients": sum(group.across_patients for group in groups),
        "across_splits": sum(group.across_splits for group in groups),
        "across_labels": sum(group.across_labels for group in groups),
        "listed": [asdict(group) for group in groups[:_LISTED]],
    }


def near_duplicate_notes(groups: Sequence[FilmGroup]) -> list[str]:
    """Says where films that look the same are of several patients.

    Args:
        groups: Of `describe_groups`.

    Returns:
        At most one sentence on splits and one on labels.
    """
    leaks = [group for group in groups if group.across_patients and group.across_splits]
    conflicts = [group for group in groups if group.across_labels]
    notes = []
    if leaks:
        notes.append(
            f"Films of several patients show the same picture in two splits {_times(leaks)}, such "
            f"as {_example(leaks[0])}: the test is easier than it looks "
            "(data.near_duplicates=join keeps them together where splits are carved)."
        )
    if conflicts:
        notes.append(
            f"Films that show the same picture are under both labels {_times(conflicts)}, such as "
            f"{_example(conflicts[0])}: check which label is right."
        )
    return notes


def _times(groups: Sequence[FilmGroup]) -> str:
    return "once" if len(groups) == 1 else f"{len(groups):,} times"


def _example(group: FilmGroup) -> str:
    """Names two films of a group, of different labels or splits where there are any."""
    differing = group.labels if group.across_labels else group.splits
    other = next(place for place, one in enumerate(differing) if one != differing[0])
    return f"'{group.paths[0]}' and '{group.paths[other]}'"
