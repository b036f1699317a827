"""Runs TFMA with our gates over scores in a table, for want of a model."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pandas as pd
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tfx_bsl.arrow import table_util

from components.evaluation.decisions import COMPARABLE, DECISION
from models import features
from pipeline.beam import LOCAL_RUNNER
from pipeline.config import Evaluation
from pipeline.evaluation import make_eval_config

BASELINE = "baseline_"  # begins a column of the last blessed model


def evaluate(films: pd.DataFrame, gates: Evaluation, folder: Path) -> str:
    """Returns the folder of TFMA's own result.

    Args:
        films: `LABEL_XF`, `PROBABILITY`, `DECISION` and the slices; the first two of a baseline
            with `BASELINE` before the name, where there is one; `COMPARABLE`, else all are.
        gates: What is asked for.
        folder: For the result.
    """
    has_baseline = f"{BASELINE}{DECISION}" in films
    config = tfma.utils.update_eval_config_with_defaults(
        make_eval_config(gates), has_baseline=has_baseline, rubber_stamp=True
    )
    for spec in config.model_specs:
        spec.ClearField("signature_name")
        spec.ClearField("preprocessing_function_names")
        prefix = BASELINE if spec.is_baseline else ""
        for output in (features.PROBABILITY, DECISION):
            spec.prediction_keys[output] = prefix + output
    films = films if COMPARABLE in films else films.assign(**{COMPARABLE: 1.0})
    batch = table_util.CanonicalizeRecordBatch(pa.RecordBatch.from_pandas(films))
    with beam.Pipeline(runner=LOCAL_RUNNER) as pipeline:
        _ = (
            pipeline
            | beam.Create([batch])
            | tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=[_in_table(spec.name) for spec in config.model_specs],
                eval_config=config,
                output_path=str(folder),
                writers=tfma.default_writers(str(folder), eval_config=config),
            )
        )
    return str(folder)


def _in_table(name: str) -> tfma.types.EvalSharedModel:
    """Stands for a model whose answers are in the table."""
    return tfma.types.EvalSharedModel(
        model_name=name, model_type=tfma.constants.MATERIALIZED_PREDICTION
    )
