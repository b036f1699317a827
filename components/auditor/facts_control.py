"""A control that sees no film at all: what age, sex and view alone tell of the class.

Where a ward of children and one of the old sent films of different classes, a model may read the
age off the bones. That is no frame, so swapping frames does not find it out; this control does,
whether or not the network is told these facts. Squares and products of its numbers let a class be
told that lies in the middle of life, or in one view of one sex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from components.auditor.findings import FACTS
from models import features
from models.clinical import NOTHING_KNOWN, clinical_vector

_FILMS_AT_ONCE = 256
_READ = {
    features.LABEL: tf.io.FixedLenFeature([1], tf.string),
    features.AGE_YEARS: tf.io.FixedLenFeature([1], tf.int64),
    features.SEX: tf.io.FixedLenFeature([1], tf.string),
    features.VIEW: tf.io.FixedLenFeature([1], tf.string),
}


@dataclass(frozen=True)
class FactsControl:
    """What the control makes of films, or why there is none.

    Attributes:
        named: `[films]` P(pneumonia), by `FACTS`; empty where nothing is known to go by.
        missing: Then what is not known, as a sentence.
    """

    named: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class KnownFacts:
    """What is known of films beside their pixels.

    Attributes:
        vectors: `[films, models.clinical.LENGTH]` float32.
        labels: `[films]` bool, whether it is pneumonia.
    """

    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[np.bool_]

    @property
    def none_known(self) -> bool:
        """Whether nothing is known of any film."""
        return bool((self.vectors == np.array(NOTHING_KNOWN, np.float32)).all())


def facts_control(train: KnownFacts, evaluated: KnownFacts) -> FactsControl:
    """Fits a logistic regression to what is known of films.

    Args:
        train: Films to learn from, of both classes.
        evaluated: Films to score.

    Returns:
        Scores of the latter, or that nothing is known of the one or the other.
    """
    for films, of in ((train, "train"), (evaluated, "test")):
        if films.none_known:
            return FactsControl(missing=f"of no {of} film is age, sex or view known")
    regression = make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    fitted = regression.fit(train.vectors.astype(np.float64), train.labels)
    scores = fitted.predict_proba(evaluated.vectors.astype(np.float64))[:, 1]
    return FactsControl({FACTS: scores})


def read_facts(uris: Sequence[str]) -> KnownFacts:
    """Reads what is known of the films of a split, in their order.

    Args:
        uris: Folders of the raw split, local or remote.
    """
    files = sorted(file for uri in uris for file in tf.io.gfile.glob(f"{uri}/*"))
    films = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_FILMS_AT_ONCE)
    read = [facts_of(batch) for batch in films]
    return KnownFacts(
        np.concatenate([one.vectors for one in read]), np.concatenate([one.labels for one in read])
    )


def facts_of(serialised: tf.Tensor) -> KnownFacts:
    """Returns what is known of raw examples, `[batch]` string."""
    known = tf.io.parse_example(serialised, _READ)
    facts = (known[name] for name in (features.AGE_YEARS, features.SEX, features.VIEW))
    labels = known[features.LABEL][:, 0] == features.PNEUMONIA
    return KnownFacts(clinical_vector(*facts).numpy(), labels.numpy())
