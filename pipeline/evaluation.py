"""EvalConfig: which metrics on which slices, and the gates a model has to pass."""

from __future__ import annotations

import json
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from components.evaluation.decisions import COMPARABLE, DECISION
from components.evaluation.gate_metrics import GatedAUC, GatedRecall, GatedSpecificity
from components.evaluation.metric_names import (
    COMPARABLE_AUC,
    COMPARABLE_RECALL,
    COMPARABLE_SPECIFICITY,
    GATED_RECALL,
    GATED_SPECIFICITY,
)
from models import features
from pipeline.config import Evaluation

COMPARABLE_COUNTS = {
    "comparable_true_positives": "TruePositives",
    "comparable_false_negatives": "FalseNegatives",
    "comparable_true_negatives": "TrueNegatives",
    "comparable_false_positives": "FalsePositives",
}

_OVERALL = config_pb2.SlicingSpec()
_SLICES = tuple(config_pb2.SlicingSpec(feature_keys=[name]) for name in features.SLICES)


def make_eval_config(gates: Evaluation, source_fingerprint: str = "") -> config_pb2.EvalConfig:
    """Describes the evaluation.

    The model answers as it will be served. Its probability gives the areas under the
    curves; its label, at the operating point that the model carries, gives recall,
    specificity and the rest. So a candidate and a baseline are each judged at their own point.

    What a model reaches is counted on all test films, the change against the baseline only
    on those that are new to it: on a film that it was trained on it has an advantage.

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
                example_weight_key=COMPARABLE,
            )
        ],
        slicing_specs=[_OVERALL, *_SLICES],
        metrics_specs=[
            _metrics(features.PROBABILITY, False, _probability_metrics(gates)),
            _metrics(DECISION, False, _decision_metrics(gates, source_fingerprint)),
            _metrics(features.PROBABILITY, True, _compared_probability(gates)),
            _metrics(DECISION, True, _compared_decision(gates)),
        ],
    )


def _probability_metrics(gates: Evaluation) -> list[config_pb2.MetricConfig]:
    return [
        _metric("ExampleCount"),
        _metric("AUC", per_slice_thresholds=[_threshold(_floor(gates.min_auc), _OVERALL)]),
        _metric("AUCPrecisionRecall"),
        _metric("Calibration"),
        _metric("MeanLabel"),
        _metric("MeanPrediction"),
        _metric("MeanSquaredError", {"name": "brier_score"}),
        _metric("CalibrationPlot", {"num_buckets": 10}),
        _metric("ConfusionMatrixPlot", {"num_thresholds": 200}),
    ]


def _decision_metrics(gates: Evaluation, source: str) -> list[config_pb2.MetricConfig]:
    recall, specificity = _floor(gates.min_recall), _floor(gates.min_specificity)
    plain = ("Precision", "F1Score", "BinaryAccuracy",
             "TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives")  # fmt: skip
    return [
        _metric("Recall", per_slice_thresholds=[_threshold(recall, _OVERALL)]),
        _metric("Specificity", per_slice_thresholds=[_threshold(specificity, _OVERALL)]),
        _gated(
            GatedRecall,
            {
                "name": GATED_RECALL,
                "min_positives": gates.min_slice_positives,
                "source": source,
            },
            _threshold(recall, *_SLICES),
        ),
        _gated(
            GatedSpecificity,
            {"name": GATED_SPECIFICITY, "min_negatives": gates.min_slice_negatives},
            _threshold(specificity, *_SLICES),
        ),
        *(_metric(name) for name in plain),
    ]


def _compared_probability(gates: Evaluation) -> list[config_pb2.MetricConfig]:
    config = {
        "name": COMPARABLE_AUC,
        "min_positives": gates.min_slice_positives,
        "min_negatives": gates.min_slice_negatives,
    }
    return [_gated(GatedAUC, config, _threshold(_change(gates.max_auc_drop), _OVERALL))]


def _compared_decision(gates: Evaluation) -> list[config_pb2.MetricConfig]:
    return [
        _gated(
            GatedRecall,
            {"name": COMPARABLE_RECALL, "min_positives": gates.min_slice_positives},
            _threshold(_change(gates.max_recall_drop), _OVERALL, *_SLICES),
        ),
        _gated(
            GatedSpecificity,
            {"name": COMPARABLE_SPECIFICITY, "min_negatives": gates.min_slice_negatives},
            _threshold(_change(gates.max_specificity_drop), _OVERALL, *_SLICES),
        ),
        *(_metric(kind, {"name": name}) for name, kind in COMPARABLE_COUNTS.items()),
    ]


def _metrics(
    output: str, comparable: bool, metrics: list[config_pb2.MetricConfig]
) -> config_pb2.MetricsSpec:
    """Returns metrics of an output, of all films or of the comparable ones alone."""
    weights = config_pb2.ExampleWeightOptions(weighted=comparable, unweighted=not comparable)
    return config_pb2.MetricsSpec(output_names=[output], metrics=metrics, example_weights=weights)


def _metric(
    name: str, config: dict[str, Any] | None = None, **fields: Any
) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(class_name=name, config=json.dumps(config or {}), **fields)


def _gated(
    kind: type[GatedAUC | GatedRecall | GatedSpecificity],
    config: dict[str, Any],
    threshold: config_pb2.PerSliceMetricThreshold,
) -> config_pb2.MetricConfig:
    return _metric(kind.__name__, config, module=kind.__module__, per_slice_thresholds=[threshold])


def _threshold(
    threshold: config_pb2.MetricThreshold, *slices: config_pb2.SlicingSpec
) -> config_pb2.PerSliceMetricThreshold:
    return config_pb2.PerSliceMetricThreshold(slicing_specs=slices, threshold=threshold)


def _floor(floor: float) -> config_pb2.MetricThreshold:
    return config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": floor})
    )


def _change(drop: float) -> config_pb2.MetricThreshold:
    return config_pb2.MetricThreshold(
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -drop}
        )
    )
