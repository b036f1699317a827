"""The account of an ingest: every file, every note, every style, beside the examples."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tfx.dsl.io import fileio

from components.radiograph_example_gen.styles import count_styles, write_montage
from models import features
from models.remote_files import write_text
from radiographs.errors import DataError
from radiographs.layouts import Layout, ignored_summary
from radiographs.options import IngestOptions
from radiographs.splits import SplitPlan

_LOG = logging.getLogger(__name__)

INGEST_FILE = "ingest.json"
QUARANTINE_FILE = "quarantine.csv"
IGNORED_FILE = "ignored.csv"

# Beam writes lines to files that begin so, and `write_report` takes them up.
QUARANTINE_LINES = "quarantine"
STYLE_LINES = "styles"
LINES_SUFFIX = ".jsonl"


def write_report(
    uri: str, root: str, layout: Layout, plan: SplitPlan, options: IngestOptions
) -> None:
    """Accounts for every file: counts, notes, styles, quarantine and ignored files.

    Args:
        uri: Folder of the report, which holds the lines that Beam wrote.
        root: Of the films.
        layout: What was found.
        plan: The split of each film.
        options: The share that may be unusable.

    Raises:
        DataError: If more than `max_quarantine_fraction` of the films are unusable.
    """
    unusable = _quarantined(uri)
    rejected = {path for path, _ in unusable}
    kept = [film for film in layout.films if film.path not in rejected]
    patients: dict[str, set[str]] = {split: set() for split in features.SPLITS}
    images: Counter[str] = Counter()
    for film in kept:
        patients[plan.split_of[film.path]].add(film.patient_id)
        images[plan.split_of[film.path]] += 1
    reasons, folders = ignored_summary(layout)
    written = {path: path for path in (film.path for film in kept)}  # hidden ones lead to files
    places = {
        written[path]: (style, far) for path, style, far in _read_lines(_lines(uri, STYLE_LINES))
    }
    report = {
        "layout": layout.kind,
        "images": {split: images[split] for split in features.SPLITS},
        "patients": {split: len(patients[split]) for split in features.SPLITS},
        "labels": dict(Counter(film.label for film in kept)),
        "rejected": len(unusable),
        "ignored": len(layout.ignored),
        "ignored_reasons": reasons,
        "ignored_folders": folders,
        "notes": plan.notes,
        "styles": count_styles(kept, places),
    }
    write_text(f"{uri}/{QUARANTINE_FILE}", _csv(unusable))
    write_text(f"{uri}/{IGNORED_FILE}", _csv(layout.ignored))
    write_montage(uri, root, places, options)
    write_text(f"{uri}/{INGEST_FILE}", json.dumps(report, indent=2))
    if unusable:
        _LOG.info("%d of %d files quarantined", len(unusable), len(layout.films))
    _refuse_too_many(unusable, len(layout.films), options)


def _refuse_too_many(unusable: list[list[str]], films: int, options: IngestOptions) -> None:
    share = len(unusable) / films
    if share > options.max_quarantine_fraction:
        path, reason = unusable[0]
        raise DataError(
            f"{len(unusable)} of {films} files are unusable ({share:.1%}, allowed is "
            f"{options.max_quarantine_fraction:.1%}), the first is {path}: {reason}; mend them "
            "or raise data.max_quarantine_fraction",
            {QUARANTINE_FILE: _csv(unusable)},
        )


def _quarantined(uri: str) -> list[list[str]]:
    return sorted(_read_lines(_lines(uri, QUARANTINE_LINES)))


def _lines(uri: str, name: str) -> str:
    return f"{uri}/{name}-*{LINES_SUFFIX}"


def _read_lines(pattern: str) -> list[Any]:
    """Reads and removes the lines of JSON that the workers wrote."""
    lines: list[str] = []
    for file_name in fileio.glob(pattern):
        with fileio.open(file_name, "r") as file:
            lines += file.read().splitlines()
        fileio.remove(file_name)
    return [json.loads(line) for line in lines]


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *rows])
    return text.getvalue()
