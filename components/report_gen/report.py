"""What is known of a run, ready to be shown: from here on no file is opened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from components.evaluation.comparison import Comparison
from components.evaluation.slices import SliceMetrics
from components.explanation_gen.index import ExplainedFilm
from components.report_gen.distributions import Distribution
from components.report_gen.performance import Performance
from components.verdicts import Verdict


@dataclass(frozen=True)
class Outcome:
    """Where the model went.

    Attributes:
        evaluator_blessed: Whether TFMA's gates let it pass; None where they did not get to decide.
        blessed: Whether the gates of the audit did as well; None likewise.
        servable: Whether it answered like a server; None likewise.
        pushed_version: Version that it was pushed as, or empty.
        accepted_blind_test: The user's reason, where it overruled a gate.
    """

    evaluator_blessed: bool | None = None
    blessed: bool | None = None
    servable: bool | None = None
    pushed_version: str = ""
    accepted_blind_test: str = ""

    @property
    def pushed(self) -> bool:
        """Whether it went to the serving root."""
        return bool(self.pushed_version)

    @property
    def status(self) -> str:
        """`pushed`, `not blessed`, `not servable` or `stopped early`."""
        if self.pushed:
            return "pushed"
        if self.blessed is None:
            return "stopped early"
        return "not servable" if self.blessed else "not blessed"


@dataclass(frozen=True)
class DataFacts:
    """What became of the files.

    Attributes:
        ingest: Content of the ingest's file; empty where the run did not get there.
        quarantined: Path and reason of each unusable file.
        ignored: Path and reason of each file set aside.
        anomalies: `where`, `what` and `why` of each breach of the data contract.
        drift: What the films were compared with, every distance and the reason that overruled one;
            content of the data gate's file.
        distributions: By feature and split.
        styles_picture: PNG of the typical films of each style, or nothing.
    """

    ingest: Mapping[str, Any] = field(default_factory=dict)
    quarantined: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    anomalies: tuple[Mapping[str, str], ...] = ()
    drift: Mapping[str, Any] = field(default_factory=dict)
    distributions: tuple[Distribution, ...] = ()
    styles_picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Training:
    """How the model came about.

    Attributes:
        record: Hyperparameters, calibration, operating point, a row an epoch; may be empty.
        trials: A row a trial of the search, the best first; empty without a search.
    """

    record: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class LabelFacts:
    """Which labels are doubtful.

    Attributes:
        audit: Content of LabelAuditor's file; empty where it did not run.
        pictures: JPEG by the name that the films it shows give.
    """

    audit: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class RunFacts:
    """What the metadata store alone knows; on a service it stays empty.

    Attributes:
        run_id: Of the run.
        error: Why it stopped early, or nothing.
        started: When, in words.
        durations_seconds: Of each component.
        cached: Components that the cache answered for.
        lineage: Name and value: data root, code, parents.
        configuration: Value of each setting, by its dotted name.
    """

    run_id: str = ""
    error: str = ""
    started: str = ""
    durations_seconds: Mapping[str, float] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    lineage: tuple[tuple[str, str], ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    Attributes:
        outcome: Where the model went.
        data: What became of the files.
        training: How the model came about.
        performance: On the test films; None where they were not scored.
        slices: TFMA's metrics with the Auditor's intervals, all films first.
        verdicts: Every gate, failures first.
        comparison: What gates on changes rest on; None without an earlier blessed model.
        audit: Content of the Auditor's file; empty where it did not run.
        films: Explained test films.
        pictures: PNG or JPEG by the name that `films` gives.
        labels: What the films of others say of labels.
        swaps_picture: PNG of films whose frames were swapped, or nothing.
        artifacts: Name and address of each artifact that was read.
        absent: A sentence for each part that is missing or cannot be read.
        run: What the metadata store alone knows.
    """

    outcome: Outcome = Outcome()
    data: DataFacts = DataFacts()
    training: Training = Training()
    performance: Performance | None = None
    slices: tuple[SliceMetrics, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    comparison: Comparison | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)
    films: tuple[ExplainedFilm, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    labels: LabelFacts = LabelFacts()
    swaps_picture: bytes = field(default=b"", repr=False)
    artifacts: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()
    run: RunFacts = RunFacts()

    @property
    def title(self) -> str:
        """Names the run."""
        return f"Run {self.run.run_id}" if self.run.run_id else "Run report"

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers of the page; what is undefined is null."""
        content = {
            "status": self.outcome.status,
            "outcome": asdict(self.outcome),
            "data": {
                **self.data.ingest,
                "anomalies": list(self.data.anomalies),
                "drift": self.data.drift,
                "distributions": [asdict(one) for one in self.data.distributions],
            },
            "training": asdict(self.training),
            "performance": self.performance and asdict(self.performance),
            "slices": {
                one.name: {
                    "films": one.films,
                    "pneumonia_films": one.positives,
                    "metrics": one.metrics,
                    "intervals": one.intervals,
                }
                for one in self.slices
            },
            "gates": [asdict(verdict) for verdict in self.verdicts],
            "comparison": self.comparison and asdict(self.comparison),
            "audit": self.audit,
            "films": [asdict(film) for film in self.films],
            "label_audit": self.labels.audit,
            "artifacts": dict(self.artifacts),
            "absent": self.absent,
            "run": asdict(self.run),
        }
        return plain(content)


def plain(value: Any) -> Any:
    """Returns content as JSON has it: lists for arrays, null for what is no finite number."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
