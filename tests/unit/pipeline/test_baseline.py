"""Which model a candidate is compared with."""

from __future__ import annotations

from typing import Any

import pytest
from tfx import types
from tfx.types import standard_artifacts

from pipeline.baseline import LatestOtherBlessedModel


class TestBaseline:
    def artifact(self, kind: type[types.Artifact], number: int, **properties: int) -> Any:
        one = kind()
        one.id = number
        for name, value in properties.items():
            one.set_int_custom_property(name, value)
        return one

    def resolve(self, candidate: int, blessed: set[int]) -> list[int]:
        models = [self.artifact(standard_artifacts.Model, number) for number in (1, 2, 3)]
        blessings = [
            self.artifact(
                standard_artifacts.ModelBlessing,
                10 + model.id,
                current_model_id=model.id,
                blessed=int(model.id in blessed),
                audited=1,
            )
            for model in models
        ]
        # The Evaluator was content with all of them, which is not enough.
        blessings += [
            self.artifact(
                standard_artifacts.ModelBlessing,
                20 + model.id,
                current_model_id=model.id,
                blessed=1,
            )
            for model in models
        ]
        given = {
            "model": models,
            "model_blessing": blessings,
            "candidate": [model for model in models if model.id == candidate],
        }
        resolved = LatestOtherBlessedModel().resolve_artifacts(None, given)
        assert resolved is not None
        assert [model.id for model in resolved["candidate"]] == [candidate]
        found = [model.id for model in resolved["model"]]
        # Each with the blessing that the Auditor gave.
        assert [one.id for one in resolved["model_blessing"]] == [10 + number for number in found]
        return found

    @pytest.mark.parametrize(
        ("candidate", "blessed", "baseline"),
        [
            (3, {1, 2}, [2]),
            (3, {1}, [1]),
            (3, {1, 3}, [1]),
            (1, {1, 2}, [2]),
            (3, {3}, []),
            (3, set(), []),
        ],
    )
    def test_is_the_latest_blessed_model_but_the_candidate(
        self, candidate: int, blessed: set[int], baseline: list[int]
    ) -> None:
        assert self.resolve(candidate, blessed) == baseline
