"""The search starts from the configured settings and never leaves what is allowed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import keras_tuner as kt
import numpy as np
import pytest
from keras_tuner.engine.trial import TrialStatus
from tfx.components.tuner.executor import write_best_hyperparameters
from tfx.types import standard_artifacts

from models import training, tuning
from models.hyperparameters import Hyperparameters, with_tuned
from pipeline.config import load_config
from tests.support import LocalRun, shipped_hyperparameters

SEARCHED = {
    "train.learning_rate", "train.weight_decay", "train.label_smoothing", "train.mixup",
    "network.width", "network.block", "network.squeeze_excite", "network.dropout",
    "augmentation.erase",
}  # fmt: skip
# What the shipped files set beyond what is searched.
MORE_SHIPPED: dict[str, set[str]] = {
    "binary": set(),
    "subtype": {"train.epochs"},
}

EXTREMES = [
    Hyperparameters(),
    load_config("demo").hyperparameters,
    Hyperparameters.model_validate(
        {
            "network": {"width": 4, "depth": 2, "dropout": 0},
            "train": {"learning_rate": 1e-6},
            "augmentation": {"strength": 0},
        }
    ),
    Hyperparameters.model_validate(
        {"network": {"width": 128, "depth": 7, "dropout": 0.6}, "train": {"learning_rate": 1}}
    ),
]


def value_of(settings: Hyperparameters, name: str) -> float | str:
    part, setting = name.split(".")
    return getattr(getattr(settings, part), setting)


class TestPropose:
    @pytest.mark.parametrize("settings", EXTREMES)
    def test_first_proposal_is_what_is_configured(self, settings: Hyperparameters) -> None:
        space = kt.HyperParameters()
        assert tuning.propose(settings, space) == settings
        assert {one.name for one in space.space} == SEARCHED

    @pytest.mark.parametrize("settings", EXTREMES)
    def test_every_proposal_is_allowed_and_near(self, settings: Hyperparameters) -> None:
        space = kt.HyperParameters()
        tuning.propose(settings, space)
        seen: dict[str, set[float | str]] = {name: set() for name in SEARCHED}
        for seed in range(60):
            space.values = {
                one.name: one.random_sample(seed + 100 * number)
                for number, one in enumerate(space.space)
            }
            proposal = tuning.propose(settings, space)  # refuses what is not allowed
            rate = settings.train.learning_rate
            assert rate / 4 <= proposal.train.learning_rate <= 4 * rate
            for name in SEARCHED:
                seen[name].add(value_of(proposal, name))
        assert len(seen["train.learning_rate"]) > 30
        assert len(seen["network.width"]) > 1
        assert seen["network.block"] == {"plain", "residual"}
        assert seen["network.squeeze_excite"] == {False, True}

    @pytest.mark.parametrize(
        "network", [{"backbone": "mobilenet_v3"}, {"weights": "earlier.weights.h5"}]
    )
    def test_a_shape_that_is_given_is_not_searched(self, network: dict[str, str]) -> None:
        settings = Hyperparameters.model_validate({"network": network})
        space = kt.HyperParameters()
        assert tuning.propose(settings, space) == settings
        shape = {"network.width", "network.block", "network.squeeze_excite"}
        assert {one.name for one in space.space} == SEARCHED - shape

    def test_what_is_not_searched_stays(self) -> None:
        settings = load_config("demo", None, ["train.epochs=3", "train.seed=9"]).hyperparameters
        space = kt.HyperParameters()
        tuning.propose(settings, space)
        space.values = {one.name: one.random_sample(1) for one in space.space}
        proposal = tuning.propose(settings, space)
        back = {name: value_of(settings, name) for name in SEARCHED}
        assert proposal != settings
        assert with_tuned(proposal, back) == settings


class TestSearch:
    def make(
        self, pushed: LocalRun, folder: object, frozen_epochs: int = 0, **search: object
    ) -> kt.Tuner:
        settings = Hyperparameters.model_validate(
            {
                "preprocessing": {"image_size_px": 64},
                "network": {"width": 4, "depth": 3, "frozen_epochs": frozen_epochs},
            }
        )
        files = pushed.uri("Transform", "transformed_examples")
        given = SimpleNamespace(
            custom_config={
                training.HYPERPARAMETERS: settings.model_dump_json(),
                tuning.SEARCH: {"trials": 3, "epochs": 2, "max_steps_per_epoch": 1, **search},
            },
            transform_graph_path=str(pushed.uri("Transform", "transform_graph")),
            train_files=[f"{files}/Split-train/*"],
            eval_files=[f"{files}/Split-eval/*"],
            working_dir=str(folder),
        )
        return tuning.tuner_fn(given).tuner

    def test_bayesian_tries_the_configured_settings_first(
        self, pushed: LocalRun, tmp_path: object
    ) -> None:
        tuner = self.make(pushed, tmp_path, algorithm="bayesian")
        first = tuner.oracle.create_trial("one").hyperparameters.values
        second = tuner.oracle.create_trial("two").hyperparameters.values
        assert first["network.width"] == 4
        assert first["train.learning_rate"] == Hyperparameters().train.learning_rate
        assert second != first
        assert tuner.oracle.max_trials == 3

    def test_hyperband_spends_the_epochs_of_the_config(
        self, pushed: LocalRun, tmp_path: object
    ) -> None:
        tuner = self.make(pushed, tmp_path, algorithm="hyperband")
        assert isinstance(tuner, kt.Hyperband)
        assert tuner.oracle.max_epochs == 2
        assert tuner.oracle.objective == kt.Objective(tuning.OBJECTIVE, "min")

    def test_hyperband_ends_in_settings_that_can_be_trained(
        self, pushed: LocalRun, tmp_path: Path
    ) -> None:
        tuner = self.make(pushed, tmp_path, algorithm="hyperband")
        tuner.search()
        found, results = standard_artifacts.HyperParameters(), standard_artifacts.TunerResults()
        found.uri, results.uri = str(tmp_path / "found"), str(tmp_path / "results")
        write_best_hyperparameters(
            tuner, {"best_hyperparameters": [found], "tuner_results": [results]}
        )
        text = (tmp_path / "found" / "best_hyperparameters.txt").read_text(encoding="utf-8")
        values = json.loads(text)["values"]
        assert any(name.startswith("tuner/") for name in values)
        tuned = with_tuned(Hyperparameters(), values)
        assert {name: value_of(tuned, name) for name in SEARCHED} == {
            name: values[name] for name in SEARCHED
        }

    def test_a_trial_trains_as_long_as_it_may(self, pushed: LocalRun, tmp_path: object) -> None:
        tuner = self.make(pushed, tmp_path, algorithm="bayesian")
        trial = tuner.oracle.create_trial("one")
        network = tuner.hypermodel.build(trial.hyperparameters)
        reached = tuner.hypermodel.fit(trial.hyperparameters, network)
        assert set(reached) == {tuning.OBJECTIVE}
        assert 0 < reached[tuning.OBJECTIVE] < math.log(2) + 0.05
        assert int(network.optimizer.iterations) == 2  # one step in each of two epochs

    @pytest.mark.parametrize(
        ("frozen_epochs", "steps"),
        [(1, 1), (2, 2)],  # the second phase has an optimiser, and steps, of its own
    )
    def test_the_backbone_waits_in_a_trial_too(
        self, pushed: LocalRun, tmp_path: object, frozen_epochs: int, steps: int
    ) -> None:
        tuner = self.make(pushed, tmp_path, frozen_epochs, algorithm="bayesian")
        trial = tuner.oracle.create_trial("one")
        network = tuner.hypermodel.build(trial.hyperparameters)
        before = network.get_layer("convolution_0").get_weights()[0]
        tuner.hypermodel.fit(trial.hyperparameters, network)
        moved = np.abs(network.get_layer("convolution_0").get_weights()[0] - before).max() > 0
        assert moved == (frozen_epochs == 1)
        assert int(network.optimizer.iterations) == steps

    def test_hyperband_takes_up_a_trial_that_was_frozen(
        self, pushed: LocalRun, tmp_path: object
    ) -> None:
        tuner = self.make(pushed, tmp_path, 1, algorithm="hyperband", epochs=3)
        tuner.search()
        trials = tuner.oracle.trials.values()
        assert {trial.status for trial in trials} == {TrialStatus.COMPLETED}
        went_on = [one for one in trials if "tuner/trial_id" in one.hyperparameters.values]
        assert went_on
        assert all(0 < trial.score < 1 for trial in went_on)

    def test_hyperband_goes_on_in_the_phase_it_stopped_in(
        self, pushed: LocalRun, tmp_path: object
    ) -> None:
        tuner = self.make(pushed, tmp_path, 1, algorithm="hyperband")
        trial = tuner.oracle.create_trial("one")
        network = tuner.hypermodel.build(trial.hyperparameters)
        before = network.get_layer("convolution_0").get_weights()[0]
        tuner.hypermodel.fit(trial.hyperparameters, network, initial_epoch=0, epochs=1)
        after = network.get_layer("convolution_0").get_weights()[0]
        np.testing.assert_array_equal(after, before)
        tuner.hypermodel.fit(trial.hyperparameters, network, initial_epoch=1, epochs=2)
        assert np.abs(network.get_layer("convolution_0").get_weights()[0] - before).max() > 0
        assert int(network.optimizer.iterations) == 1


class TestArtifacts:
    def test_the_only_trial_of_the_shared_run_is_the_configured_one(self, pushed: LocalRun) -> None:
        found = pushed.uri("Tuner", "best_hyperparameters") / "best_hyperparameters.txt"
        values = json.loads(found.read_text(encoding="utf-8"))["values"]
        config = json.loads((pushed.folder / "config.json").read_text(encoding="utf-8"))
        configured = {part: config[part] for part in Hyperparameters.model_fields}
        settings = Hyperparameters.model_validate(configured)
        assert {name: values[name] for name in SEARCHED} == {
            name: value_of(settings, name) for name in SEARCHED
        }

    @pytest.mark.parametrize("task", ["binary", "subtype"])
    def test_the_shipped_one_is_made_of_allowed_settings(self, task: str) -> None:
        shipped = shipped_hyperparameters(task)
        config = load_config("standard", None, [f"task={task}"])
        tuned = with_tuned(config.hyperparameters, shipped["values"])
        assert set(shipped["values"]) - SEARCHED == MORE_SHIPPED[task]
        assert set(shipped["values"]) >= SEARCHED
        for name, value in shipped["values"].items():
            assert value_of(tuned, name) == value
        restored = kt.HyperParameters.from_config(shipped)
        assert {one.name for one in restored.space} == set(shipped["values"])
