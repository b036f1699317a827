"""Takes films out of tf.Examples, back into a folder for each split and class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from models import features

_PNG_START = b"\x89PNG"


def export_films(examples_uri: str, folder: Path) -> dict[str, int]:
    """Writes the films of an `examples` artifact as files.

    Args:
        examples_uri: With `Split-<split>/` folders of gzipped TFRecords.
        folder: Gets `<split>/<label>/`; the bytes of each film are as they were read, and
            byte-identical films stay as many as they are.

    Returns:
        Number of films by split.
    """
    counts = {}
    for split in features.SPLITS:
        for label in features.LABELS:
            (folder / split / label).mkdir(parents=True)
        counts[split] = 0
        for image, label in _films(f"{examples_uri}/Split-{split}"):
            suffix = "png" if image.startswith(_PNG_START) else "jpg"
            name = f"{counts[split]:06d}.{suffix}"
            (folder / split / label / name).write_bytes(image)
            counts[split] += 1
    return counts


def _films(split_uri: str) -> Iterator[tuple[bytes, str]]:
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in (features.IMAGE, features.LABEL)}
    files = sorted(tf.io.gfile.glob(f"{split_uri}/*.gz"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    parsed = records.map(lambda record: tf.io.parse_single_example(record, spec))
    for film in parsed.as_numpy_iterator():
        yield film[features.IMAGE], film[features.LABEL].decode()
