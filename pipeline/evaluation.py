"""EvalConfig: which metrics on which slices, and the gates a model has to pass."""

from __future__ import annotations

import json
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from components.evaluation.decisions import DECISION
from components.evaluation.gate_metrics import GatedRecall
from models import features
from pipeline.config import Evaluation

GATED_RECALL = "gated_recall"


def make_eval_config(gates: Evaluation, source_fingerprint: str = "") -> config_pb2.EvalConfig:
    """Describes the evaluation.

    The model answers as it will be served. Its probability gives the areas under the
    curves; its label, at the operating point that the model carries, gives recall and
    the rest. So a candidate and a baseline are each judged at their own point.

    Args:
        gates: Floors, allowed losses against the baseline, smallest slice.
        source_fingerprint: Changes with the code, so that no stale cache serves.

    Returns:
        The config of TFMA, with thresholds.
    """
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                model_type="tf_generic",
                signature_name=features.SERVING_DEFAULT,
                preprocessing_function_names=[features.TRANSFORM_FEATURES],
                label_keys={
                    features.PROBABILITY: features.LABEL_XF,
                    DECISION: features.LABEL_XF,
                },
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[feature]) for feature in features.SLICES),
        ],
        metrics_specs=[_probability_metrics(gates), _decision_metrics(gates, source_fingerprint)],
    )


def _probability_metrics(gates: Evaluation) -> config_pb2.MetricsSpec:
    auc_gate = _gate(gates.min_auc, gates.max_auc_drop)
    overall_only = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=auc_gate
    )
    return config_pb2.MetricsSpec(
        output_names=[features.PROBABILITY],
        metrics=[
            _metric("ExampleCount"),
            _metric("AUC", per_slice_thresholds=[overall_only]),
            _metric("AUCPrecisionRecall"),
            _metric("Calibration"),
            _metric("MeanLabel"),
            _metric("MeanPrediction"),
            _metric("MeanSquaredError", {"name": "brier_score"}),
            _metric("CalibrationPlot", {"num_buckets": 10}),
        ],
    )


def _decision_metrics(gates: Evaluation, source_fingerprint: str) -> config_pb2.MetricsSpec:
    recall_gate = _gate(gates.min_recall, gates.max_recall_drop)
    overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=recall_gate
    )
    slices = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec(feature_keys=[key]) for key in features.SLICES],
        threshold=recall_gate,
    )
    gated_recall = _metric(
        GatedRecall.__name__,
        {
            "name": GATED_RECALL,
            "min_positives": gates.min_slice_positives,
            "source": source_fingerprint,
        },
        module=GatedRecall.__module__,
        per_slice_thresholds=[slices],
    )
    plain = ("Precision", "Specificity", "F1Score", "BinaryAccuracy",
             "TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives")  # fmt: skip
    return config_pb2.MetricsSpec(
        output_names=[DECISION],
        metrics=[
            _metric("Recall", per_slice_thresholds=[overall]),
            gated_recall,
            *(_metric(name) for name in plain),
        ],
    )


def _metric(
    name: str, config: dict[str, Any] | None = None, **fields: Any
) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(class_name=name, config=json.dumps(config or {}), **fields)


def _gate(floor: float, drop: float) -> config_pb2.MetricThreshold:
    return config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": floor}),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -drop}
        ),
    )
