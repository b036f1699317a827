"""Films with drawn lung fields: folders of them, and the split by patient.

A folder holds `lung_masks/NAME.png` or else `masks/NAME.png`, bright where the lungs are; its
films in `images/`, anywhere else below it, or in another folder that is named with it; and,
where patients have several films, a `manifest.csv` with `patient_id` and `name` or `path`. A
folder of phantoms is one.
"""

from __future__ import annotations

import csv
import hashlib
import io
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from models import features
from models.images import decode_and_resize
from models.lung_fields.network import SIDE_PX
from radiographs.decoding import read_film
from radiographs.errors import DataError
from radiographs.not_films import Bystanders
from radiographs.options import IngestOptions

MASK_FOLDERS = ("lung_masks", "masks")  # the first that is there
MANIFEST = "manifest.csv"

EVAL_SHARE = 0.05  # of the patients, to watch a training by
TEST_SHARE = 0.10  # of the patients, never trained on

_PICTURES = (".png", ".jpg", ".jpeg")
_ANY_SIZE = IngestOptions(min_side_px=1)


@dataclass(frozen=True)
class MaskedFilm:
    """A film and the file with its lung fields."""

    source: str  # name of the folder
    name: str
    patient_id: str
    film_uri: str
    mask_uri: str

    @property
    def split(self) -> str:
        """One of `features.SPLITS`, the same in every run: it hangs on source and patient alone.

        A folder of another name is another source, so what was held back of one is not held back
        of the other.
        """
        digest = hashlib.sha256(f"{self.source}/{self.patient_id}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        if place < TEST_SHARE:
            return features.TEST
        return features.EVAL if place < TEST_SHARE + EVAL_SHARE else features.TRAIN


def list_films(folder: str, films: str = "") -> list[MaskedFilm]:
    """Finds the films of a folder of masks.

    Args:
        folder: local or remote, as the module says.
        films: folder of the films, searched with all below it; empty for the same folder.

    Returns:
        The masks that have a film, by name.

    Raises:
        DataError: there is no mask, or none that has a film.
    """
    patterns = [posixpath.join(folder, name, "*.png") for name in MASK_FOLDERS]
    masks: list[str] = next((files for files in map(tf.io.gfile.glob, patterns) if files), [])
    if not masks:
        raise DataError(
            f"{folder} has no {' or '.join(MASK_FOLDERS)} with PNG files; give a folder of drawn "
            "lung fields"
        )
    where = films or folder
    film_of = _films_below(where)
    patient_of = _patients(posixpath.join(folder, MANIFEST))
    source = posixpath.basename(folder.rstrip("/"))
    listed = []
    for mask in sorted(masks):
        name = _stem(mask)
        if name in film_of:
            patient = patient_of.get(name, name)
            listed.append(MaskedFilm(source, name, patient, film_of[name], mask))
    if not listed:
        raise DataError(f"no film in {where} is called as a mask in {folder}; check both names")
    return listed


def read_pixels(film: MaskedFilm) -> npt.NDArray[np.uint8]:
    """Returns a film as the graph hands it to the network, `[SIDE_PX, SIDE_PX]` uint8.

    Args:
        film: where it is.

    Raises:
        UnusableImage: the file is no film.
    """
    with tf.io.gfile.GFile(film.film_uri, "rb") as file:
        encoded = read_film(file.read(), _ANY_SIZE).encoded
    return decode_and_resize(tf.constant(encoded), SIDE_PX)[0].pixels.numpy()


def read_mask(film: MaskedFilm) -> npt.NDArray[np.bool_]:
    """Returns the lung fields as drawn, `[height, width]`, at the size of the file."""
    with tf.io.gfile.GFile(film.mask_uri, "rb") as file:
        levels = Image.open(io.BytesIO(file.read())).convert("L")
    return np.asarray(levels) > 127


def separate_fields(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tells the two lungs of a mask apart.

    Args:
        mask: `[height, width]`.

    Returns:
        `[height, width, 2]`: the pieces whose centre lies to the left and to the right of the
        middle between the two largest; a single piece belongs to the half it lies in.
    """
    count, labels, statistics, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    largest = 1 + np.argsort(statistics[1:, cv2.CC_STAT_AREA])[::-1][:2]
    middle = centres[largest, 0].mean() if count > 2 else mask.shape[1] / 2
    left = np.concatenate([[False], centres[1:, 0] < middle])[labels]
    return np.stack([mask & left, mask & ~left], axis=-1)


def read_all(
    films: Sequence[MaskedFilm],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Reads films and fields at the size of the network.

    Args:
        films: at least one.

    Returns:
        `[films, SIDE_PX, SIDE_PX, 1]` uint8 grey; and `[films, SIDE_PX, SIDE_PX, 2]` uint8, 255
        where a pixel lies in a field and less where the outline cuts it.
    """
    pixels = np.stack([read_pixels(film) for film in films])[..., np.newaxis]
    return pixels, np.stack([_resized_fields(read_mask(film)) for film in films])


def _resized_fields(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    fields = 255 * separate_fields(mask).astype(np.uint8)
    return cv2.resize(fields, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def _patients(uri: str) -> dict[str, str]:
    if not tf.io.gfile.exists(uri):
        return {}
    with tf.io.gfile.GFile(uri, "r") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    names = [row.get("name") or _stem(row.get("path") or "") for row in rows]
    return {name: row.get("patient_id") or name for name, row in zip(names, rows, strict=True)}


def _films_below(folder: str) -> dict[str, str]:
    """Returns the URIs of the pictures below a folder that are no masks, by name."""
    root = folder.rstrip("/")
    paths = [
        posixpath.join(below, name)[len(root) + 1 :]
        for below, _, names in tf.io.gfile.walk(root)
        for name in names
        if name.lower().endswith(_PICTURES)
    ]
    bystanders = Bystanders(paths)
    films = [path for path in paths if not bystanders.reason(path)]
    by_name: dict[str, str] = {}
    for path in films:
        other = by_name.setdefault(_stem(path), path)
        if other != path:
            raise DataError(
                f"the films {other} and {path} below {folder} have one name, and a mask of it may "
                "be of either; rename one of them with its mask"
            )
    return {name: posixpath.join(root, path) for name, path in by_name.items()}


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]
