"""Scores films as a client would: by their files alone, or by what is known beside them too."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from metrics.scores import Scores
from metrics.slices import age_band
from models import features

DECISION = "predicted_label"  # column of scored films: one of features.LABELS, never UNCERTAIN
ANSWER = "answer"  # column of scored films: the label that a client gets
REASON = "reason"  # column of scored films: why one has no probability
BATCH_FILMS = 32

_QUALITY = features.QUALITY

_CLASSES = {2: features.LABELS, 3: (features.NORMAL, features.BACTERIA, features.VIRUS)}
_FACTS = (
    features.SHA256, features.PATIENT_ID, features.LABEL, features.SUBTYPE, features.VIEW,
    features.SEX, features.SITE, features.STYLE,
)  # fmt: skip


def read_examples(uris: Sequence[str]) -> Iterator[tf.train.Example]:
    """Yields the raw examples of a split, one at a time.

    Args:
        uris: Folders of the split.

    Yields:
        Examples with the features of the contract.
    """
    files = sorted(file for uri in uris for file in tf.io.gfile.glob(f"{uri}/*"))
    for serialised in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(serialised)


def image_of(example: tf.train.Example) -> bytes:
    """Returns the encoded image of a raw example."""
    return example.features.feature[features.IMAGE].bytes_list.value[0]


def score_examples(
    served: Any, examples: Iterable[tf.train.Example], told: bool = False
) -> pd.DataFrame:
    """Scores raw examples.

    Args:
        served: A loaded SavedModel.
        examples: Any number; read once, a batch at a time.
        told: Whether the model is given whole examples, as the Evaluator gives them; by default
            it is given the file alone. The answers differ with `network.clinical` only.

    Returns:
        A row a film, in order: what is known of it, and the columns of `score_images`.
    """
    scored = [
        pd.DataFrame([_facts(example) for example in batch]).join(
            _ask_about_examples(served, batch) if told else _ask(served, map(image_of, batch))
        )
        for batch in batches(examples)
    ]
    columns = [
        *_FACTS, features.PROBABILITY, REASON, DECISION, ANSWER, features.OUT_OF_DISTRIBUTION,
    ]  # fmt: skip
    return pd.concat(scored, ignore_index=True) if scored else pd.DataFrame(columns=columns)


def score_images(served: Any, images: Iterable[bytes]) -> pd.DataFrame:
    """Scores encoded images.

    Args:
        served: A loaded SavedModel.
        images: JPEG or PNG files, at least one.

    Returns:
        A row an image, in order: `probability`, NaN where the model did not judge the film;
        `REASON`, `DECISION`, `ANSWER`, `out_of_distribution` and a column a class, as
        `class_columns` names them.
    """
    answers = [_ask(served, batch) for batch in batches(images)]
    return pd.concat(answers, ignore_index=True)


def batches(films: Iterable[Any], at_once: int = BATCH_FILMS) -> Iterator[list[Any]]:
    """Yields films in lists of so many, the last one shorter."""
    remaining = iter(films)
    while batch := list(itertools.islice(remaining, at_once)):
        yield batch


def scores_of(films: pd.DataFrame) -> Scores:
    """Returns the numbers of scored films that metrics are made from.

    Raises:
        ValueError: If a film has no probability: it would count as normal, so leave it out.
    """
    unscored = unscored_by_reason(films)
    if unscored:
        raise ValueError(
            f"{sum(unscored.values())} of {len(films)} films have no probability "
            f"({', '.join(unscored)}); leave them out before metrics are made"
        )
    return Scores(
        patients=films[features.PATIENT_ID].to_numpy(),
        labels=(films[features.LABEL] == features.PNEUMONIA).to_numpy(np.int64),
        probabilities=films[features.PROBABILITY].to_numpy(np.float64),
        decisions=(films[DECISION] == features.PNEUMONIA).to_numpy(np.int64),
    )


def class_columns(classes: int) -> list[str]:
    """Returns the columns of the class probabilities, such as `probability_virus`.

    Args:
        classes: 2, or 3 for the task `subtype`.
    """
    return [f"{features.PROBABILITY}_{name.lower()}" for name in _CLASSES[classes]]


def judged(films: pd.DataFrame) -> pd.DataFrame:
    """Returns the films that the model gave a probability, under the same index."""
    return films[films[features.PROBABILITY].notna()]


def unscored_by_reason(films: pd.DataFrame) -> dict[str, int]:
    """Counts films that the model gave no probability.

    Args:
        films: Of `score_examples`.

    Returns:
        Films by the model's reason.
    """
    without = films[films[features.PROBABILITY].isna()]
    return {str(reason): int(count) for reason, count in without[REASON].value_counts().items()}


def _ask(served: Any, images: Iterable[bytes]) -> pd.DataFrame:
    ask = served.signatures[features.PREDICT_IMAGES]
    return _columns(ask(**{features.IMAGE_BYTES: tf.constant(list(images))}))


def _ask_about_examples(served: Any, examples: Iterable[tf.train.Example]) -> pd.DataFrame:
    serialised = [example.SerializeToString() for example in examples]
    ask = served.signatures[features.SERVING_DEFAULT]
    return _columns(ask(**{features.EXAMPLES: tf.constant(serialised)}))


def _columns(answer: Mapping[str, tf.Tensor]) -> pd.DataFrame:
    by_class = answer[features.CLASS_PROBABILITIES].numpy()
    return pd.DataFrame(
        {
            features.PROBABILITY: answer[features.PROBABILITY].numpy(),
            REASON: _texts(answer[_QUALITY]) if _QUALITY in answer else "no reason given",
            DECISION: _texts(answer.get(features.FORCED_LABEL, answer[features.PREDICTED_LABEL])),
            ANSWER: _texts(answer[features.PREDICTED_LABEL]),
            features.OUT_OF_DISTRIBUTION: _strangeness(answer),
            **dict(zip(class_columns(by_class.shape[1]), by_class.T, strict=True)),
        }
    )


def _strangeness(answer: Mapping[str, tf.Tensor]) -> np.ndarray:
    """Returns the distance to the train films; NaN of a model that has none."""
    unknown = tf.fill(tf.shape(answer[features.PROBABILITY]), math.nan)
    return answer.get(features.OUT_OF_DISTRIBUTION, unknown).numpy()


def _texts(strings: tf.Tensor) -> list[str]:
    return [one.decode() for one in strings.numpy()]


def _facts(example: tf.train.Example) -> dict[str, str]:
    feature = example.features.feature
    facts = {name: feature[name].bytes_list.value[0].decode() for name in _FACTS}
    age_years = feature[features.AGE_YEARS].int64_list.value[0]
    return {**facts, features.AGE_BAND: age_band(age_years)}
