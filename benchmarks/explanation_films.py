"""Films with drawn lesions or lungs that a model has not learned from."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.auditor.scoring import read_examples
from models import features
from models.lung_fields.films import MaskedFilm, list_films, read_mask, separate_fields
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from radiographs.decoding import read_film
from radiographs.options import IngestOptions
from radiographs.phantoms.patients import draw_patient, draw_phantom

SIDE_PX = 128  # of masks and maps, where they are compared

_LESIONS = "lesions"  # folder beside masks
_PHANTOM_SEED = 20_000  # of none that a run draws
_PHANTOM_PX = 256
_ANY_SIZE = IngestOptions(min_side_px=1)


@dataclass(frozen=True)
class Films:
    """Films of one source with pneumonia, and what was drawn on them.

    Attributes:
        source: Its name.
        encoded: The films as the ingest keeps them.
        lungs: `[films, SIDE_PX, SIDE_PX, 2]` bool, the lung on the picture's left and its right.
        lesions: `[films, SIDE_PX, SIDE_PX]` bool; None where there are none.
    """

    source: str
    encoded: list[bytes]
    lungs: npt.NDArray[np.bool_]
    lesions: npt.NDArray[np.bool_] | None

    def chosen(self, which: npt.NDArray[np.bool_]) -> Films:
        """Returns some of the films."""
        encoded = [film for film, keep in zip(self.encoded, which, strict=True) if keep]
        lesions = None if self.lesions is None else self.lesions[which]
        return Films(self.source, encoded, self.lungs[which], lesions)


def draw_phantoms(count: int) -> Films:
    """Draws phantoms with pneumonia."""
    seeds = [(_PHANTOM_SEED, number) for number in range(count)]
    drawn = [
        draw_phantom(seed, _PHANTOM_PX, draw_patient(seed, features.PNEUMONIA)) for seed in seeds
    ]
    return Films(
        "phantoms",
        [cv2.imencode(".png", phantom.pixels)[1].tobytes() for phantom in drawn],
        np.stack([_resized(separate_fields(phantom.lung_mask)) for phantom in drawn]),
        np.stack([_resized(phantom.lesion_mask) for phantom in drawn]),
    )


def read_films(folder: str, count: int, seen: Collection[str]) -> Films:
    """Reads films of a folder of masks, evenly from all that the model has not learned from.

    Args:
        folder: As of `models.lung_fields.films.list_films`; `FOLDER=FILMS` where the films are
            elsewhere. Lesion masks lie in `lesions/`, under the same names.
        count: At most.
        seen: SHA-256 digests of the files that were learned from.

    Returns:
        Those with pneumonia where the folder's names say so, else all.
    """
    unseen = [film for film in _with_pneumonia(list_films(*folder.split("=", 1)), folder, seen)]
    places = np.unique(np.linspace(0, len(unseen) - 1, min(count, len(unseen))).astype(int))
    films = [unseen[place] for place in places]
    lesions = [_lesion_uri(film) for film in films]
    return Films(
        films[0].source,
        [read_film(_content(film.film_uri), _ANY_SIZE).encoded for film in films],
        np.stack([_resized(separate_fields(read_mask(film))) for film in films]),
        np.stack([_resized(_mask_at(uri)) for uri in lesions]) if all(lesions) else None,
    )


def learned_from(work: WorkDirectory, run_id: str) -> set[str]:
    """Returns the SHA-256 digests of the files that a run trained on or chose by."""
    uri = run_outputs(work.metadata, run_id)["RadiographExampleGen", "examples"].uri
    uris = [posixpath.join(uri, f"Split-{split}") for split in (features.TRAIN, features.EVAL)]
    return {
        example.features.feature[features.SHA256].bytes_list.value[0].decode()
        for example in read_examples(uris)
    }


def _with_pneumonia(
    films: list[MaskedFilm], folder: str, seen: Collection[str]
) -> Iterator[MaskedFilm]:
    of_class = any(Path(film.film_uri).parent.name == features.PNEUMONIA for film in films)
    for film in films:
        if of_class and Path(film.film_uri).parent.name != features.PNEUMONIA:
            continue
        if _lesion_uri(film) and not _mask_at(_lesion_uri(film)).any():
            continue
        if hashlib.sha256(_content(film.film_uri)).hexdigest() not in seen:
            yield film


def _lesion_uri(film: MaskedFilm) -> str:
    root = posixpath.dirname(posixpath.dirname(film.mask_uri))
    uri = posixpath.join(root, _LESIONS, posixpath.basename(film.mask_uri))
    return uri if tf.io.gfile.exists(uri) else ""


def _mask_at(uri: str) -> npt.NDArray[np.bool_]:
    return cv2.imdecode(np.frombuffer(_content(uri), np.uint8), cv2.IMREAD_GRAYSCALE) > 127


def _content(uri: str) -> bytes:
    with tf.io.gfile.GFile(uri, "rb") as file:
        return file.read()


def _resized(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    levels = cv2.resize(mask.astype(np.float32), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return levels >= 0.5
