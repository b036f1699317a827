"""The work of Auditor as TFX calls it: audits, writes, blesses."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from components.auditor.audit import Subject, audit_model, write_audit
from models import features
from models.audit_settings import AuditSettings
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms
from models.records import TRAINING_RECORD
from radiographs.options import IngestOptions

_LOG = logging.getLogger(__name__)

EXAMPLES = "examples"
MODEL = "model"
MODEL_RUN = "model_run"
TRANSFORMED_EXAMPLES = "transformed_examples"
TRANSFORM_GRAPH = "transform_graph"
EVALUATOR_BLESSING = "evaluator_blessing"
AUDIT = "audit"
BLESSING = "blessing"

# Execution properties.
SETTINGS = "settings"  # JSON of AuditSettings
OPTIONS = "options"  # JSON of IngestOptions
EXTERNAL_FINGERPRINT = "external_fingerprint"  # changes with the films of the other site

AUDITED = "audited"  # property that tells this blessing from the Evaluator's


class AuditorExecutor(base_executor.BaseExecutor):
    """Blesses a model that the Evaluator has blessed and that every audit gate lets pass."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Audits, then writes the audit and the blessing.

        Args:
            input_dict: `examples`, `model`, `model_run`, `transformed_examples`,
                `transform_graph`, `evaluator_blessing`.
            output_dict: `audit` and `blessing`.
            exec_properties: `SETTINGS` and `OPTIONS`; the fingerprints only speak to the cache.

        Raises:
            DataError: If the folder of the other site cannot be used.
        """
        settings = AuditSettings.model_validate_json(exec_properties[SETTINGS])
        options = IngestOptions.model_validate_json(exec_properties[OPTIONS])
        audit = audit_model(_subject(input_dict), settings, options)
        write_audit(audit, artifact_utils.get_single_uri(output_dict[AUDIT]))
        for verdict in audit.verdicts:
            _LOG.log(logging.INFO if verdict.passed else logging.WARNING, "%s", verdict.why)
        evaluated = artifact_utils.get_single_instance(input_dict[EVALUATOR_BLESSING])
        _bless(
            artifact_utils.get_single_instance(output_dict[BLESSING]),
            artifact_utils.get_single_instance(input_dict[MODEL]),
            audit.passed and _is_blessed(evaluated),
        )


def _subject(input_dict: dict[str, list[Artifact]]) -> Subject:
    model = artifact_utils.get_single_instance(input_dict[MODEL])
    model_run_uri = artifact_utils.get_single_uri(input_dict[MODEL_RUN])
    with tf.io.gfile.GFile(os.path.join(model_run_uri, TRAINING_RECORD)) as file:
        record = json.loads(file.read())
    transformed = artifact_utils.get_split_uris(input_dict[TRANSFORMED_EXAMPLES], features.TRAIN)
    graph = tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH]))
    return Subject(
        served=tf.saved_model.load(path_utils.serving_model_path(model.uri)),
        hyperparameters=Hyperparameters.model_validate(record["hyperparameters"]),
        train_uris=artifact_utils.get_split_uris(input_dict[EXAMPLES], features.TRAIN),
        test_uris=artifact_utils.get_split_uris(input_dict[EXAMPLES], features.TEST),
        transformed_train=TransformedFilms.open([f"{uri}/*" for uri in transformed], graph),
    )


def _is_blessed(blessing: Artifact) -> bool:
    key = constants.ARTIFACT_PROPERTY_BLESSED_KEY
    return blessing.get_int_custom_property(key) == constants.BLESSED_VALUE


def _bless(blessing: Artifact, model: Artifact, blessed: bool) -> None:
    """Writes what TFX's Evaluator writes, which Pusher and resolvers look for."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_int_custom_property(AUDITED, 1)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
    )
