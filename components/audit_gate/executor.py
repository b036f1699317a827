"""The work of AuditGate: reads an audit, judges, blesses."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict
from typing import Any

import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from components.audit_gate.gates import judge
from components.auditor.findings import AUDIT_FILE, Findings
from components.verdicts import Verdict
from models.audit_settings import AuditFloors
from models.remote_files import write_text

_LOG = logging.getLogger(__name__)

AUDIT = "audit"
MODEL = "model"
EVALUATOR_BLESSING = "evaluator_blessing"
VERDICTS = "verdicts"
BLESSING = "blessing"

FLOORS = "floors"  # execution property, JSON of AuditFloors

# Properties of the blessing.
AUDITED = "audited"  # tells it from the Evaluator's
ACCEPTED_BLIND_TEST = "accepted_blind_test"  # the user's reason, where one overruled a gate
VERDICTS_FILE = "verdicts.json"


class AuditGateExecutor(base_executor.BaseExecutor):
    """Blesses a model that the Evaluator has blessed and that every audit gate lets pass."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Judges, then writes the verdicts and the blessing.

        Args:
            input_dict: `audit`, `model`, `evaluator_blessing`.
            output_dict: `verdicts` and `blessing`.
            exec_properties: `FLOORS`; the fingerprint only speaks to the cache.
        """
        floors = AuditFloors.model_validate_json(exec_properties[FLOORS])
        audit_uri = artifact_utils.get_single_uri(input_dict[AUDIT])
        with tf.io.gfile.GFile(os.path.join(audit_uri, AUDIT_FILE)) as file:
            findings = Findings.from_json(json.loads(file.read()))
        verdicts = judge(floors, findings)
        for verdict in verdicts:
            _LOG.log(logging.INFO if verdict.passed else logging.WARNING, "%s", verdict.why)
        write_verdicts(verdicts, artifact_utils.get_single_uri(output_dict[VERDICTS]))
        evaluated = artifact_utils.get_single_instance(input_dict[EVALUATOR_BLESSING])
        _bless(
            artifact_utils.get_single_instance(output_dict[BLESSING]),
            artifact_utils.get_single_instance(input_dict[MODEL]),
            all(verdict.passed for verdict in verdicts) and _is_blessed(evaluated),
            next((verdict.accepted for verdict in verdicts if verdict.accepted), ""),
        )


def write_verdicts(verdicts: list[Verdict], uri: str) -> None:
    """Writes `VERDICTS_FILE`; a value that is not defined is null.

    Args:
        verdicts: Of `judge`.
        uri: Folder of the artifact.
    """
    rows = [{**asdict(one), "value": one.value if one.is_defined else None} for one in verdicts]
    text = json.dumps(rows, indent=2, allow_nan=False)
    write_text(os.path.join(uri, VERDICTS_FILE), text)


def _is_blessed(blessing: Artifact) -> bool:
    key = constants.ARTIFACT_PROPERTY_BLESSED_KEY
    return blessing.get_int_custom_property(key) == constants.BLESSED_VALUE


def _bless(blessing: Artifact, model: Artifact, blessed: bool, accepted: str) -> None:
    """Writes what TFX's Evaluator writes, which Pusher and resolvers look for, and the reason."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_int_custom_property(AUDITED, 1)
    if accepted:
        blessing.set_string_custom_property(ACCEPTED_BLIND_TEST, accepted)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
    )
