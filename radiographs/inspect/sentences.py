"""What text and page say of an inspection in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radiographs.quarantine import count_kinds

_KINDS = 6  # of a count in one line


def printable(text: str) -> str:
    """Returns text without what would steer a terminal or break a line, as a file name may."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def verdict(values: Mapping[str, Any]) -> str:
    """Says whether an ingest would go through."""
    if not values["would_stop"]:
        return f"{values['root']}: a run would take these films in"
    steps = len(values["stops"])
    reasons = "one reason" if steps == 1 else f"{steps} reasons"
    return f"{values['root']}: a run would stop, for {reasons}"


def layout_lines(values: Mapping[str, Any]) -> list[str]:
    """Says how the films were found, folder by folder, and how those of each site are split."""
    folders = [f"{name} ({kind})" for name, kind in values.get("folders", {}).items()]
    rest = len(folders) - _KINDS
    named = ", ".join(folders[:_KINDS]) + (f" and {rest:,} more" if rest > 0 else "")
    lines = [f"layout: {values['layout']}" + (f": {named}" if folders else "")]
    for site, counts in values.get("sites", {}).items():
        lines.append(f"site {site}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))
    return lines


def known_lines(values: Mapping[str, Any]) -> list[str]:
    """Says what is known of the films beside class and split."""
    known = values["known"]
    lines = [f"{name}: {_counted(known[name])}" for name in ("subtypes", "views", "sexes", "sites")]
    ages = known["age_years"]
    if ages["known"]:
        lines.append(
            f"age: known of {ages['known']:,} films, {ages['least']:.0f} to {ages['most']:.0f} "
            f"years, median {ages['median']:.0f}"
        )
    return lines


def size_lines(values: Mapping[str, Any]) -> list[str]:
    """Says how large the films are."""
    if not values["width_px"]:
        return []
    width, height = values["width_px"], values["height_px"]
    return [
        f"sizes: {width['least']:.0f} to {width['most']:.0f} pixels wide (median "
        f"{width['median']:.0f}), {height['least']:.0f} to {height['most']:.0f} high (median "
        f"{height['median']:.0f}); most often {_most_often(values['sizes'])}",
        f"formats: {_counted(values['formats'])}",
    ]


def _most_often(counts: Mapping[str, int]) -> str:
    name, count = next(iter(counts.items()))
    return f"{name} ({count:,} films)"


def group_lines(values: Mapping[str, Any]) -> list[str]:
    """Says which films are the same as others."""
    lines = []
    shared = values["shared_patients"]
    if shared:
        lines.append(f"patients in two splits: {len(shared):,}")
    lines.append(f"identical files: {_group_counts(values['identical'])}")
    lines.append(f"the same picture in other files: {_group_counts(values['near_duplicates'])}")
    return lines


def _group_counts(groups: Mapping[str, Any]) -> str:
    if not groups["groups"]:
        return "none"
    return (
        f"{groups['films']:,} films in {groups['groups']:,} "
        f"{'group' if groups['groups'] == 1 else 'groups'}, "
        f"{groups['across_patients']:,} of them across patients, {groups['across_splits']:,} "
        f"across splits, {groups['across_labels']:,} across classes"
    )


def quarantine_line(values: Mapping[str, Any]) -> str:
    """Says how many files are no usable films, and why."""
    files = len(values["quarantine"])
    counts = count_kinds([(row["path"], row["reason"]) for row in values["quarantine"]])
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return f"quarantine: {files:,} of {values['films']:,} files" + (
        f": {reasons}" if reasons else ""
    )


def _counted(counts: Mapping[str, int]) -> str:
    parts = [f"{name} {count:,}" for name, count in list(counts.items())[:_KINDS]]
    rest = len(counts) - _KINDS
    return ", ".join(parts) + (f" and {rest:,} more" if rest > 0 else "")
