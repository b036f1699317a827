"""The work of Auditor as TFX calls it: opens the artifacts, audits, writes."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from components.auditor.audit import Subject, audit_model, write_audit
from models import features
from models.audit_settings import AuditMeasures
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from models.records import read_record
from radiographs.options import IngestOptions

EXAMPLES = "examples"
MODEL = "model"
MODEL_RUN = "model_run"
TRANSFORMED_EXAMPLES = "transformed_examples"
TRANSFORM_GRAPH = "transform_graph"
AUDIT = "audit"

# Execution properties.
MEASURES = "measures"  # JSON of AuditMeasures
OPTIONS = "options"  # JSON of IngestOptions
EXTERNAL_FINGERPRINT = "external_fingerprint"  # changes with the films of the other site


class AuditorExecutor(base_executor.BaseExecutor):
    """Measures how far a model holds; what that is worth is judged by the AuditGate."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Audits and writes the audit.

        Args:
            input_dict: `examples`, `model`, `model_run`, `transformed_examples`,
                `transform_graph`.
            output_dict: `audit`.
            exec_properties: `MEASURES` and `OPTIONS`; the fingerprints only speak to the cache.

        Raises:
            DataError: If the folder of the other site cannot be used.
        """
        measures = AuditMeasures.model_validate_json(exec_properties[MEASURES])
        options = IngestOptions.model_validate_json(exec_properties[OPTIONS])
        films, findings = audit_model(_subject(input_dict), measures, options)
        write_audit(films, findings, artifact_utils.get_single_uri(output_dict[AUDIT]))


def _subject(input_dict: dict[str, list[Artifact]]) -> Subject:
    model = artifact_utils.get_single_instance(input_dict[MODEL])
    model_run_uri = artifact_utils.get_single_uri(input_dict[MODEL_RUN])
    record = read_record(model_run_uri)
    transformed = artifact_utils.get_split_uris(input_dict[TRANSFORMED_EXAMPLES], features.TRAIN)
    graph = tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH]))
    train, evaluated, test = (
        artifact_utils.get_split_uris(input_dict[EXAMPLES], split) for split in features.SPLITS
    )
    return Subject(
        served=tf.saved_model.load(path_utils.serving_model_path(model.uri)),
        hyperparameters=Hyperparameters.model_validate(record["hyperparameters"]),
        train_uris=train,
        eval_uris=evaluated,
        test_uris=test,
        transformed_train=TransformedFilms.open([f"{uri}/*" for uri in transformed], graph),
    )
