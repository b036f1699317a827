"""An inspection as plain values: what the JSON file holds, and text and page show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from models.features import AGE_UNKNOWN, LABELS, SPLITS
from radiographs.burned_in_text import count_text, text_notes
from radiographs.film_groups import count_groups, describe_groups, near_duplicate_notes
from radiographs.films import Film
from radiographs.ingest_account import account
from radiographs.inspect.inspection import Inspection
from radiographs.options import IngestOptions

_SIZES = 20  # most frequent ones
NOT_SPLIT = "not split"
NOT_CHECKED = (
    "Whether the graph that prepares films finds lungs (preprocessing.lungs): a run sets films "
    "without them aside as well.",
    "The schema: the data gate holds the statistics of the examples against it.",
)


def findings(found: Inspection, root: str, options: IngestOptions) -> dict[str, Any]:
    """Returns an inspection as values that JSON can hold.

    Args:
        found: What was found.
        root: Folder that was looked at.
        options: As the ingest would have them.

    Returns:
        The verdict and, where films could be told, all that is known of them. What `ingest.json`
        of a run holds has the same keys here.
    """
    values: dict[str, Any] = {
        "root": root,
        "settings": options.model_dump(exclude_defaults=True),
        "would_stop": bool(found.stops),
        "stops": [{"step": step, "why": why} for step, why in found.stops],
        "not_checked": list(NOT_CHECKED),
    }
    if found.layout is None:
        return values
    split_of = found.plan.split_of if found.plan else {}
    identical = describe_groups(found.identical, found.layout.films, split_of)
    alike = describe_groups(found.near_duplicates, found.layout.films, split_of)
    if found.plan:
        values |= account(found.layout, found.plan, found.films.unusable)
    else:
        values |= {"layout": found.layout.kind, "notes": found.layout.notes}
    return values | {
        "films": len(found.layout.films),
        "counts": _counts(found),
        "shared_patients": _shared_patients(found),
        "identical": count_groups(identical),
        "near_duplicates": count_groups(alike),
        "burned_in_text": count_text(found.films.with_text),
        "notes": [
            *values["notes"],
            *near_duplicate_notes(alike),
            *text_notes(found.films.with_text),
        ],
        "known": _known(found.kept),
        **_pixels(found),
        "quarantine": _rows(found.films.unusable),
        "ignored_files": _rows(found.layout.ignored),
    }


def _rows(files: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in files]


def _counts(found: Inspection) -> list[dict[str, Any]]:
    """Returns usable films and patients by split and class."""
    films: dict[tuple[str, str], list[Film]] = defaultdict(list)
    for film in found.kept:
        films[found.split_of(film.path) or NOT_SPLIT, film.label].append(film)
    splits = SPLITS if found.plan else (NOT_SPLIT,)
    return [
        {
            "split": split,
            "label": label,
            "films": len(films[split, label]),
            "patients": len({film.patient_id for film in films[split, label]}),
        }
        for split in splits
        for label in LABELS
    ]


def _shared_patients(found: Inspection) -> list[dict[str, Any]]:
    """Returns the patients with films in several splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for film in found.kept:
        splits[film.patient_id].add(found.split_of(film.path))
    return [
        {"patient_id": patient, "splits": [split for split in SPLITS if split in of_patient]}
        for patient, of_patient in sorted(splits.items())
        if len(of_patient) > 1
    ]


def _known(films: Sequence[Film]) -> dict[str, Any]:
    """Counts the films by what is known of them beside class and split."""
    ages = [film.age_years for film in films if film.age_years != AGE_UNKNOWN]
    return {
        "subtypes": _count(film.subtype for film in films),
        "views": _count(film.view for film in films),
        "sexes": _count(film.sex for film in films),
        "sites": _count(film.site for film in films),
        "age_years": {"known": len(ages), **_spread(ages)},
    }


def _pixels(found: Inspection) -> dict[str, Any]:
    facts = list(found.films.facts.values())
    return {
        "formats": _count(one.source_format for one in facts),
        "width_px": _spread([one.width_px for one in facts]),
        "height_px": _spread([one.height_px for one in facts]),
        "mean_intensity": _spread([one.mean_intensity for one in facts]),
        "sizes": dict(
            Counter(f"{one.width_px} x {one.height_px}" for one in facts).most_common(_SIZES)
        ),
    }


def _count(values: Iterable[str], most: int | None = None) -> dict[str, int]:
    return dict(Counter(values).most_common(most))


def _spread(values: Sequence[float]) -> Mapping[str, float]:
    if not values:
        return {}
    low, middle, high = np.quantile(values, (0, 0.5, 1)).tolist()
    return {"least": low, "median": middle, "most": high}
