"""All runs of a work directory at a glance: a row each, from the account that a run leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from components.report_gen.svg import BAD, MODEL, MUTED, OTHER, drawing
from metrics.scores import AUC, CALIBRATION_ERROR, PRECISION, RECALL, SPECIFICITY

# Column title and name in the account.
RUN_COLUMNS = {
    "AUC": AUC,
    "recall": RECALL,
    "specificity": SPECIFICITY,
    "precision": PRECISION,
    "ECE": CALIBRATION_ERROR,
}
NO_ACCOUNT = "It left no account: it is still running, or it was killed."
_SPARKLINE_PX = (420, 110)


@dataclass(frozen=True)
class RunRow:
    """What came of a run.

    Attributes:
        run_id: Of the run.
        status: As its account has it, or `no account`.
        sentence: Why it stopped or was not pushed, or nothing.
        blessed: Whether every gate passed.
        pushed_version: Or nothing.
        films: Test films that were evaluated.
        metrics: By the names of `RUN_COLUMNS`; NaN where there is none.
        seconds: That its components took.
        root: Of the films.
        link: To its page, relative to the index, or nothing.
    """

    run_id: str
    status: str
    sentence: str = ""
    blessed: bool = False
    pushed_version: str = ""
    films: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    root: str = ""
    link: str = ""

    @property
    def auc(self) -> float:
        """Of the test films; NaN where it is not known."""
        return self.metrics.get(AUC, math.nan)


def row_of(run_id: str, account: Mapping[str, Any] | None, link: str) -> RunRow:
    """Returns the row of a run.

    Args:
        run_id: Of the run.
        account: Content of its `summary.json`; None where there is none.
        link: To its page, or nothing.

    Raises:
        AttributeError, TypeError or ValueError: If the account is none of this project's.
    """
    if account is None:
        return RunRow(run_id, "no account", NO_ACCOUNT, link=link)
    overall = (account.get("metrics") or {}).get("overall") or {}
    failed = [str(gate.get("why")) for gate in account.get("gates") or [] if not gate["passed"]]
    values = {name: overall.get(name) for name in RUN_COLUMNS.values()}
    return RunRow(
        run_id=run_id,
        status=str(account.get("status", "")),
        sentence=str(account.get("error") or next(iter(failed), "")),
        blessed=bool(account.get("blessed")),
        pushed_version=str(account.get("pushed_version", "")),
        films=int(overall.get("films") or 0),
        metrics={
            name: math.nan if value is None else float(value) for name, value in values.items()
        },
        seconds=sum((account.get("durations_seconds") or {}).values()),
        root=str((account.get("data") or {}).get("root", "")),
        link=link,
    )


def best_of(rows: Sequence[RunRow]) -> RunRow | None:
    """Returns the run of the highest AUC, the first of several; None where none has one."""
    measured = [row for row in rows if math.isfinite(row.auc)]
    return max(measured, key=lambda row: row.auc, default=None)


def auc_sparkline(rows: Sequence[RunRow]) -> Markup:
    """Draws the AUC over runs; blessed ones filled, the best one ringed.

    Args:
        rows: In the order of time.

    Returns:
        SVG; empty where no run has an AUC.
    """
    measured = [(place, row) for place, row in enumerate(rows) if math.isfinite(row.auc)]
    best = best_of(rows)
    if best is None:
        return Markup()
    with drawing("auc-over-runs", "AUC over runs, oldest first", _SPARKLINE_PX) as drawn:
        axes = drawn.axes
        axes.plot([place for place, _ in measured], [row.auc for _, row in measured], color=MUTED)
        for place, row in measured:
            colour = MODEL if row.blessed else BAD
            axes.plot(place, row.auc, "o", color=colour, mfc=colour if row.blessed else "none")
        axes.plot(rows.index(best), best.auc, "o", ms=12, color=OTHER, mfc="none")
        axes.set(xticks=[], ylabel="AUC")
        axes.margins(y=0.3)
    return drawn.svg
