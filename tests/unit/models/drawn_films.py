"""Films as Transform writes them, drawn at once, and settings that learn them fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import features
from models.hyperparameters import Hyperparameters, Task
from models.input_pipeline import TransformedFilms

SIZE_PX = 32
FEATURE_SPEC = {
    features.IMAGE_XF: tf.io.FixedLenFeature([1], tf.string),
    features.LABEL_XF: tf.io.FixedLenFeature([1], tf.int64),
    features.SUBTYPE_XF: tf.io.FixedLenFeature([1], tf.int64),
    features.PIXEL_MEAN_XF: tf.io.FixedLenFeature([1], tf.float32),
    features.PIXEL_STDDEV_XF: tf.io.FixedLenFeature([1], tf.float32),
}


def make_settings(frozen_epochs: int = 0, **train: object) -> Hyperparameters:
    """Returns the settings of a small network."""
    network = {"width": 4, "depth": 2, "dense_units": 8, "frozen_epochs": frozen_epochs}
    return Hyperparameters.model_validate(
        {
            "preprocessing": {"image_size_px": SIZE_PX},
            "network": network,
            "train": {"batch_size": 8, **train},
        }
    )


def write_split(folder: Path, split: str, films: int, seed: int) -> str:
    """Writes a split, half of it with a bright corner among noise; returns the pattern."""
    (folder / f"Split-{split}").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    file = folder / f"Split-{split}" / "films.gz"
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions("GZIP")) as writer:
        for number in range(films):
            ill = number % 2
            pixels = rng.integers(0, 160, (SIZE_PX, SIZE_PX), dtype=np.uint8)
            pixels[:8, :8] += np.uint8(30 * ill)
            style = b"marked" if number % 3 else b"plain"
            writer.write(_film(pixels, ill, ill * (1 + number // 2 % 2), style))
    return str(file)


def write_marked_split(folder: Path, split: str, counts: Sequence[int], seed: int) -> str:
    """Writes films whose bright corner is easier to see than what makes them ill.

    Args:
        folder: To write to.
        split: Its name.
        counts: Normal films of the styles plain and marked, then ill ones.
        seed: Of the noise.

    Returns:
        The pattern.
    """
    file = folder / f"{split}.gz"
    rng = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions("GZIP")) as writer:
        for group, films in enumerate(counts):
            ill, marked = divmod(group, 2)
            for _ in range(films):
                pixels = rng.integers(0, 160, (SIZE_PX, SIZE_PX), dtype=np.uint8)
                pixels[12:24, 12:24] += np.uint8(45 * ill)
                pixels[:6, :6] = 250 * marked
                writer.write(_film(pixels, ill, ill, b"marked" if marked else b"plain"))
    return str(file)


class DrawnTransform:
    """Stands in for Transform's output where only the features matter."""

    def transformed_feature_spec(self) -> dict[str, tf.io.FixedLenFeature]:
        """Says how films are read."""
        return FEATURE_SPEC


def open_split(file: str, task: Task = "binary") -> TransformedFilms:
    """Opens what `write_split` wrote."""
    return TransformedFilms.open([file], DrawnTransform(), task)


def damage(file: Path, how: str) -> None:
    """Does to a file what a kill or a disk may: removed, emptied, truncated or overwritten."""
    content = file.read_bytes()
    middle = len(content) // 2
    if how == "removed":
        file.unlink()
    elif how == "emptied":
        file.write_bytes(b"")
    elif how == "truncated":
        file.write_bytes(content[:middle])
    else:
        file.write_bytes(content[:middle] + b"?" * 64 + content[middle + 64 :])


def _film(pixels: np.ndarray, label: int, subtype: int, style: bytes) -> bytes:
    def integers(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def floats(value: float) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[pixels.tobytes()]))
    feature = {
        features.IMAGE_XF: image,
        features.LABEL_XF: integers(label),
        features.SUBTYPE_XF: integers(subtype),
        features.STYLE_XF: tf.train.Feature(bytes_list=tf.train.BytesList(value=[style])),
        features.PIXEL_MEAN_XF: floats(0),
        features.PIXEL_STDDEV_XF: floats(1),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
