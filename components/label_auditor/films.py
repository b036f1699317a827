"""The films of a run as the label audit needs them: facts, paths and descriptions, no pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tensorflow_transform as tft

from components.auditor.scoring import batches, image_of, read_examples
from components.label_auditor.description import LENGTH, describe
from components.label_auditor.out_of_fold import groups_of
from components.radiograph_example_gen.film_list import COPIES, PATH
from models import features
from models.film_keys import key_of

SPLIT = "split"

_FILMS_AT_ONCE = 64
_FACTS = (
    features.SHA256, features.PATIENT_ID, features.LABEL, features.SUBTYPE, features.SITE,
    features.STYLE,
)  # fmt: skip
_IDENTITY = [features.SHA256, features.LABEL, features.SUBTYPE]


@dataclass(frozen=True)
class RunFilms:
    """Where the films of a run are.

    Attributes:
        examples: Folders of the raw films, by split.
        transformed: Folders of the films as Transform wrote them, of the splits that it wrote.
        graph: What makes them from raw films, for the other splits.
        listed: Path of each film and its near duplicates, of `read_film_list`.
    """

    examples: Mapping[str, Sequence[str]]
    transformed: Mapping[str, Sequence[str]]
    graph: tft.TFTransformOutput
    listed: pd.DataFrame

    def facts(self) -> pd.DataFrame:
        """Returns a row a film, in order: split, what is known of it, `PATH` and `COPIES`."""
        rows = [
            {SPLIT: split, **{name: _text(example, name) for name in _FACTS}}
            for split, uris in self.examples.items()
            for example in read_examples(uris)
        ]
        facts = pd.DataFrame(rows, columns=[SPLIT, *_FACTS])
        named = self.listed[[PATH, COPIES, *_IDENTITY]]
        # Of files with the same bytes the first in one list stands for the first in the other.
        one, other = (
            films.assign(again=films.groupby(_IDENTITY).cumcount()) for films in (facts, named)
        )
        return one.merge(other, "left", [*_IDENTITY, "again"]).drop(columns="again").fillna("")

    def descriptions(self, facts: pd.DataFrame) -> npt.NDArray[np.float16]:
        """Describes the films as Transform made them.

        Args:
            facts: Of `facts`.

        Returns:
            `[films, LENGTH]`, in the same order.
        """
        described = [
            self._as_written(split, facts.loc[facts[SPLIT] == split, features.SHA256].tolist())
            if split in self.transformed
            else self._as_prepared(uris)
            for split, uris in self.examples.items()
        ]
        return np.concatenate(described)

    def images(self, rows: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yields chosen films, encoded, with their rows, in order."""
        wanted = set(rows)
        splits = (read_examples(uris) for uris in self.examples.values())  # one read sorts them
        for row, example in enumerate(chain.from_iterable(splits)):
            if row in wanted:
                yield row, image_of(example)

    def _as_prepared(self, uris: Sequence[str]) -> npt.NDArray[np.float16]:
        described = list(map(describe, self._prepared(read_examples(uris))))
        return np.array(described, np.float16).reshape(-1, LENGTH)

    def _as_written(self, split: str, digests: Sequence[str]) -> npt.NDArray[np.float16]:
        by_key = dict(_described(self.transformed[split]))
        keys = key_of(features.SHA256, tf.constant(digests, tf.string)).numpy()
        return np.array([by_key[key] for key in keys], np.float16).reshape(-1, LENGTH)

    def _prepared(self, examples: Iterable[tf.train.Example]) -> Iterator[npt.NDArray[np.uint8]]:
        layer, spec = self.graph.transform_features_layer(), self.graph.raw_feature_spec()

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def prepare(serialised: tf.Tensor) -> tf.Tensor:
            return tf.reshape(layer(tf.io.parse_example(serialised, spec))[features.IMAGE_XF], [-1])

        for batch in batches(examples):
            serialised = tf.constant([example.SerializeToString() for example in batch])
            yield from map(_pixels, prepare(serialised).numpy())


def groups(facts: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Returns which films may not judge one another: of a patient, of the same bytes or picture.

    Args:
        facts: Of `RunFilms.facts`.

    Returns:
        `[films]`, of `groups_of`.
    """
    names = (features.PATIENT_ID, features.SHA256, COPIES)
    shared = [
        [(name, value) for name, value in zip(names, values, strict=True) if value]
        for values in facts[list(names)].itertuples(index=False)
    ]
    return groups_of(shared)


def _described(uris: Sequence[str]) -> Iterator[tuple[int, npt.NDArray[np.float16]]]:
    files = sorted(file for uri in uris for file in tf.io.gfile.glob(f"{uri}/*"))
    spec = {
        features.IMAGE_XF: tf.io.FixedLenFeature([], tf.string),
        features.SHA256_XF: tf.io.FixedLenFeature([], tf.int64),
    }
    films = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_FILMS_AT_ONCE)
    for batch in films.map(lambda some: tf.io.parse_example(some, spec)).as_numpy_iterator():
        for key, packed in zip(batch[features.SHA256_XF], batch[features.IMAGE_XF], strict=True):
            yield int(key), describe(_pixels(packed))


def _pixels(packed: bytes) -> npt.NDArray[np.uint8]:
    levels = np.frombuffer(packed, np.uint8)
    return levels.reshape(math.isqrt(levels.size), -1)


def _text(example: tf.train.Example, name: str) -> str:
    return example.features.feature[name].bytes_list.value[0].decode()
