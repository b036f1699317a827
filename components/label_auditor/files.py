"""What the label audit leaves behind: its numbers, the list of all films, pictures of the first."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.explanation_gen.pictures import draw_film, encode_small
from components.label_auditor.audit import LabelAudit
from components.label_auditor.films import RunFilms
from models.remote_files import write_bytes, write_text

AUDIT_FILE = "label_audit.json"
FILMS_FILE = "label_audit.csv"

_PICTURES = "films"
_SIDE_PX = 192


def write_label_audit(audit: LabelAudit, films: RunFilms, shown: int, uri: str) -> None:
    """Writes pictures, `FILMS_FILE` and last `AUDIT_FILE`, each whole or not at all.

    Args:
        audit: What was found.
        films: For the pictures.
        shown: How many films, the most doubtful ones, have one; none where the judgement is weak.
        uri: Folder of the artifact.
    """
    first = audit.films.head(0 if audit.summary.get("weak") else shown)
    pictures = _write_pictures(films, list(first.index), uri)
    rows = [
        {**row, "picture": pictures.get(place, "")}
        for place, row in zip(first.index, first.to_dict("records"), strict=True)
    ]
    write_text(f"{uri}/{FILMS_FILE}", audit.films.to_csv(index=False, lineterminator="\n"))
    content = {**audit.summary, "shown": rows}
    write_text(f"{uri}/{AUDIT_FILE}", json.dumps(content, indent=2, allow_nan=False))


def read_label_audit(uri: str) -> dict[str, Any]:
    """Returns the content of `AUDIT_FILE`.

    Args:
        uri: Folder of the artifact, which may be remote.
    """
    with tf.io.gfile.GFile(f"{uri}/{AUDIT_FILE}") as file:
        return dict(json.loads(file.read()))


def read_pictures(uri: str, audit: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns the pictures of the films that an audit shows, by name.

    Args:
        uri: Folder of the artifact, which may be remote.
        audit: Of `read_label_audit`.
    """
    pictures = {}
    for name in (row["picture"] for row in audit["shown"] if row["picture"]):
        with tf.io.gfile.GFile(f"{uri}/{name}", "rb") as file:
            pictures[name] = file.read()
    return pictures


def _write_pictures(films: RunFilms, rows: list[int], uri: str) -> dict[int, str]:
    """Draws films and returns the names of the pictures by row."""
    if not rows:
        return {}
    tf.io.gfile.makedirs(posixpath.join(uri, _PICTURES))
    names = {}
    for row, image in films.images(rows):
        picture = draw_film(image, _SIDE_PX)
        if picture is not None:
            names[row] = f"{_PICTURES}/{rows.index(row) + 1:04d}.jpg"
            write_bytes(f"{uri}/{names[row]}", encode_small(picture))
    return names
