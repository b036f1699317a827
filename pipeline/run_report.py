"""The report of a run on this machine: its artifacts, and what the metadata store alone knows."""

from __future__ import annotations

import csv
import datetime
import io
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact

from components.data_gate.account import ANOMALIES_FILE
from components.radiograph_example_gen.report import QUARANTINE_FILE
from components.report_gen import sources as of
from components.report_gen.collect import collect
from components.report_gen.executor import PAGE_FILE
from components.report_gen.render import render
from components.report_gen.report import Report, RunFacts
from components.report_gen.sections import flat
from components.report_gen.sources import Source
from models.audit_settings import Evaluation
from models.source import source_fingerprint
from pipeline.lineage import durations, finished_components, run_inputs, run_outputs
from pipeline.locations import WorkDirectory
from pipeline.runs import CONFIG_FILE, Run, write_text

_LOG = logging.getLogger(__name__)

# Where each source of a report comes from: component and output.
_OUTPUTS = {
    of.INGEST: ("RadiographExampleGen", "report"),
    of.DATA_GATE: ("DataGate", "report"),
    of.STATISTICS: ("StatisticsGen", "statistics"),
    of.MODEL_RUN: ("Trainer", "model_run"),
    of.HYPERPARAMETERS: ("Tuner", "best_hyperparameters"),
    of.TUNER_RESULTS: ("Tuner", "tuner_results"),
    of.EVALUATION: ("Evaluator", "evaluation"),
    of.EVALUATOR_BLESSING: ("Evaluator", "blessing"),
    of.AUDIT: ("Auditor", "audit"),
    of.VERDICTS: ("AuditGate", "verdicts"),
    of.BLESSING: ("AuditGate", "blessing"),
    of.INFRA_BLESSING: ("ModelValidator", "blessing"),
    of.PUSHED_MODEL: ("Pusher", "pushed_model"),
    of.EXPLANATIONS: ("ExplanationGen", "explanations"),
    of.LABEL_AUDIT: ("LabelAuditor", "label_audit"),
}
_BASELINE = ("Evaluator", "baseline_model")


def report_of(work: WorkDirectory, run: Run, data_root: str, error: str = "") -> Report:
    """Reads a run.

    Args:
        work: Its work directory.
        run: The run, which may have stopped early.
        data_root: Films.
        error: Why it did, or nothing.

    Returns:
        The report, which says what is missing.
    """
    outputs = run_outputs(work.metadata, run.run_id)
    sources = {
        name: _source(outputs[output]) for name, output in _OUTPUTS.items() if output in outputs
    }
    config = json.loads((run.folder / CONFIG_FILE).read_text(encoding="utf-8"))
    report = collect(sources, Evaluation.model_validate(config["evaluation"]))
    facts = _facts(work, run, config, outputs, error)
    return replace(report, run=replace(facts, lineage=(("data root", data_root), *facts.lineage)))


def with_files(report: Report, files: Mapping[str, str]) -> Report:
    """Adds what a component that failed had found, of which the store keeps nothing.

    Args:
        report: Of `report_of`.
        files: Text by file name, of `pipeline.failures`.
    """
    data = report.data
    if ANOMALIES_FILE in files:
        data = replace(data, anomalies=tuple(json.loads(files[ANOMALIES_FILE])))
    if QUARANTINE_FILE in files:
        rows = csv.DictReader(io.StringIO(files[QUARANTINE_FILE]))
        data = replace(data, quarantined=tuple((row["path"], row["reason"]) for row in rows))
    return replace(report, data=data)


def write_page(report: Report, folder: Path) -> Path:
    """Writes the page of a run and returns it.

    Args:
        report: Of the run.
        folder: Created if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE_FILE
    write_text(page, render(report))
    return page


def write_failed_page(
    work: WorkDirectory, run: Run, data_root: str, error: str, files: Mapping[str, str]
) -> Path | None:
    """Writes the page of a run that stopped early, of as much as there is.

    Args:
        work: Its work directory.
        run: The run.
        data_root: Films.
        error: Why it stopped.
        files: What the component that failed had found, text by file name.

    Returns:
        The page; None where it cannot be written, as on a full disk, which is logged.
    """
    try:
        report = report_of(work, run, data_root, error)
        return write_page(with_files(report, files), run.report_folder)
    except Exception:  # the reason why the run stopped has to get out still
        _LOG.error("the report cannot be written", exc_info=True)
        return None


def _source(artifact: Artifact) -> Source:
    properties = {
        name: value.string_value if value.HasField("string_value") else int(value.int_value)
        for name, value in artifact.custom_properties.items()
    }
    return Source(artifact.uri, properties, artifact.id)


def _facts(
    work: WorkDirectory,
    run: Run,
    config: Mapping[str, Any],
    outputs: Mapping[tuple[str, str], Artifact],
    error: str,
) -> RunFacts:
    finished = finished_components(work.metadata, run.run_id)
    started = min((one.started for one in finished.values()), default=None)
    return RunFacts(
        run_id=run.run_id,
        error=error,
        started="" if started is None else _moment(started),
        durations_seconds=durations(finished),
        cached=tuple(sorted(component for component, one in finished.items() if one.cached)),
        lineage=tuple(_lineage(work, run, outputs)),
        configuration=flat(config),
    )


def _lineage(
    work: WorkDirectory, run: Run, outputs: Mapping[tuple[str, str], Artifact]
) -> Iterator[tuple[str, str]]:
    yield "run", run.run_id
    yield "code, SHA-256 begins with", source_fingerprint()
    baseline = run_inputs(work.metadata, run.run_id).get(_BASELINE)
    yield "compared with", f"#{baseline.id} {baseline.uri}" if baseline else "no earlier model"
    for (component, output), artifact in outputs.items():
        yield f"{component}.{output}", f"#{artifact.id} {artifact.uri}"


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")
