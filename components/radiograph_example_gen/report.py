"""The account of an ingest: every file, every note, every style, beside the examples."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

from tfx.dsl.io import fileio

from components.radiograph_example_gen.film_list import write_film_list
from components.radiograph_example_gen.styles import count_styles, write_montage
from models.remote_files import write_text
from radiographs.burned_in_text import count_text, text_notes
from radiographs.film_groups import count_groups, describe_groups, near_duplicate_notes
from radiographs.ingest_account import account, kept_films
from radiographs.layouts import Layout
from radiographs.measures import FilmFiles
from radiographs.near_duplicates import from_hex, near_duplicates
from radiographs.quarantine import QUARANTINE_FILE, reasons_csv, refuse_too_many
from radiographs.splits import SplitPlan

_LOG = logging.getLogger(__name__)

INGEST_FILE = "ingest.json"
IGNORED_FILE = "ignored.csv"
LICENCE_FILES = ("LICENCE.txt", "LICENSE.txt", "LICENCE", "LICENSE")
_MOST_LICENCE_CHARACTERS = 2000

# Beam writes lines to files that begin so, and `write_report` takes them up.
QUARANTINE_LINES = "quarantine"
STYLE_LINES = "styles"
AGREEMENT_LINES = "agreement"
PRINT_LINES = "fingerprints"
TEXT_LINES = "texts"
LINES_SUFFIX = ".jsonl"


def write_report(uri: str, root: str, files: FilmFiles, layout: Layout, plan: SplitPlan) -> None:
    """Accounts for every file: counts, notes, styles, films, quarantine and ignored files.

    Args:
        uri: Folder of the report, which holds the lines that Beam wrote.
        root: Of the films.
        files: The same, with the options of the ingest.
        layout: What was found.
        plan: The split of each film.

    Raises:
        DataError: If more than `max_quarantine_fraction` of the films are unusable.
    """
    unusable = _quarantined(uri)
    kept = kept_films(layout, unusable)
    written = {film.path: film.path for film in kept}  # hidden ones lead to files
    styled = _read_lines(_lines(uri, STYLE_LINES))
    places = {written[path]: (style, far) for path, style, far, _ in styled}
    copies = _near_duplicates(uri, files, written)
    alike = describe_groups(copies, layout.films, plan.split_of)
    with_text = sorted(_read_lines(_lines(uri, TEXT_LINES)))
    report = account(layout, plan, unusable) | {
        "styles": count_styles(kept, places),
        "style_agreement": _style_agreement(uri, plan),
        "near_duplicates": count_groups(alike),
        "burned_in_text": count_text(with_text),
        "licence": _licences(root, layout.folders),
    }
    for note in (*near_duplicate_notes(alike), *text_notes(with_text)):
        _LOG.info("%s", note)
        report["notes"] = [*report["notes"], note]
    write_text(f"{uri}/{QUARANTINE_FILE}", reasons_csv(unusable))
    write_text(f"{uri}/{IGNORED_FILE}", reasons_csv(layout.ignored))
    digests = {path: digest for path, _, _, digest in styled}
    write_film_list(uri, kept, digests, plan.split_of, copies, set(with_text))
    write_montage(uri, root, places, files.options)
    write_text(f"{uri}/{INGEST_FILE}", json.dumps(report, indent=2, allow_nan=False))
    if unusable:
        _LOG.info("%d of %d files quarantined", len(unusable), len(layout.films))
    refuse_too_many(unusable, len(layout.films), files.options)


def _style_agreement(uri: str, plan: SplitPlan) -> float | None:
    """Returns how far halves of the films agree on the styles; None where one style is all."""
    (agreement,) = _read_lines(_lines(uri, AGREEMENT_LINES)) or [math.nan]
    if plan.places:  # the styles of the plan are those of the films
        agreement = plan.style_agreement
    return None if math.isnan(agreement) else agreement


def _licences(root: str, folders: Iterable[str]) -> str:
    """Returns the licence of the films, and of each folder that has one of its own."""
    of_folders = {folder: _licence(f"{root}/{folder}") for folder in folders}
    told = (f"{folder}: {licence}" for folder, licence in of_folders.items() if licence)
    return "\n\n".join(filter(None, (_licence(root), *told)))


def _licence(root: str) -> str:
    """Returns the licence beside the films, which `radiographs.fetch` puts there, or nothing."""
    for name in LICENCE_FILES:
        if fileio.exists(f"{root}/{name}"):
            with fileio.open(f"{root}/{name}", "rb") as file:
                return file.read(_MOST_LICENCE_CHARACTERS).decode("utf-8", "replace").strip()
    return ""


def _near_duplicates(uri: str, files: FilmFiles, written: Mapping[str, str]) -> list[list[str]]:
    """Compares the fingerprints that the workers took; only films that are near are read again."""
    rows = [
        (written[path], digest, found_by)
        for path, digest, found_by in _read_lines(_lines(uri, PRINT_LINES))
    ]
    return near_duplicates(
        {path: from_hex(found_by) for path, _, found_by in rows},
        {path: digest for path, digest, _ in rows},
        files.show_one_film,
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
