"""The account of an ingest: films, patients and labels that are kept, and all that is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from models.features import SPLITS
from radiographs.films import Film
from radiographs.layouts import Layout, ignored_summary
from radiographs.quarantine import count_kinds
from radiographs.splits import SplitPlan


def kept_films(layout: Layout, unusable: Sequence[Sequence[str]]) -> list[Film]:
    """Returns the films of a layout that are usable.

    Args:
        layout: What was found.
        unusable: Path and reason.
    """
    rejected = {path for path, _ in unusable}
    return [film for film in layout.films if film.path not in rejected]


def account(layout: Layout, plan: SplitPlan, unusable: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Counts what became of every file.

    Args:
        layout: What was found.
        plan: The split of each film.
        unusable: Path and reason.

    Returns:
        Part of `ingest.json`: layout, counts, reasons, notes.
    """
    kept = kept_films(layout, unusable)
    patients: dict[str, set[str]] = {split: set() for split in SPLITS}
    images: Counter[str] = Counter()
    for film in kept:
        patients[plan.split_of[film.path]].add(film.patient_id)
        images[plan.split_of[film.path]] += 1
    reasons, folders = ignored_summary(layout)
    return {
        "layout": layout.kind,
        "pseudonyms": layout.has_pseudonyms,
        "folders": dict(layout.folders),
        "spans": [span.number for span in layout.spans],
        "sites": _by_site(kept, plan.split_of),
        "images": {split: images[split] for split in SPLITS},
        "patients": {split: len(patients[split]) for split in SPLITS},
        "labels": dict(Counter(film.label for film in kept)),
        "rejected": len(unusable),
        "rejected_reasons": count_kinds(unusable),
        "ignored": len(layout.ignored),
        "ignored_reasons": reasons,
        "ignored_folders": folders,
        "notes": plan.notes,
    }


def _by_site(films: Sequence[Film], split_of: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Returns the films of each split by site; nothing where there is one site alone."""
    counts: dict[str, Counter[str]] = {site: Counter() for site in sorted({f.site for f in films})}
    for film in films:
        counts[film.site][split_of[film.path]] += 1
    if len(counts) < 2:
        return {}
    return {site: {split: count[split] for split in SPLITS} for site, count in counts.items()}
