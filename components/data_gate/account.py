"""What the DataGate says of a comparison: in files, in the log, and to the person it stops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.data_gate.drift import Distance
from radiographs.leaks import Anomaly, breach_sentence

ANOMALIES_FILE = "anomalies.json"
DRIFT_FILE = "drift.json"


@dataclass(frozen=True)
class Comparison:
    """What the films of a run were compared with, and how far they lie from it.

    Attributes:
        previous: URI of the statistics of the data accepted before, or nothing.
        serving: URI of the statistics of what was served, or nothing.
        notes: Why something was not compared.
        distances: All that was measured.
    """

    previous: str
    serving: str
    notes: tuple[str, ...]
    distances: tuple[Distance, ...]

    @property
    def anomalies(self) -> list[Anomaly]:
        """What lies too far."""
        return [_anomaly(one) for one in self.distances if one.is_exceeded]

    def lines(self, reason: str) -> list[str]:
        """Returns what the log is told.

        Args:
            reason: Why a person accepts what lies too far; nothing where nobody does.
        """
        if self.anomalies:
            return [*self.notes, *map(str, self.anomalies), f"accepted: {reason}"]
        if not self.distances:
            return list(self.notes)
        largest = max(self.distances, key=lambda one: one.value / one.threshold)
        return [*self.notes, f"nothing has drifted; nearest to it: {_anomaly(largest)}"]

    def content(self, reason: str) -> dict[str, Any]:
        """Returns the content of `DRIFT_FILE`.

        Args:
            reason: As of `lines`.
        """
        return {
            "previous_statistics": self.previous,
            "serving_statistics": self.serving,
            "notes": list(self.notes),
            "accepted": reason if self.anomalies else "",
            "distances": [{**asdict(one), "exceeded": one.is_exceeded} for one in self.distances],
        }


def account_files(
    breaches: Sequence[Anomaly], comparison: Comparison, reason: str
) -> dict[str, str]:
    """Returns the files of the report, text by name.

    Args:
        breaches: Of the contract.
        comparison: With other data.
        reason: Why a person accepts what lies too far; nothing where nobody does.
    """
    accepted = f"; accepted: {reason}" if reason else ""
    moved = [Anomaly(one.where, one.what, one.why + accepted) for one in comparison.anomalies]
    anomalies = [asdict(one) for one in (*breaches, *moved)]
    return {
        ANOMALIES_FILE: json.dumps(anomalies, indent=2),
        DRIFT_FILE: json.dumps(comparison.content(reason), indent=2),
    }


def stop_sentence(breaches: Sequence[Anomaly], moved: Sequence[Anomaly]) -> str:
    """Returns what a person is told of a run that is stopped.

    Args:
        breaches: Of the contract, which nobody can overrule.
        moved: What lies too far from other data, and nobody has accepted.
    """
    parts = [breach_sentence(breaches)] if breaches else []
    if moved:
        listed = "\n".join(f"  - {anomaly}" for anomaly in moved)
        parts.append(
            f"the films differ from those before:\n{listed}\nlook at them; where the change is "
            "meant, --accept-data REASON or data_gate.accept_drift=REASON lets them pass"
        )
    return "\n".join(parts)


def _anomaly(distance: Distance) -> Anomaly:
    return Anomaly(distance.split, distance.feature, str(distance))
