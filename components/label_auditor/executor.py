"""The work of LabelAuditor as TFX calls it: opens the artifacts, audits, writes."""

from __future__ import annotations

import logging
import time
from typing import Any

import tensorflow_transform as tft
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components.label_auditor.audit import LabelAudit, audit_labels, not_possible
from components.label_auditor.files import write_label_audit
from components.label_auditor.films import RunFilms
from components.radiograph_example_gen.film_list import read_film_list
from models import features
from models.hyperparameters import Task
from models.label_audit_settings import SWITCHED_OFF, LabelAuditSettings

_LOG = logging.getLogger(__name__)

EXAMPLES = "examples"
TRANSFORMED_EXAMPLES = "transformed_examples"
TRANSFORM_GRAPH = "transform_graph"
INGEST_REPORT = "ingest_report"
LABEL_AUDIT = "label_audit"

# Execution properties.
SETTINGS = "settings"  # JSON of LabelAuditSettings
TASK = "task"


class LabelAuditorExecutor(base_executor.BaseExecutor):
    """Lists the films whose label is doubtful; it removes none."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Audits, then writes the list, pictures and numbers.

        Args:
            input_dict: `examples`, `transformed_examples`, `transform_graph`, `ingest_report`.
            output_dict: `label_audit`.
            exec_properties: `SETTINGS` and `TASK`; the fingerprint only speaks to the cache.
        """
        settings = LabelAuditSettings.model_validate_json(exec_properties[SETTINGS])
        films = _films(input_dict)
        start = time.monotonic()
        audit = _audit(films, settings, exec_properties[TASK])
        _LOG.info("the label audit took %.1f s", time.monotonic() - start)
        uri = artifact_utils.get_single_uri(output_dict[LABEL_AUDIT])
        write_label_audit(audit, films, settings.films_shown, uri)


def _audit(films: RunFilms, settings: LabelAuditSettings, task: Task) -> LabelAudit:
    if not settings.enabled:
        return not_possible(SWITCHED_OFF)
    facts = films.facts()
    return audit_labels(facts, films.descriptions(facts), task, settings.folds)


def _films(input_dict: dict[str, list[Artifact]]) -> RunFilms:
    transformed = input_dict[TRANSFORMED_EXAMPLES]
    written = artifact_utils.decode_split_names(
        artifact_utils.get_single_instance(transformed).split_names
    )
    graph = artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH])
    return RunFilms(
        examples={
            split: artifact_utils.get_split_uris(input_dict[EXAMPLES], split)
            for split in features.SPLITS
        },
        transformed={split: artifact_utils.get_split_uris(transformed, split) for split in written},
        graph=tft.TFTransformOutput(graph),
        listed=read_film_list(artifact_utils.get_single_uri(input_dict[INGEST_REPORT])),
    )
