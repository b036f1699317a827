"""What a report is read from: artifacts by name, as a component and the metadata store know them.

A run that stopped early has few of them, an earlier version of this project had others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INGEST = "ingest_report"
DATA_GATE = "data_gate_report"
STATISTICS = "statistics"
MODEL_RUN = "model_run"
HYPERPARAMETERS = "hyperparameters"
TUNER_RESULTS = "tuner_results"
EVALUATION = "evaluation"
EVALUATOR_BLESSING = "evaluator_blessing"
AUDIT = "audit"
VERDICTS = "verdicts"
BLESSING = "blessing"
INFRA_BLESSING = "infra_blessing"
PUSHED_MODEL = "pushed_model"
EXPLANATIONS = "explanations"
LABEL_AUDIT = "label_audit"

# What each is called in a sentence.
NAMES = {
    INGEST: "the account of the ingest",
    DATA_GATE: "the account of the data gate",
    STATISTICS: "the statistics of the films",
    MODEL_RUN: "the record of the training",
    HYPERPARAMETERS: "the hyperparameters that were searched or imported",
    TUNER_RESULTS: "the trials of the search",
    EVALUATION: "the evaluation",
    EVALUATOR_BLESSING: "the blessing of the Evaluator",
    AUDIT: "the audit",
    VERDICTS: "the verdicts of the audit gates",
    BLESSING: "the blessing of the AuditGate",
    INFRA_BLESSING: "the blessing of the ModelValidator",
    PUSHED_MODEL: "the outcome of the push",
    EXPLANATIONS: "the explained films",
    LABEL_AUDIT: "the audit of the labels",
}
# Not missed where they are not there: a run without a search has none.
OPTIONAL = (HYPERPARAMETERS, TUNER_RESULTS)
# What is known before the push, for the card that goes with it. The Pusher has the blessings.
OF_A_CARD = (INGEST, STATISTICS, MODEL_RUN, EVALUATION, AUDIT, VERDICTS)


@dataclass(frozen=True)
class Source:
    """An artifact.

    Attributes:
        uri: Its folder, which may be remote.
        properties: What its component said of it, numbers as well as texts.
        identity: Of the metadata store; 0 where it is not known.
    """

    uri: str
    properties: Mapping[str, int | str] = field(default_factory=dict)
    identity: int = 0

    def flag(self, name: str) -> bool:
        """Whether a property is 1."""
        return self.properties.get(name) == 1

    def text(self, name: str) -> str:
        """Returns a property, or nothing."""
        return str(self.properties.get(name, ""))


Sources = Mapping[str, Source]  # by the names above
