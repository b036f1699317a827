"""Which model a candidate is compared with: the latest blessed one that it is not itself."""

from __future__ import annotations

from ml_metadata import MetadataStore
from tfx import v1 as tfx
from tfx.types import Artifact

MODEL = "model"
MODEL_BLESSING = "model_blessing"
CANDIDATE = "candidate"


class BlessedBaselineStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """LatestBlessedModelStrategy that passes over the candidate.

    When nothing has changed, the Trainer's model comes from the cache and is itself the
    latest blessed one. Compared with itself, it would be evaluated and pushed anew.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Resolves the baseline.

        Args:
            store: Of the pipeline.
            input_dict: All models under `MODEL`, all blessings under `MODEL_BLESSING`, the
                model of this run under `CANDIDATE`.

        Returns:
            At most one model and its blessing, and the candidate as it came.
        """
        candidate = input_dict[CANDIDATE]
        own = {model.id for model in candidate}
        earlier = {
            MODEL: [model for model in input_dict[MODEL] if model.id not in own],
            MODEL_BLESSING: input_dict[MODEL_BLESSING],
        }
        return {**super().resolve_artifacts(store, earlier), CANDIDATE: candidate}
