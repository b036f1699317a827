"""The account of a run: `summary.json`, and what the terminal and the report show."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact

from components.audit_gate.executor import ACCEPTED_BLIND_TEST, VERDICTS_FILE
from components.auditor.findings import AUDIT_FILE, FRAME_SWAPS_FILE
from components.data_gate.account import DRIFT_FILE
from components.data_gate.executor import ACCEPTED_DRIFT
from components.radiograph_example_gen.report import INGEST_FILE
from components.radiograph_example_gen.styles import STYLES_PICTURE
from components.verdicts import Verdict
from models.records import TRAINING_RECORD
from pipeline.comparison import Comparison, comparison_of
from pipeline.config import Evaluation
from pipeline.gates import read_verdicts
from pipeline.lineage import durations, finished_components, run_outputs
from pipeline.slices import OVERALL, SliceMetrics, load_slices


@dataclass(frozen=True)
class Summary:
    """What came of a run.

    Attributes:
        run_id: Of the run.
        status: `pushed`, `not blessed` or `not servable`.
        blessed: Whether all gates passed.
        servable: Whether ModelValidator could use the model like a server.
        pushed_version: Version under the serving root, or empty.
        data: Root, layout, images and patients by split, rejected files, notes.
        slices: Metrics by slice, the overall one first.
        verdicts: Every gate.
        comparison: What gates on changes rest on; None without an earlier blessed model.
        audit: What the Auditor found: intervals, acquisition changes, other site, controls.
        swaps_picture: PNG of test films whose frames were swapped, or nothing.
        styles_picture: PNG of the typical films of each style, or nothing.
        accepted_blind_test: The user's reason, as the metadata store has it, where it overruled a
            gate.
        drift: What the films were compared with, every distance, and the reason of a person who
            overruled one, as the metadata store has it: content of `drift.json`.
        training: Hyperparameters, calibration and operating point.
        cached: Components that the cache answered for.
        durations_seconds: Of each component, to a tenth of a second.
    """

    run_id: str
    status: str
    blessed: bool = False
    servable: bool = False
    pushed_version: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    slices: list[SliceMetrics] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    comparison: Comparison | None = None
    audit: dict[str, Any] = field(default_factory=dict)
    swaps_picture: bytes = b""
    styles_picture: bytes = b""
    accepted_blind_test: str = ""
    drift: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    durations_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def pushed(self) -> bool:
        """Whether the model went to the serving directory."""
        return bool(self.pushed_version)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `summary.json`; what is undefined is null."""
        by_name = {one.name: _metrics_json(one) for one in self.slices}
        return {
            "run_id": self.run_id,
            "status": self.status,
            "error": "",
            "blessed": self.blessed,
            "servable": self.servable,
            "pushed": self.pushed,
            "pushed_version": self.pushed_version,
            "data": self.data,
            "metrics": {
                OVERALL: by_name.pop(OVERALL, {}),
                "slices": by_name,
            },
            "gates": [
                {**asdict(verdict), "value": _or_null(verdict.value)} for verdict in self.verdicts
            ],
            "accepted_blind_test": self.accepted_blind_test,
            "drift": self.drift,
            "comparison": asdict(self.comparison) if self.comparison else None,
            "audit": {
                name: self.audit.get(name)
                for name in ("model", "shifts", "external", "controls", "frame_swaps")
            },
            "operating_point": self.training.get("operating_point", {}),
            "calibration": self.training.get("calibration", {}),
            "hyperparameters": self.training.get("hyperparameters", {}),
            "cached": self.cached,
            "durations_seconds": self.durations_seconds,
        }


def summarise(metadata_file: Path, run_id: str, data_root: Path, gates: Evaluation) -> Summary:
    """Collects what a finished run left behind.

    Args:
        metadata_file: The store of the work directory.
        run_id: Of the run.
        data_root: Films.
        gates: What the model had to reach.

    Returns:
        The account.
    """
    outputs = run_outputs(metadata_file, run_id)
    finished = finished_components(metadata_file, run_id)
    evaluation_uri = outputs[("Evaluator", "evaluation")].uri
    ingest_report = outputs[("RadiographExampleGen", "report")]
    data_gate = outputs.get(("DataGate", "report"))
    audit = read_audit(outputs)
    slices = load_slices(evaluation_uri, audited_intervals(audit))
    version = _pushed_version(outputs.get(("Pusher", "pushed_model")))
    blessing = outputs.get(("AuditGate", "blessing"))
    blessed = _is_blessed(blessing)
    return Summary(
        run_id=run_id,
        status="pushed" if version else "not blessed" if not blessed else "not servable",
        blessed=blessed,
        servable=_is_blessed(outputs.get(("ModelValidator", "blessing"))),
        pushed_version=version,
        data={"root": str(data_root), **_read_json(ingest_report, INGEST_FILE)},
        slices=slices,
        verdicts=read_verdicts(evaluation_uri, slices, gates, audit),
        comparison=comparison_of(slices[0], gates),
        audit=audit,
        swaps_picture=_read_picture(outputs.get(("Auditor", "audit")), FRAME_SWAPS_FILE),
        styles_picture=_read_picture(ingest_report, STYLES_PICTURE),
        accepted_blind_test=_accepted(blessing, ACCEPTED_BLIND_TEST),
        drift={
            **_read_json(data_gate, DRIFT_FILE),
            "accepted": _accepted(data_gate, ACCEPTED_DRIFT),
        },
        training=_read_json(outputs.get(("Trainer", "model_run")), TRAINING_RECORD),
        cached=sorted(component for component, one in finished.items() if one.cached),
        durations_seconds=durations(finished),
    )


def read_audit(outputs: Mapping[tuple[str, str], Artifact]) -> dict[str, Any]:
    """Returns what the Auditor and the AuditGate of a run wrote, or nothing if they did not run.

    Args:
        outputs: Of `pipeline.lineage.run_outputs`.

    Returns:
        Content of the audit and, as `gates`, the verdicts.
    """
    audit = _read_json(outputs.get(("Auditor", "audit")), AUDIT_FILE)
    gates = _read_json(outputs.get(("AuditGate", "verdicts")), VERDICTS_FILE)
    return {**audit, "gates": list(gates)}


def audited_intervals(audit: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the intervals of an audit by slice and metric.

    Args:
        audit: Of `read_audit`.
    """
    return {name: one["intervals"] for name, one in audit.get("slices", {}).items()}


def _read_picture(artifact: Artifact | None, name: str) -> bytes:
    file = Path(artifact.uri) / name if artifact else None
    return file.read_bytes() if file and file.exists() else b""


def _metrics_json(one: SliceMetrics) -> dict[str, Any]:
    values: dict[str, Any] = {"films": one.films, "pneumonia_films": one.positives}
    for name, value in one.metrics.items():
        values[name] = _or_null(value)
        if name in one.intervals:
            values[f"{name}_interval"] = list(one.intervals[name])
    return values


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _is_blessed(blessing: Artifact | None) -> bool:
    return blessing is not None and blessing.custom_properties["blessed"].int_value == 1


def _accepted(artifact: Artifact | None, property_name: str) -> str:
    """Returns the reason that the metadata store has, or nothing."""
    known = {} if artifact is None else artifact.custom_properties
    return known[property_name].string_value if property_name in known else ""


def _pushed_version(pushed_model: Artifact | None) -> str:
    if pushed_model is None or pushed_model.custom_properties["pushed"].int_value != 1:
        return ""
    return pushed_model.custom_properties["pushed_version"].string_value


def _read_json(artifact: Artifact | None, name: str) -> Any:
    file = Path(artifact.uri) / name if artifact else None
    return json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
