"""Films as the ingest reads them: decoded, judged by the graph that trains and serves, described.

Several at once: files are decoded in threads, and the graph judges them as one batch, which
takes two thirds of the time that it takes for each film alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from components.radiograph_example_gen.listing import read_bytes
from models import features
from models.hyperparameters import Preprocessing
from models.lung_fields.fields import check_weights
from models.preprocessing import qualities_and_lungs
from radiographs.decoding import ROOM_PX, CanonicalFilm, read_film
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions
from radiographs.pseudonyms import HiddenPath
from radiographs.styles import Description, describe_surroundings

# Enough for every core of a worker; a film of 100 megapixels takes 100 MB.
FILMS_AT_ONCE = 8

ANY_FILM = Preprocessing()
_Lungs = npt.NDArray[np.bool_] | None
_Item = TypeVar("_Item")


def chunks(items: Iterable[_Item]) -> Iterator[tuple[_Item, ...]]:
    """Yields items in groups of `FILMS_AT_ONCE`; the last one may be smaller."""
    left = iter(items)
    while chunk := tuple(islice(left, FILMS_AT_ONCE)):
        yield chunk


def check_judging(judging: Preprocessing) -> None:
    """Finds weights that cannot be used before the first film is read.

    Args:
        judging: As of `read_image`.

    Raises:
        ValueError: Naming the setting and the file.
    """
    if judging.lungs != "none":
        check_weights(judging.lung_fields_weights)


def read_image(
    root: str, path: str, options: IngestOptions, judging: Preprocessing = ANY_FILM
) -> CanonicalFilm:
    """Reads a file and makes sure that training and serving can.

    Args:
        root: Local or remote folder.
        path: Of the file, relative to it.
        options: Which films are usable.
        judging: Which films the graph judges; by default it looks for no lungs.

    Returns:
        The film that goes on.

    Raises:
        UnusableImage: Saying why the file is no usable film.
    """
    (judged,) = _judge([_read(root, path, options)], options, judging)
    if isinstance(judged, UnusableImage):
        raise judged
    return judged[0]


def read_and_describe(
    root: str, paths: Sequence[str], options: IngestOptions, judging: Preprocessing
) -> list[tuple[CanonicalFilm, Description] | UnusableImage]:
    """Reads films, and describes what lies outside the lungs that the graph has found.

    Args:
        root: As of `read_image`, and so are the others.
        paths: Of the files; about `FILMS_AT_ONCE`, as all are in memory at once.
        options: Which films are usable.
        judging: Which films the graph judges.

    Returns:
        For each path the film, and `radiographs.styles.describe_surroundings` of the part that is
        kept of it; or why the file is no usable film.
    """

    def read(path: str) -> CanonicalFilm | UnusableImage:
        return _read(root, path, options)

    def describe(
        judged: tuple[CanonicalFilm, _Lungs] | UnusableImage,
    ) -> tuple[CanonicalFilm, Description] | UnusableImage:
        if isinstance(judged, UnusableImage):
            return judged
        film, lungs = judged
        return film, describe_surroundings(_without_border(film.grey, judging.border_crop), lungs)

    with ThreadPoolExecutor(FILMS_AT_ONCE) as threads:
        films = list(threads.map(read, paths))
        return list(threads.map(describe, _judge(films, options, judging)))


def _read(root: str, path: str, options: IngestOptions) -> CanonicalFilm | UnusableImage:
    try:
        film = read_film(read_bytes(root, path), options)
    except UnusableImage as error:
        return error
    if film.facts.dicom and not isinstance(path, HiddenPath):
        return UnusableImage("it is DICOM, and named as something else; rename it to end in .dcm")
    return film


def _judge(
    films: Sequence[CanonicalFilm | UnusableImage], options: IngestOptions, judging: Preprocessing
) -> list[tuple[CanonicalFilm, _Lungs] | UnusableImage]:
    """Returns each film with its lungs, or why the graph cannot use it."""
    usable = [film for film in films if isinstance(film, CanonicalFilm)]
    judged = (
        one
        for some in _together(usable)
        for one in qualities_and_lungs([film.encoded for film in some], options, judging)
    )
    return [
        film if isinstance(film, UnusableImage) else _usable(film, *next(judged)) for film in films
    ]


def _together(films: Sequence[CanonicalFilm]) -> Iterator[list[CanonicalFilm]]:
    """Yields films that the graph may decode at once; a huge one alone, as it takes memory."""
    some: list[CanonicalFilm] = []
    pixels = 0
    for film in films:
        more = film.facts.width_px * film.facts.height_px
        if some and pixels + more > ROOM_PX:
            yield some
            some, pixels = [], 0
        some.append(film)
        pixels += more
    if some:
        yield some


def _usable(
    film: CanonicalFilm, quality: str, lungs: _Lungs
) -> tuple[CanonicalFilm, _Lungs] | UnusableImage:
    if quality == features.NO_LUNGS:
        return UnusableImage(
            "no lungs found; it shows no upright frontal chest, or its lung fields are hidden "
            "(preprocessing.lungs=none does without them)"
        )
    if quality != features.QUALITY_OK:
        return UnusableImage(
            f"the graph that prepares films finds it {quality}; open it and save it again as PNG"
        )
    return film, lungs


def _without_border(grey: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.uint8]:
    """Cuts off what the graph has cut off before it looked for lungs."""
    rows, columns = (round(share * side) for side in grey.shape)
    return grey[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns]
