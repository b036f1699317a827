"""Small pictures of films, and of what is set aside as far as a picture can be made of it."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile

from models.features import SPLITS
from radiographs.data_roots import DataRoot
from radiographs.decoding import read_film
from radiographs.errors import UnusableImage
from radiographs.inspect.inspection import Inspection
from radiographs.options import IngestOptions
from radiographs.quarantine import kind_of

SIDE_PX = 112
_FILMS_OF_EACH = 6  # of a split and class
_REJECTED_OF_EACH = 6  # of a kind of reason
_REJECTED = 60
_GROUPS = 20
_MOST_PIXELS = 50_000_000  # of a file in quarantine that is still drawn
_QUALITY = 70


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of a file.

    Attributes:
        path: Of the file.
        title: What a reader is told of it.
        source: JPEG as a `data:` address; empty where no picture can be made.
    """

    path: str
    title: str
    source: str


def film_thumbnails(
    root: DataRoot, found: Inspection, options: IngestOptions
) -> dict[tuple[str, str], list[Thumbnail]]:
    """Draws some films of each split and class, always the same ones.

    Args:
        root: Of the films.
        found: What was found.
        options: As the films were read.

    Returns:
        Thumbnails by split, empty without a plan, and label.
    """
    chosen: dict[tuple[str, str], list[str]] = defaultdict(list)
    in_hash_order = sorted(found.kept, key=lambda film: hashlib.sha256(film.path.encode()).digest())
    for film in in_hash_order:
        some = chosen[found.split_of(film.path), film.label]
        if len(some) < _FILMS_OF_EACH:
            some.append(film.path)
    return {
        kind: [Thumbnail(path, path, of_film(root, path, options)) for path in sorted(paths)]
        for kind, paths in sorted(chosen.items(), key=_place)
    }


def _place(chosen: tuple[tuple[str, str], list[str]]) -> tuple[int, str]:
    (split, label), _ = chosen
    return (SPLITS.index(split) if split in SPLITS else 0, label)


def rejected_thumbnails(
    root: DataRoot, unusable: Iterable[tuple[str, str]]
) -> dict[str, list[Thumbnail]]:
    """Draws some of the files of each kind of reason, as far as they show anything.

    Args:
        root: Of the files.
        unusable: Path and reason.

    Returns:
        Thumbnails by `kind_of` the reason.
    """
    chosen: dict[str, list[Thumbnail]] = defaultdict(list)
    drawn = 0
    for path, reason in unusable:
        some = chosen[kind_of(reason)]
        if drawn < _REJECTED and len(some) < _REJECTED_OF_EACH:
            some.append(Thumbnail(path, reason, _of_anything(root, path)))
            drawn += 1
    return {kind: some for kind, some in chosen.items() if some}


def group_thumbnails(
    root: DataRoot, groups: Iterable[Mapping[str, Any]], options: IngestOptions
) -> list[list[Thumbnail]]:
    """Draws the first groups of films that are one, a few films of each.

    Args:
        root: Of the films.
        groups: Of `radiographs.film_groups.count_groups`, those that matter most first.
        options: As the films were read.

    Returns:
        Thumbnails, a list a group.
    """
    drawn = []
    for group in itertools.islice(groups, _GROUPS):
        films = zip(group["paths"], group["labels"], group["splits"], strict=True)
        drawn.append(
            [
                Thumbnail(path, f"{path}: {label} {split}", of_film(root, path, options))
                for path, label, split in itertools.islice(films, _FILMS_OF_EACH)
            ]
        )
    return drawn


def of_film(root: DataRoot, path: str, options: IngestOptions) -> str:
    """Returns the picture of a film as a `data:` address; empty where it is no usable film."""
    try:
        return _address(read_film(root.content(path), options).grey)
    except UnusableImage:  # it has changed since
        return ""


def _of_anything(root: DataRoot, path: str) -> str:
    """Draws what Pillow makes of a file, which shows the sound part of a truncated one."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a picture that is far too large
            with Image.open(io.BytesIO(root.content(path))) as picture:
                if not 0 < picture.width * picture.height <= _MOST_PIXELS:
                    return ""
                return _address(_grey_levels(picture))
    except Exception:  # whatever a damaged file makes of a decoder, it has no picture
        return ""
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _grey_levels(picture: Image.Image) -> np.ndarray:
    """Returns `[height, width]` uint8; more than 8 bits are stretched."""
    if not picture.mode.startswith(("I", "F")):
        return np.asarray(picture.convert("L"))
    levels = np.asarray(picture, np.float64)
    low, high = levels.min(), levels.max()
    return ((levels - low) * (255 / max(high - low, 1))).astype(np.uint8)


def _address(grey: np.ndarray) -> str:
    factor = SIDE_PX / max(grey.shape)
    size = [max(1, round(side * factor)) for side in reversed(grey.shape[:2])]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    encoded: Sequence[int] = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode(".jpg", small, encoded)[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
