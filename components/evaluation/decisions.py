"""What the Evaluator adds to a film and its answer.

The label becomes a number that metrics can count, and each film a weight that says whether
candidate and baseline may be compared on it. `custom_extractors` is the name by which TFX's
Evaluator finds this in a module.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models import features, training_films

_LOG = logging.getLogger(__name__)

DECISION = "decision"  # 1 where the model says PNEUMONIA, else 0
COMPARABLE = "comparable"  # 1 where the film is known to be new to the baseline, else 0

_FEATURES_STAGE = "ExtractFeatures"
_PREDICTIONS_STAGE = "ExtractPredictions"


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """Returns TFMA's extractors with films marked first and the decision taken last."""
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    mark = beam.Map(partial(with_comparable, seen=_seen_by_baseline(eval_shared_model)))
    for stage, own in (
        (_FEATURES_STAGE, tfma.extractors.Extractor("MarkComparable", mark)),
        (_PREDICTIONS_STAGE, tfma.extractors.Extractor("Decide", beam.Map(_with_decision))),
    ):
        stages = [extractor.stage_name for extractor in extractors]
        extractors.insert(stages.index(stage) + 1, own)
    return extractors


def with_comparable(extracts: Mapping[str, Any], seen: np.ndarray | None) -> dict[str, Any]:
    """Marks the films that candidate and baseline may be compared on.

    Args:
        extracts: Of a batch, with the raw features.
        seen: Keys of `models.training_films` that the baseline has seen; None where nobody
            knows, so that no film is known to be new to it.

    Returns:
        The same with the feature `COMPARABLE`, `[batch, 1]` float32.
    """
    given = extracts[tfma.FEATURES_KEY]
    digests, patients = (
        np.asarray(given[name]).reshape(-1) for name in (features.SHA256, features.PATIENT_ID)
    )
    new = np.zeros(len(digests), dtype=bool)
    if seen is not None:
        new = training_films.are_new(digests, patients, seen)
    marked = {**given, COMPARABLE: new.astype(np.float32)[:, np.newaxis]}
    return {**extracts, tfma.FEATURES_KEY: marked}


def _seen_by_baseline(eval_shared_model: Any) -> np.ndarray | None:
    """Returns the record of the baseline: nothing without one, None where it has none."""
    several = isinstance(eval_shared_model, list)
    for model in eval_shared_model if several else []:
        if model.model_name == tfma.BASELINE_KEY:
            seen = training_films.read_seen(model.model_path)
            if seen is None:
                _LOG.warning(
                    "the last blessed model has no record of its training films, so it is not "
                    "compared with; a model that is blessed now has one"
                )
            return seen
    return np.empty(0, dtype=np.int64)


def _with_decision(extracts: Mapping[str, Any]) -> dict[str, Any]:
    return {**extracts, tfma.PREDICTIONS_KEY: _decided(extracts[tfma.PREDICTIONS_KEY])}


def _decided(predictions: Mapping[str, Any]) -> dict[str, Any]:
    if features.PROBABILITY in predictions:
        return _decide(predictions)
    # By model: candidate and baseline.
    return {model: _decide(answers) for model, answers in predictions.items()}


def _decide(answers: Mapping[str, Any]) -> dict[str, np.ndarray]:
    # What is measured is the answer at the operating point, also where the client gets none.
    labels = np.asarray(answers.get(features.FORCED_LABEL, answers[features.PREDICTED_LABEL]))
    return {
        features.PROBABILITY: np.asarray(answers[features.PROBABILITY]),
        DECISION: (labels == features.PNEUMONIA.encode()).astype(np.float32),
    }
