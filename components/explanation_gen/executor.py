"""The work of ExplanationGen as TFX calls it: opens the artifacts, explains, writes the index."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from components.explanation_gen.explained_model import ExplainedModel
from components.explanation_gen.explaining import explain_films
from components.explanation_gen.index import write_index
from models import features
from models.explanation_settings import ExplanationSettings

EXAMPLES = "examples"
MODEL = "model"
MODEL_RUN = "model_run"
EXPLANATIONS = "explanations"

SETTINGS = "settings"  # execution property, JSON of ExplanationSettings


class ExplanationGenExecutor(base_executor.BaseExecutor):
    """Shows where a model looks on a sample of test films."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Explains, then writes the index; where it is, all pictures are.

        Args:
            input_dict: `examples`, `model`, `model_run`.
            output_dict: `explanations`.
            exec_properties: `SETTINGS`; the fingerprint only speaks to the cache.
        """
        settings = ExplanationSettings.model_validate_json(exec_properties[SETTINGS])
        uri = artifact_utils.get_single_uri(output_dict[EXPLANATIONS])
        films = []
        if settings.films:
            saved_model = path_utils.serving_model_path(
                artifact_utils.get_single_uri(input_dict[MODEL])
            )
            model = ExplainedModel.open(
                saved_model, artifact_utils.get_single_uri(input_dict[MODEL_RUN])
            )
            test = artifact_utils.get_split_uris(input_dict[EXAMPLES], features.TEST)
            films = explain_films(model, test, settings, uri)
        write_index(films, uri)
