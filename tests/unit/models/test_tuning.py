"""The search starts from the configured settings and never leaves what is allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner.engine.trial import TrialStatus
from tfx.components.tuner.executor import write_best_hyperparameters
from tfx.types import standard_artifacts

from models import features, training, tuning
from models.hyperparameters import Hyperparameters, with_tuned
from models.input_pipeline import TransformedFilms
from pipeline.config import load_config
from tests.support import LocalRun, shipped_hyperparameters
from tests.unit.models.drawn_films import DrawnTransform, damage, make_settings

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


class TestTrial:
    def test_learns_by_the_worst_group_where_a_training_does(
        self, drawn: tuple[TransformedFilms, TransformedFilms]
    ) -> None:
        settings = make_settings(
            epochs=1, max_steps_per_epoch=1, objective="worst_group", group_by="style"
        )
        trial, space = tuning.Trial(settings, *drawn), kt.HyperParameters()
        network = trial.build(space)
        reached = trial.fit(space, network)
        assert np.isfinite(reached[tuning.OBJECTIVE])
        weights = network.loss.group_weights.numpy()
        assert weights.shape == (4,) and np.ptp(weights) > 0


class _Searches:
    @pytest.fixture(autouse=True)
    def read_drawn_films(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Transform's output is of no matter to a search but for how films are read."""
        monkeypatch.setattr(tuning.tft, "TFTransformOutput", lambda _: DrawnTransform())

    def make(
        self,
        split_files: Mapping[str, str],
        folder: object,
        frozen_epochs: int = 0,
        **search: object,
    ) -> kt.Tuner:
        settings = make_settings(frozen_epochs)
        given = SimpleNamespace(
            custom_config={
                training.HYPERPARAMETERS: settings.model_dump_json(),
                training.CHECKPOINT_ROOT: f"{folder}/checkpoints",
                training.SOURCE_FINGERPRINT: "code",
                training.IMPORTED: "nothing",
                tuning.SEARCH: {"trials": 3, "epochs": 2, "max_steps_per_epoch": 1, **search},
            },
            transform_graph_path="transform/1",
            train_files=[split_files[features.TRAIN]],
            eval_files=[split_files[features.EVAL]],
            working_dir=str(folder),
        )
        return tuning.tuner_fn(given).tuner


class TestSearch(_Searches):
    def test_bayesian_tries_the_configured_settings_first(
        self, split_files: Mapping[str, str], tmp_path: object
    ) -> None:
        tuner = self.make(split_files, tmp_path, algorithm="bayesian")
        first = tuner.oracle.create_trial("one").hyperparameters.values
        second = tuner.oracle.create_trial("two").hyperparameters.values
        assert first["network.width"] == 4
        assert first["train.learning_rate"] == Hyperparameters().train.learning_rate
        assert second != first
        assert tuner.oracle.max_trials == 3

    def test_hyperband_spends_the_epochs_of_the_config(
        self, split_files: Mapping[str, str], tmp_path: object
    ) -> None:
        tuner = self.make(split_files, tmp_path, algorithm="hyperband")
        assert isinstance(tuner, kt.Hyperband)
        assert tuner.oracle.max_epochs == 2
        assert tuner.oracle.objective == kt.Objective(tuning.OBJECTIVE, "min")

    def test_hyperband_ends_in_settings_that_can_be_trained(
        self, split_files: Mapping[str, str], tmp_path: Path
    ) -> None:
        tuner = self.make(split_files, tmp_path, algorithm="hyperband")
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

    def test_a_trial_trains_as_long_as_it_may(
        self, split_files: Mapping[str, str], tmp_path: object
    ) -> None:
        tuner = self.make(split_files, tmp_path, algorithm="bayesian")
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
        self, split_files: Mapping[str, str], tmp_path: object, frozen_epochs: int, steps: int
    ) -> None:
        tuner = self.make(split_files, tmp_path, frozen_epochs, algorithm="bayesian")
        trial = tuner.oracle.create_trial("one")
        network = tuner.hypermodel.build(trial.hyperparameters)
        before = network.get_layer("convolution_0").get_weights()[0]
        tuner.hypermodel.fit(trial.hyperparameters, network)
        moved = np.abs(network.get_layer("convolution_0").get_weights()[0] - before).max() > 0
        assert moved == (frozen_epochs == 1)
        assert int(network.optimizer.iterations) == steps

    def test_hyperband_takes_up_a_trial_that_was_frozen(
        self, split_files: Mapping[str, str], tmp_path: object
    ) -> None:
        tuner = self.make(split_files, tmp_path, 1, algorithm="hyperband", epochs=3)
        tuner.search()
        trials = tuner.oracle.trials.values()
        assert {trial.status for trial in trials} == {TrialStatus.COMPLETED}
        went_on = [one for one in trials if "tuner/trial_id" in one.hyperparameters.values]
        assert went_on
        assert all(0 < trial.score < 1 for trial in went_on)

    def test_hyperband_goes_on_in_the_phase_it_stopped_in(
        self, split_files: Mapping[str, str], tmp_path: object
    ) -> None:
        tuner = self.make(split_files, tmp_path, 1, algorithm="hyperband")
        trial = tuner.oracle.create_trial("one")
        network = tuner.hypermodel.build(trial.hyperparameters)
        before = network.get_layer("convolution_0").get_weights()[0]
        tuner.hypermodel.fit(trial.hyperparameters, network, initial_epoch=0, epochs=1)
        after = network.get_layer("convolution_0").get_weights()[0]
        np.testing.assert_array_equal(after, before)
        tuner.hypermodel.fit(trial.hyperparameters, network, initial_epoch=1, epochs=2)
        assert np.abs(network.get_layer("convolution_0").get_weights()[0] - before).max() > 0
        assert int(network.optimizer.iterations) == 1


class TestInterruption(_Searches):
    """A search that was killed goes on from the trials that it had finished."""

    @pytest.fixture(name="trained")
    def pretend_to_train(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """Values of each trial that is trained; stops where `stop_at` of them are reached.

        What a trial has learned is its own rate, in each of its weights.
        """
        trained: list[dict[str, Any]] = []

        def pretend(
            self: tuning.Trial, hp: kt.HyperParameters, model: keras.Model, **kwargs: Any
        ) -> dict[str, float]:
            if len(trained) == self.__dict__.get("stop_at"):
                raise KeyboardInterrupt
            trained.append(dict(hp.values))
            rate = hp.values["train.learning_rate"]
            if "tuner/trial_id" in hp.values:
                assert all(np.all(one == np.float32(rate)) for one in model.get_weights())
            model.set_weights([np.full_like(one, rate) for one in model.get_weights()])
            for callback in kwargs["callbacks"]:
                callback.set_model(model)
                callback.on_epoch_end(0, {})
            return {tuning.OBJECTIVE: rate}

        monkeypatch.setattr(tuning.Trial, "fit", pretend)
        return trained

    def interrupted(self, tuner: kt.Tuner, trials: int) -> None:
        tuner.hypermodel.stop_at = trials
        with pytest.raises(KeyboardInterrupt):
            tuner.search()

    @pytest.mark.parametrize(
        ("algorithm", "before", "root"),
        [("bayesian", 2, "local"), ("hyperband", 3, "ram://bucket/search")],
    )
    def test_finished_trials_are_not_repeated(
        self,
        split_files: Mapping[str, str],
        trained: list[dict[str, Any]],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        root: str,
        algorithm: str,
        before: int,
    ) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        folder = f"{root}/{algorithm}" if root.startswith("ram") else tmp_path
        search: dict[str, Any] = {"algorithm": algorithm, "epochs": 3}
        whole = self.make(split_files, f"{folder}/whole", **search)
        whole.search()
        wanted = [*trained]
        trained.clear()
        self.interrupted(self.make(split_files, folder, **search), before)
        tuner = self.make(split_files, folder, **search)
        tuner.search()
        assert trained == wanted
        assert {trial.status for trial in tuner.oracle.trials.values()} == {"COMPLETED"}
        assert len(tuner.oracle.trials) == len(wanted)
        best = [one.get_best_hyperparameters()[0].values for one in (whole, tuner)]
        assert best[0] == best[1]
        assert tf.io.gfile.glob(f"{folder}/checkpoints/*/*") == []
        assert list(Path.cwd().iterdir()) == []  # Keras takes an address for a path

    def test_a_damaged_trial_is_repeated(
        self,
        split_files: Mapping[str, str],
        trained: list[dict[str, Any]],
        tmp_path: Path,
    ) -> None:
        self.interrupted(self.make(split_files, tmp_path, algorithm="bayesian"), 2)
        first, *_ = sorted((tmp_path / "checkpoints").glob("*/*"))
        damage(first, "truncated")
        (first.parent / "half.zip.part").write_bytes(b"half")
        tuner = self.make(split_files, tmp_path, algorithm="bayesian")
        tuner.search()
        assert len(trained) == 2 + 2
        assert len(tuner.oracle.trials) == 3


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
