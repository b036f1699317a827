"""Which model a candidate has to stand up to."""

from __future__ import annotations

from ml_metadata.metadata_store import MetadataStore
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.types import Artifact

from components.audit_gate.executor import AUDITED

MODEL = "model"
MODEL_BLESSING = "model_blessing"
CANDIDATE = "candidate"


class LatestOtherBlessedModel(LatestBlessedModelStrategy):
    """Resolves the latest model that the AuditGate blessed and that is not the candidate itself.

    A blessing of the Evaluator alone is only half of one: such a model may have failed an
    audit, and was not pushed. And when nothing has changed, the cache hands out the model
    that the run before has blessed; compared with itself it would be evaluated and pushed
    once more.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Finds the baseline.

        Args:
            store: The metadata store.
            input_dict: All artifacts of `MODEL` and `MODEL_BLESSING`, and the `CANDIDATE`.

        Returns:
            The same keys; no model and no blessing where no other model is blessed.
        """
        candidates = input_dict[CANDIDATE]
        own_ids = {candidate.id for candidate in candidates}
        known = {
            MODEL: [model for model in input_dict[MODEL] if model.id not in own_ids],
            MODEL_BLESSING: [
                blessing
                for blessing in input_dict[MODEL_BLESSING]
                if blessing.get_int_custom_property(AUDITED)
            ],
        }
        return {**super().resolve_artifacts(store, known), CANDIDATE: candidates}
