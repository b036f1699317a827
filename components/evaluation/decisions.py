"""What the Evaluator adds to a served answer: the label as a number that metrics can count.

`custom_extractors` is the name by which TFX's Evaluator finds this in a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models import features

DECISION = "decision"  # 1 where the model says PNEUMONIA, else 0

_PREDICTIONS_STAGE = "ExtractPredictions"


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """Returns TFMA's extractors with the decision taken after the prediction."""
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    stages = [extractor.stage_name for extractor in extractors]
    decide = tfma.extractors.Extractor("Decide", beam.Map(_with_decision))
    extractors.insert(stages.index(_PREDICTIONS_STAGE) + 1, decide)
    return extractors


def _with_decision(extracts: Mapping[str, Any]) -> dict[str, Any]:
    return {**extracts, tfma.PREDICTIONS_KEY: _decided(extracts[tfma.PREDICTIONS_KEY])}


def _decided(predictions: Mapping[str, Any]) -> dict[str, Any]:
    if features.PROBABILITY in predictions:
        return _decide(predictions)
    # By model: candidate and baseline.
    return {model: _decide(answers) for model, answers in predictions.items()}


def _decide(answers: Mapping[str, Any]) -> dict[str, np.ndarray]:
    labels = np.asarray(answers[features.PREDICTED_LABEL])
    return {
        features.PROBABILITY: np.asarray(answers[features.PROBABILITY]),
        DECISION: (labels == features.PNEUMONIA.encode()).astype(np.float32),
    }
