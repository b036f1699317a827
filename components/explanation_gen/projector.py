"""The explained films for TensorBoard: a cloud of thumbnails, and the curves of the test split.

The projector reads one file of numbers, one of words and one picture with a tile for each film.
They are bounded as the sample is: a film takes 64 x 64 pixels and a line in each file.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from components.auditor.scoring import judged
from components.explanation_gen.index import ExplainedFilm
from components.explanation_gen.pictures import Picture, draw_film, encode_small
from models import features
from models.remote_files import write_bytes, write_text
from models.tensorboard import FOLDER, write_curves

CONFIG_FILE = "projector_config.pbtxt"  # the name that TensorBoard looks for
VECTORS_FILE, WORDS_FILE, SPRITE_FILE = "vectors.tsv", "films.tsv", "films.jpg"

TILE_PX = 64  # a browser takes a picture of 8192 pixels, which is 16,384 films

# Neither patient nor whole digest: enough to find a film in the index. TensorBoard labels by the
# first column.
_WORDS = ("label", "forced_label", "outcome", "probability", "out_of_distribution", "sha256")
_DIGITS_OF_SHA256 = 16


@dataclass(frozen=True, eq=False)
class ProjectedFilm:
    """A film in the cloud.

    Attributes:
        film: What is known of it.
        tile: Of `tile_of`.
        vector: `[dense_units]` float32, where it lies.
    """

    film: ExplainedFilm
    tile: Picture
    vector: npt.NDArray[np.float32]


def tile_of(image: bytes) -> Picture | None:
    """Draws a film as a small square, with black beside its shorter side.

    Args:
        image: JPEG or PNG file.

    Returns:
        `[TILE_PX, TILE_PX]` grey; None where the file cannot be decoded.
    """
    picture = draw_film(image, TILE_PX)
    if picture is None:
        return None
    height, width = picture.shape
    top, left = (TILE_PX - height) // 2, (TILE_PX - width) // 2
    return np.pad(picture, ((top, TILE_PX - height - top), (left, TILE_PX - width - left)))


def write_tensorboard(films: Sequence[ProjectedFilm], scored: pd.DataFrame, uri: str) -> None:
    """Writes what TensorBoard shows of the test films.

    Args:
        films: The explained films that were judged and drawn.
        scored: All test films, of `score_examples`.
        uri: Folder of the artifact, which may be remote.
    """
    folder = posixpath.join(uri, FOLDER)
    tf.io.gfile.makedirs(folder)
    _write_events(scored, folder)
    if not films:
        return
    write_text(posixpath.join(folder, VECTORS_FILE), _table([one.vector for one in films]))
    write_text(posixpath.join(folder, WORDS_FILE), _words([one.film for one in films]))
    write_bytes(posixpath.join(folder, SPRITE_FILE), encode_small(_sprite(films)))
    write_text(posixpath.join(folder, CONFIG_FILE), _config())


def _write_events(scored: pd.DataFrame, folder: str) -> None:
    """Writes the curves; TensorBoard shows a cloud only where there are events."""
    films = judged(scored)
    writer = tf.summary.create_file_writer(folder)
    with writer.as_default():
        tf.summary.scalar("test/films", len(scored), step=0)
        is_pneumonia = (films[features.LABEL] == features.PNEUMONIA).to_numpy(bool)
        write_curves("test", is_pneumonia, films[features.PROBABILITY].to_numpy(np.float32), 0)
    writer.close()


def _config() -> str:
    config = ProjectorConfig()
    cloud = config.embeddings.add()
    cloud.tensor_name = "test films"
    cloud.tensor_path, cloud.metadata_path = VECTORS_FILE, WORDS_FILE
    cloud.sprite.image_path = SPRITE_FILE
    cloud.sprite.single_image_dim.extend([TILE_PX, TILE_PX])
    return text_format.MessageToString(config)


def _words(films: Sequence[ExplainedFilm]) -> str:
    rows = []
    for film in films:
        known = {name: getattr(film, name) for name in _WORDS}
        known["sha256"] = film.sha256[:_DIGITS_OF_SHA256]
        rows.append({**known, **film.slices})
    return _table([list(rows[0]), *(list(row.values()) for row in rows)])


def _table(rows: Sequence[Sequence[object] | npt.NDArray[np.float32]]) -> str:
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: object) -> str:
    """Returns a cell; a name from a manifest may hold what ends one."""
    text = f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)
    return " ".join(text.split())


def _sprite(films: Sequence[ProjectedFilm]) -> Picture:
    """Lays the tiles out row by row, in a square as TensorBoard expects it."""
    across = math.ceil(math.sqrt(len(films)))
    sprite = np.zeros((across * TILE_PX, across * TILE_PX), np.uint8)
    for place, one in enumerate(films):
        top, left = (TILE_PX * step for step in divmod(place, across))
        sprite[top : top + TILE_PX, left : left + TILE_PX] = one.tile
    return sprite
