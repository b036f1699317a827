"""The account of a run: `summary.json`, and what the terminal shows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.evaluation.comparison import Comparison
from components.evaluation.slices import OVERALL, SliceMetrics
from components.report_gen.report import Report
from components.verdicts import Verdict

_AUDITED = ("model", "shifts", "external", "controls", "missing_controls", "frame_swaps", "lesions")


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
        accepted_blind_test: The user's reason, as the metadata store has it, where it overruled a
            gate.
        drift: What the films were compared with, every distance, and the reason of a person who
            overruled one, as the metadata store has it: content of `drift.json`.
        labels: Which labels are doubtful, in numbers; the films are in `label_audit.csv`.
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
    accepted_blind_test: str = ""
    drift: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
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
            "label_audit": self.labels,
            "comparison": asdict(self.comparison) if self.comparison else None,
            "audit": {name: self.audit.get(name) for name in _AUDITED},
            "operating_point": self.training.get("operating_point", {}),
            "calibration": self.training.get("calibration", {}),
            "hyperparameters": self.training.get("hyperparameters", {}),
            "cached": self.cached,
            "durations_seconds": self.durations_seconds,
        }


def summarise(report: Report, data_root: Path) -> Summary:
    """Sums up a finished run.

    Args:
        report: All that is known of it.
        data_root: Films.

    Returns:
        The account.
    """
    return Summary(
        run_id=report.run.run_id,
        status=report.outcome.status,
        blessed=bool(report.outcome.blessed),
        servable=bool(report.outcome.servable),
        pushed_version=report.outcome.pushed_version,
        data={"root": str(data_root), **report.data.ingest},
        slices=list(report.slices),
        verdicts=list(report.verdicts),
        comparison=report.comparison,
        audit=dict(report.audit),
        accepted_blind_test=report.outcome.accepted_blind_test,
        drift=dict(report.data.drift),
        labels={name: one for name, one in report.labels.audit.items() if name != "shown"},
        training=dict(report.training.record),
        cached=list(report.run.cached),
        durations_seconds=dict(report.run.durations_seconds),
    )


def _metrics_json(one: SliceMetrics) -> dict[str, Any]:
    values: dict[str, Any] = {"films": one.films, "pneumonia_films": one.positives}
    for name, value in one.metrics.items():
        values[name] = _or_null(value)
        if name in one.intervals:
            values[f"{name}_interval"] = list(one.intervals[name])
    return values


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
