"""The wiring, and what decides what the cache may serve."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from tfx import types
from tfx.types import standard_artifacts
from tfx.utils import dependency_utils

from models import source
from models.source import source_fingerprint
from pipeline.baseline import LatestOtherBlessedModel
from pipeline.beam import LOCAL_RUNNER, NO_IMAGE, beam_arguments
from pipeline.config import Beam, load_config
from pipeline.locations import WorkDirectory
from pipeline.pipeline import create_components

LOCATIONS = WorkDirectory(Path("work")).locations(Path("films"))


def component_ids(*overrides: str, with_baseline: bool = True) -> list[str]:
    strategy = LatestOtherBlessedModel if with_baseline else None
    config = load_config("standard", None, overrides)
    return [node.id for node in create_components(config, LOCATIONS, strategy)]


class TestComponents:
    def test_tuner_runs_or_its_result_is_imported(self) -> None:
        assert "ImportHyperparameters" in component_ids()
        searching = component_ids("tuner.enabled=true")
        assert "Tuner" in searching
        assert "ImportHyperparameters" not in searching
        plain = component_ids("tuner.hyperparameters=")
        assert {"Tuner", "ImportHyperparameters"}.isdisjoint(plain)

    @pytest.mark.parametrize("task", ["binary", "subtype"])
    def test_shipped_hyperparameters_are_those_of_the_task(self, task: str) -> None:
        config = load_config("standard", None, [f"task={task}"])
        nodes = {node.id: node for node in create_components(config, LOCATIONS, None)}
        folder = Path(nodes["ImportHyperparameters"].exec_properties["artifact_uri"])
        assert folder.parts[-2:] == ("tuned", task)
        assert [file.name for file in folder.iterdir()] == ["best_hyperparameters.txt"]

    def test_baseline_may_be_left_out(self) -> None:
        assert "LatestBlessedModel" in component_ids()
        assert "LatestBlessedModel" not in component_ids(with_baseline=False)

    def test_transform_waits_for_the_data_gate(self) -> None:
        nodes = {node.id: node for node in create_components(load_config(), LOCATIONS, None)}
        assert nodes["DataGate"] in nodes["Transform"].upstream_nodes


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
        return [model.id for model in resolved["model"]]

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


class TestFingerprint:
    @pytest.fixture(name="code")
    def make_code(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A tree of code in place of ours."""
        for package in ("components", "models", "pipeline", "radiographs"):
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text("")
        monkeypatch.setattr(source, "__file__", str(tmp_path / "models" / "source.py"))
        return tmp_path

    def test_stays_while_the_code_does(self, code: Path) -> None:
        before = source_fingerprint()
        (code / "models" / "notes.txt").write_text("not code")
        assert source_fingerprint() == before

    @pytest.mark.parametrize("package", ["components", "models", "radiographs"])
    def test_moves_with_the_code_that_components_run(self, code: Path, package: str) -> None:
        before = source_fingerprint()
        (code / package / "part.py").write_text("x = 1")
        assert source_fingerprint() != before


class TestBeamArguments:
    def test_one_worker_is_the_runner_alone(self) -> None:
        assert beam_arguments(Beam()) == [f"--runner={LOCAL_RUNNER}", NO_IMAGE]

    @pytest.mark.parametrize("settings", [Beam(), Beam(workers=2)])
    def test_tfx_packs_nothing_for_workers_of_this_machine(
        self, settings: Beam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        arguments = beam_arguments(settings)
        assert dependency_utils.make_beam_dependency_flags(arguments) == arguments
        assert list(tmp_path.iterdir()) == []

    def test_workers_are_processes_and_further_arguments_come_last(self) -> None:
        settings = Beam(workers=3, extra_args=("--runner=FlinkRunner",))
        assert beam_arguments(settings)[1:] == [
            "--direct_running_mode=multi_processing",
            "--direct_num_workers=3",
            "--runner=FlinkRunner",
        ]
