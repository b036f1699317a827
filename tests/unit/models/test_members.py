"""Several networks as one: the mean of their logits and evidence, and how they are trained."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax
from sklearn import metrics
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models import fitting, members
from models.checkpoints import Checkpoints
from models.cut_open import (
    activations_and_logits,
    explained_layers,
    middle_stages,
    side_by_side,
    stages_and_logits,
    up_to_last_hidden,
)
from models.fitting import MONITORED, fit
from models.grad_cam import layer_maps, weigh_differences
from models.hyperparameters import Hyperparameters, Network, Task, with_tuned
from models.input_pipeline import TransformedFilms
from models.members import Member, each_member, members_of, weights_by_layer
from models.network import LOGITS, build_network, fold
from models.records import keep_network, read_network
from models.scoring import CALIBRATED_LOG_LOSS, Scorer, evaluate
from models.training import train_members
from models.tuning import Trial
from tests.unit.models.drawn_films import SIZE_PX, make_settings

Splits = tuple[TransformedFilms, TransformedFilms]
SIDE = 64
SMALL = {"width": 4, "depth": 4, "dense_units": 8}
FORMATS = ("keras", "h5", "weights.h5")


def films(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, SIDE, SIDE, 1), dtype=np.float32)


def draw(count: int, task: Task = "binary", side: int = SIDE, **values: Any) -> list[keras.Model]:
    """Networks none of whose weights are what they start as, with logits of either sign."""
    networks = []
    for seed in range(count):
        network = build_network(side, Network.model_validate(SMALL | values), task)
        rng = np.random.default_rng(seed)
        drawn = [
            np.abs(one) + 0.1 if "variance" in path else one
            for path, one in (
                (weight.path, rng.normal(0, 0.3, weight.shape)) for weight in network.weights
            )
        ]
        network.set_weights(drawn)
        networks.append(network)
    return networks


def logits_of(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return keras.Model(network.input, network.get_layer(LOGITS).output)(pixels).numpy()


KINDS = pytest.mark.parametrize(
    ("task", "values"),
    [
        ("binary", {"block": "residual"}),
        ("subtype", {"squeeze_excite": True}),
        ("subtype", {"backbone": "efficientnet_lite0"}),
    ],
)


class TestFold:
    @KINDS
    def test_logits_are_the_mean_of_those_of_the_members(
        self, task: Task, values: dict[str, Any]
    ) -> None:
        networks, pixels = draw(3, task, **values), films(4)
        folded = fold(networks)
        mean = np.mean([logits_of(one, pixels) for one in networks], axis=0)
        mirrored = np.mean([logits_of(one, pixels[:, :, ::-1]) for one in networks], axis=0)
        probabilities = expit(mean) if task == "binary" else softmax(mean, axis=1)
        np.testing.assert_allclose(folded(pixels), probabilities, atol=1e-5)
        for cut_open in (activations_and_logits, stages_and_logits):
            _, logits = cut_open(folded)(pixels, training=False)
            np.testing.assert_allclose(logits, mean, rtol=1e-4, atol=1e-5)
            _, logits = cut_open(folded, flip_average=True)(pixels, training=False)
            np.testing.assert_allclose(logits, (mean + mirrored) / 2, rtol=1e-4, atol=1e-5)
        assert np.std([logits_of(one, pixels) for one in networks], axis=0).min() > 1e-3

    def test_one_network_stays_what_it_is(self) -> None:
        (network,) = draw(1)
        assert fold([network]) is network
        assert members_of(network) == [network]

    @pytest.mark.parametrize("keras_format", ["keras", "h5"])
    def test_comes_back_from_a_keras_file(self, keras_format: str, tmp_path: Path) -> None:
        settings = make_settings(keras_format=keras_format)
        folded, pixels = fold(draw(3, "subtype")), films(2)
        keep_network(folded, settings, str(tmp_path))
        again = read_network(settings, str(tmp_path))
        np.testing.assert_array_equal(again(pixels), folded(pixels))
        answers = [activations_and_logits(one, True)(pixels) for one in (again, folded)]
        for one, other in zip(*map(tf.nest.flatten, answers), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert weights_by_layer(again).keys() == weights_by_layer(folded).keys()

    def test_every_member_gives_its_stages_and_what_it_decides_by(self) -> None:
        networks, pixels = draw(2), films(3)
        folded = fold(networks)
        stages, _ = stages_and_logits(folded, flip_average=True)(pixels)
        of_members = [stages_and_logits(one)(pixels)[0] for one in networks]
        expected = [one for of_both in zip(*of_members, strict=True) for one in of_both]
        assert len(middle_stages(folded)) == len(expected) == len(stages) // 2
        for one, other in zip(stages, expected, strict=False):
            np.testing.assert_allclose(one, other, atol=1e-5)
        hidden = np.hstack([up_to_last_hidden(one)(pixels) for one in networks])
        for network in (folded, activations_and_logits(folded)):
            np.testing.assert_allclose(up_to_last_hidden(network)(pixels), hidden, atol=1e-5)


def evidence_of(
    network: keras.Model, pixels: np.ndarray, reference: np.ndarray
) -> list[np.ndarray]:
    """What each explained layer of one network holds, before anything is cut off or averaged."""
    with tf.GradientTape() as tape:
        (layers,), logit = activations_and_logits(network)(np.append(pixels, reference[None], 0))
    gradients = tape.gradient(logit, layers)
    return [
        weigh_differences(one[:-1], by[:-1], one[-1:]).numpy()
        for one, by in zip(layers, gradients, strict=True)
    ]


class TestExplanation:
    def test_the_coarsest_map_follows_the_chain_rule_through_the_mean_of_logits(self) -> None:
        """Softmax of the mean logits, not the mean of softmaxes, weighs the subtypes."""
        networks, pixels = draw(3, "subtype"), films(3, seed=1)
        mean = np.mean([logits_of(one, pixels[:2]) for one in networks], axis=0)
        by_logit = np.hstack([-np.ones((2, 1)), softmax(mean[:, 1:], axis=1)]) / len(networks)
        evidence = 0
        for network in networks:
            last = keras.Model(network.input, network.get_layer("last_convolution").output)
            maps = last(pixels).numpy().astype(float)
            dense, bias = network.get_layer("dense").get_weights()
            is_on = maps[:2].mean(axis=(1, 2)) @ dense + bias > 0
            kernel, _ = network.get_layer(LOGITS).get_weights()
            by_channel = ((by_logit @ kernel.T) * is_on) @ dense.T / np.prod(maps.shape[1:3])
            evidence += ((maps[:2] - maps[2:]) * by_channel[:, None, None]).sum(axis=-1)
        expected = np.maximum(evidence, 0)
        (coarsest, *_), _ = layer_maps(
            activations_and_logits(fold(networks)),
            tf.constant(pixels[:2]),
            tf.constant(pixels[2]),
            weigh_differences,
        )
        assert expected.max() > 0
        np.testing.assert_allclose(coarsest / expected.max(), expected / expected.max(), atol=1e-4)

    @pytest.mark.parametrize("flip_average", [False, True])
    def test_every_map_is_the_mean_evidence_of_the_members(self, flip_average: bool) -> None:
        """Averaged before it is cut off: what speaks against in one member counts."""
        networks, pixels = draw(3), films(2, seed=1)
        reference = films(1, seed=2)[0]
        reference = (reference + reference[:, ::-1]) / 2
        per_member = [evidence_of(one, pixels, reference) for one in networks]
        if flip_average:
            mirrored = [evidence_of(one, pixels[:, :, ::-1], reference) for one in networks]
            per_member = [
                [(one + other[:, :, ::-1]) / 2 for one, other in zip(*both, strict=True)]
                for both in zip(per_member, mirrored, strict=True)
            ]
        found, _ = layer_maps(
            activations_and_logits(fold(networks), flip_average),
            tf.constant(pixels),
            tf.constant(reference),
            weigh_differences,
        )
        assert len(found) == len(per_member[0]) == 3
        for one, evidence in zip(found, zip(*per_member, strict=True), strict=True):
            expected = np.maximum(np.mean(evidence, axis=0), 0)
            cut_first = np.mean(np.maximum(evidence, 0), axis=0)
            np.testing.assert_allclose(one, expected, rtol=1e-3, atol=1e-3 * expected.max())
            assert np.abs(expected - cut_first).max() > 0.1 * expected.max()

    def test_a_layer_is_that_of_all_members(self) -> None:
        networks, pixels = draw(2), films(1)
        folded = fold(networks)
        (layers,), _ = activations_and_logits(folded)(pixels)
        names = [layer.name for layer in explained_layers(folded)]
        assert names == [name for name in names[::2] for _ in range(2)]
        joined = side_by_side(layers)
        assert len(joined) == len(layers) / 2
        for layer, name in zip(joined, names[::2], strict=True):
            of_members = [
                keras.Model(one.input, one.get_layer(name).output)(pixels) for one in networks
            ]
            np.testing.assert_allclose(layer, np.concatenate(of_members, axis=-1), atol=1e-5)


class TestSeeds:
    def test_the_first_is_that_of_the_training_and_no_two_are_alike(self) -> None:
        seeds = [member.seed(of) for of in range(50) for member in each_member(10)]
        assert seeds[::10] == list(range(50))
        assert len(set(seeds)) == len(seeds)  # nor do trainings of other seeds share a member
        assert all(0 <= seed < 2**31 for seed in seeds)

    def test_settings_differ_in_nothing_else(self) -> None:
        settings = make_settings(members=3, seed=5)
        own = Member(2, 3).settings(settings)
        assert own.train.seed == Member(2, 3).seed(5) != 5
        assert with_tuned(own, {"train.seed": 5}) == settings


def quick(**train: Any) -> Hyperparameters:
    """Settings under which going on equals never having stopped, but for rounding."""
    values = {"members": 3, "epochs": 2, "batch_size": 16, "learning_rate": 0.02, **train}
    settings = make_settings(**values)
    network = settings.network.model_copy(update={"dropout": 0.0})
    return settings.model_copy(update={"network": network})


def train_in(folder: Path | str, drawn: Splits, settings: Hyperparameters) -> Any:
    return train_members(*drawn, settings, f"{folder}/kept", str(folder))


@pytest.fixture(scope="module", name="trained")
def train(drawn: Splits, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Network, history and folder of three members."""
    folder = tmp_path_factory.mktemp("members")
    return *train_in(folder, drawn, quick()), folder


@pytest.fixture(scope="module", name="alone")
def train_one(drawn: Splits, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same of one member."""
    folder = tmp_path_factory.mktemp("alone")
    return *train_in(folder, drawn, quick(members=1)), folder


def rows_of(history: list[dict[str, float]], number: int) -> list[dict[str, float]]:
    return [row for row in history if row["member"] == number]


def furthest(one: keras.Model, other: keras.Model) -> float:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


class TestTraining:
    def test_one_member_is_trained_as_ever(self, alone: Any, drawn: Splits, tmp_path: Path) -> None:
        network, history, folder = alone
        settings = quick(members=1)
        keras.utils.set_random_seed(settings.train.seed)
        before = build_network(SIZE_PX, settings.network)
        fitted = fit(
            before, before.get_weights(), *drawn, settings, f"{tmp_path}/kept", str(tmp_path)
        )
        before.set_weights(fitted.weights)
        assert furthest(network, before) == 0
        assert [{"member": 1, **row} for row in fitted.history] == history
        assert (folder / "tensorboard" / "train").is_dir()
        assert list((folder / "kept").glob("after_epoch_*.npz"))

    def test_the_first_of_several_is_the_only_one_of_one(self, trained: Any, alone: Any) -> None:
        assert furthest(members_of(trained[0])[0], alone[0]) == 0
        assert rows_of(trained[1], 1) == alone[1]

    def test_members_differ_in_weights_and_in_what_they_are_shown(
        self, trained: Any, drawn: Splits
    ) -> None:
        assert faults_of(*trained[:2]) == []

    def test_the_planted_fault_of_one_seed_is_seen(
        self, drawn: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(members.Member, "seed", lambda _, of_training: of_training)
        network, history = train_in(tmp_path, drawn, quick(members=2, epochs=1))
        assert faults_of(network, history) == ["weights", "losses"]

    def test_what_is_served_is_the_best_epoch_of_each(self, trained: Any, drawn: Splits) -> None:
        network, history, _ = trained
        for number, member in enumerate(members_of(network), start=1):
            reached = evaluate(*Scorer(member, drawn[1], quick())(), quick())
            best = min(row[MONITORED] for row in rows_of(history, number))
            assert reached[CALIBRATED_LOG_LOSS] == pytest.approx(best, abs=1e-4)
        logits, classes = Scorer(network, drawn[1], quick())()
        of_members = [Scorer(one, drawn[1], quick())()[0] for one in members_of(network)]
        np.testing.assert_allclose(logits, np.mean(of_members, axis=0), atol=1e-5)
        auc = evaluate(logits, classes, quick())["auc"]
        assert auc == pytest.approx(metrics.roc_auc_score(classes, logits[:, 0]), abs=1e-6)

    def test_each_has_curves_and_checkpoints_of_its_own(self, trained: Any) -> None:
        _, history, folder = trained
        for number in (1, 2, 3):
            events = EventAccumulator(
                str(folder / "tensorboard" / f"member_{number}" / "validation"), {"tensors": 0}
            ).Reload()
            written = [
                float(tf.make_ndarray(one.tensor_proto)) for one in events.Tensors("epoch_auc")
            ]
            assert written == pytest.approx([row["val_auc"] for row in rows_of(history, number)])
            state = Checkpoints(str(folder / "kept" / f"member_{number}")).latest()
            assert state is not None and state.next_epoch == 2

    def test_lines_say_which_learns(self, caplog: pytest.LogCaptureFixture) -> None:
        logs = {"loss": 0.5, "val_auc": 0.875}
        with caplog.at_level(logging.INFO):
            fitting.EpochLines(9, Member(2, 3)).on_epoch_end(1, logs)
        assert caplog.messages == ["member 2/3  epoch 2/9  loss 0.5000  val_auc 0.8750"]


def faults_of(network: keras.Model, history: list[dict[str, float]]) -> list[str]:
    """In what members are alike that should differ."""
    first, *others = members_of(network)
    faults = []
    if min(furthest(first, other) for other in others) < 0.05:
        faults.append("weights")
    if len({row["loss"] for row in history if row["epoch"] == 0}) <= len(others):
        faults.append("losses")
    return faults


class TestGoingOn:
    def test_a_training_stopped_in_a_later_member_ends_as_if_it_had_not_been(
        self,
        trained: Any,
        drawn: Splits,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(fitting.EpochLines, "on_epoch_end", stop_at(member=2, epoch=1))
            with pytest.raises(KeyboardInterrupt):
                train_in(tmp_path, drawn, quick())
        shown: list[str] = []
        patch_lines(monkeypatch, shown)
        network, history = train_in(tmp_path, drawn, quick())
        assert shown == ["member 2/3  2", "member 3/3  1", "member 3/3  2"]
        whole, expected, _ = trained
        assert [(row["member"], row["epoch"]) for row in history] == [
            (row["member"], row["epoch"]) for row in expected
        ]
        for number, (one, other) in enumerate(
            zip(members_of(network), members_of(whole), strict=True), start=1
        ):
            # What was not interrupted is the very same; rounding moves what was.
            assert furthest(one, other) <= (2e-3 if number == 2 else 0)


def stop_at(member: int, epoch: int) -> Callable[..., None]:
    def stop(self: Any, number: int, logs: Any = None) -> None:
        if (self._member.number, number + 1) == (member, epoch):
            raise KeyboardInterrupt

    return stop


def patch_lines(monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    def show(self: Any, number: int, logs: Any = None) -> None:
        shown.append(f"{self._member.said_first}{number + 1}")

    monkeypatch.setattr(fitting.EpochLines, "on_epoch_end", show)


def saved(folder: Path, extension: str, network: keras.Model) -> str:
    file = folder / f"earlier.{extension}"
    (network.save_weights if extension == "weights.h5" else network.save)(file)
    return str(file)


class TestStartingFromSeveral:
    @pytest.mark.parametrize("extension", FORMATS)
    def test_each_starts_from_its_counterpart(self, extension: str, tmp_path: Path) -> None:
        networks = draw(3)
        file = saved(tmp_path, extension, fold(networks))
        start = Network.model_validate(SMALL | {"weights": file})
        for member, network in zip(each_member(3), networks, strict=True):
            assert furthest(build_network(SIDE, start, member=member), network) == 0

    @pytest.mark.parametrize("extension", FORMATS)
    def test_from_one_network_all_start(self, extension: str, tmp_path: Path) -> None:
        (network,) = draw(1)
        start = Network.model_validate(SMALL | {"weights": saved(tmp_path, extension, network)})
        for member in each_member(2):
            assert furthest(build_network(SIDE, start, member=member), network) == 0

    @pytest.mark.parametrize("extension", FORMATS)
    @pytest.mark.parametrize("members", [1, 2, 4])
    def test_another_number_is_refused(self, extension: str, members: int, tmp_path: Path) -> None:
        file = saved(tmp_path, extension, fold(draw(3)))
        start = Network.model_validate(SMALL | {"weights": file})
        message = "folds 3 networks; start from it with train.members=3$"
        with pytest.raises(ValueError, match=message):
            build_network(SIDE, start, member=Member(1, members))

    def test_a_trial_of_a_search_trains_the_first_alone(
        self, drawn: Splits, tmp_path: Path
    ) -> None:
        networks = draw(3, side=SIZE_PX)
        file = saved(tmp_path, "keras", fold(networks))
        settings = with_tuned(quick(), {f"network.{name}": SMALL[name] for name in SMALL})
        trial = Trial(with_tuned(settings, {"network.weights": file}), *drawn)
        network = trial.build(kt.HyperParameters())
        assert members_of(network) == [network]
        assert furthest(network, networks[0]) == 0

    @pytest.mark.parametrize("learns", ["nothing", "last_layer"])
    def test_what_does_not_learn_stays(
        self, learns: str, trained: Any, drawn: Splits, tmp_path: Path
    ) -> None:
        earlier, _, _ = trained
        file = saved(tmp_path, "keras", earlier)
        settings = with_tuned(quick(epochs=1), {"network.weights": file, "network.learns": learns})
        network, history = train_in(tmp_path, drawn, settings)
        before, after = (weights_by_layer(one) for one in (earlier, network))
        changed = {
            name
            for name, weights in after.items()
            if not all(map(np.array_equal, weights, before[name]))
        }
        expected = {f"member_{one}/{LOGITS}" for one in (1, 2, 3)}
        assert changed == (set() if learns == "nothing" else expected)
        assert len(history) == (0 if learns == "nothing" else 3)
