"""The work of ReportGen as TFX calls it: names the artifacts, collects, renders, writes."""

from __future__ import annotations

import json
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components.audit_gate.executor import ACCEPTED_BLIND_TEST
from components.report_gen.collect import BLESSED, PUSHED, PUSHED_VERSION, collect
from components.report_gen.model_card import CARD_FILE, model_card
from components.report_gen.render import render
from components.report_gen.report import Report
from components.report_gen.sources import Source
from models.audit_settings import Evaluation
from models.remote_files import write_text

REPORT = "report"
GATES = "gates"  # execution property, JSON of Evaluation

PAGE_FILE = "index.html"
NUMBERS_FILE = "report.json"


class ReportGenExecutor(base_executor.BaseExecutor):
    """Writes the page of a run, its numbers and the model card."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Collects and writes.

        Args:
            input_dict: Artifacts by the names of `sources`; any may be missing.
            output_dict: `report`.
            exec_properties: `GATES`; the fingerprint only speaks to the cache.
        """
        sources = {name: source_of(found[0]) for name, found in input_dict.items() if found}
        report = collect(sources, Evaluation.model_validate_json(exec_properties[GATES]))
        write_report(report, artifact_utils.get_single_uri(output_dict[REPORT]))


def source_of(artifact: Artifact) -> Source:
    """Returns what a report wants to know of an artifact.

    Args:
        artifact: Of a run.
    """
    flags = {name: artifact.get_int_custom_property(name) for name in (BLESSED, PUSHED)}
    texts = {
        name: artifact.get_string_custom_property(name)
        for name in (PUSHED_VERSION, ACCEPTED_BLIND_TEST)
    }
    return Source(artifact.uri, {**flags, **texts}, artifact.id)


def write_report(report: Report, uri: str) -> None:
    """Writes `PAGE_FILE`, `NUMBERS_FILE` and `CARD_FILE`, each whole or not at all.

    Args:
        report: Of a run.
        uri: Folder of the artifact, which may be remote.
    """
    write_text(f"{uri}/{PAGE_FILE}", render(report))
    write_text(f"{uri}/{NUMBERS_FILE}", json.dumps(report.to_json(), indent=1, allow_nan=False))
    write_text(f"{uri}/{CARD_FILE}", model_card(report))
