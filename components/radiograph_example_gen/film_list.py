"""The list of the films that an ingest has kept: examples hold digests, a person needs paths."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd
from tfx.dsl.io import fileio

from models import features
from models.remote_files import write_text
from radiographs.films import Film

FILMS_FILE = "films.csv"
PATH = "path"
COPIES = "copies"  # number of the group of near duplicates, or empty
TEXT = "burned_in_text"  # `SEEN` where a row of characters is seen in the pixels, or empty
SEEN = "seen"

_COLUMNS = (PATH, features.SHA256, "split", features.LABEL, features.SUBTYPE, COPIES, TEXT)


def write_film_list(
    uri: str,
    films: Iterable[Film],
    digests: Mapping[str, str],
    split_of: Mapping[str, str],
    copies: Sequence[Sequence[str]],
    with_text: Collection[str],
) -> None:
    """Writes `FILMS_FILE`, a row a film in the order of their paths.

    Args:
        uri: Folder of the report.
        films: Those that became examples; the paths of DICOM files are pseudonyms.
        digests: Of the files, by path.
        split_of: By path.
        copies: Groups of paths that show the same picture.
        with_text: Paths of films that show text.
    """
    group_of = {path: number for number, group in enumerate(copies, start=1) for path in group}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for film in sorted(films, key=lambda film: film.path):
        rows.writerow(
            (
                film.path, digests[film.path], split_of[film.path], film.label, film.subtype,
                group_of.get(film.path, ""), SEEN if film.path in with_text else "",
            )
        )  # fmt: skip
    write_text(f"{uri}/{FILMS_FILE}", text.getvalue())


def read_film_list(uri: str) -> pd.DataFrame:
    """Reads what `write_film_list` wrote.

    Args:
        uri: Folder of the report, which may be remote.

    Returns:
        A row a film, all texts.
    """
    with fileio.open(f"{uri}/{FILMS_FILE}", "r") as file:
        return pd.read_csv(io.StringIO(file.read()), dtype=str, keep_default_na=False)
