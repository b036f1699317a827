"""The last layer, learnt again: its draws, its weights, and what both methods of groups are for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.fitting import fit
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms, evaluation_batches
from models.last_layer import balanced_draws, last_hidden, retrain_last_layer
from models.network import LAST_HIDDEN, LOGITS, build_network
from models.scoring import Scorer
from tests.unit.models.drawn_films import SIZE_PX, make_settings, open_split, write_marked_split

Splits = tuple[TransformedFilms, TransformedFilms]

# The mark goes with illness in 95 of 100 films of train, and with nothing in eval.
TRAIN, EVAL = (209, 21, 21, 209), (40, 40, 40, 40)


@pytest.fixture(scope="module", name="marked")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """Train and eval."""
    folder = tmp_path_factory.mktemp("marked")
    train, evaluation = (
        open_split(write_marked_split(folder, name, counts, seed))
        for seed, (name, counts) in enumerate({"train": TRAIN, "eval": EVAL}.items())
    )
    return train, evaluation


def settings(flip_average: bool = True, **train: Any) -> Hyperparameters:
    values = {"epochs": 6, "batch_size": 32, "learning_rate": 0.01, "mixup": 0, "group_by": "style"}
    made = make_settings(**{**values, "weight_average": 0, "seed": 1, **train})
    augmentation = made.augmentation.model_copy(update={"strength": 0})
    network = made.network.model_copy(update={"flip_average": flip_average})
    return made.model_copy(update={"augmentation": augmentation, "network": network})


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the training with the mean loss is kept."""
    return tmp_path_factory.mktemp("plain")


def trained(marked: Splits, folder: Path, chosen: Hyperparameters) -> keras.Model:
    keras.utils.set_random_seed(chosen.train.seed)
    network = build_network(SIZE_PX, chosen.network)
    fitted = fit(network, network.get_weights(), *marked, chosen, f"{folder}/kept", str(folder))
    network.set_weights(fitted.weights)
    return network


@pytest.fixture(scope="module", name="plain")
def train_plainly(marked: Splits, folder: Path) -> keras.Model:
    """A network that has learnt with the mean loss."""
    return trained(marked, folder, settings())


def copied(network: keras.Model) -> keras.Model:
    copy = build_network(SIZE_PX, settings().network)
    copy.set_weights(network.get_weights())
    return copy


def worst_accuracy(network: keras.Model, films: TransformedFilms) -> float:
    logits, classes = Scorer(network, films, settings())()
    right = (logits[:, 0] > 0) == classes
    groups = films.groups("style")
    return min(
        float(np.mean(right[(classes == one) & (groups == name)]))
        for one in (0, 1)
        for name in np.unique(groups)
    )


class TestWorstGroup:
    def test_is_wrong_where_the_mean_decides(self, plain: keras.Model, marked: Splits) -> None:
        assert worst_accuracy(plain, marked[1]) < 0.5

    def test_gains_by_group_dro(self, plain: keras.Model, marked: Splits, tmp_path: Path) -> None:
        network = trained(marked, tmp_path, settings(objective="worst_group"))
        assert worst_accuracy(network, marked[1]) > worst_accuracy(plain, marked[1]) + 0.3

    def test_gains_by_another_last_layer(
        self, plain: keras.Model, marked: Splits, folder: Path
    ) -> None:
        """Whose training finds all epochs of the plain one done."""
        network = trained(marked, folder, settings(retrain_last_layer=True))
        assert worst_accuracy(network, marked[1]) > worst_accuracy(plain, marked[1]) + 0.3
        changed = {
            layer.name
            for layer in network.layers
            for new, old in zip(
                layer.get_weights(), plain.get_layer(layer.name).get_weights(), strict=True
            )
            if not np.array_equal(new, old)
        }
        assert changed == {LOGITS}


def films_of(counts: dict[bytes, tuple[int, ...]]) -> Any:
    """Returns what stands in for a split: films of groups by name, so many of each class."""

    class Films:
        counts: tuple[int, ...]
        classes: np.ndarray

        def groups(self, name: str) -> np.ndarray:
            assert name == "style"
            return names

    films = Films()
    cells = [(name, one, size) for name, row in counts.items() for one, size in enumerate(row)]
    names = np.concatenate([np.full(size, name, object) for name, _, size in cells])
    films.classes = np.concatenate([np.full(size, one) for _, one, size in cells])
    films.counts = tuple(np.bincount(films.classes).tolist())
    return films


class TestDraws:
    def test_hold_as_many_of_each_class_in_each_group(self) -> None:
        films = films_of({b"a": (50, 24), b"b": (90, 31)})
        draws = balanced_draws(films, settings())
        groups = films.groups("style")
        for draw in draws:
            assert len(set(draw.tolist())) == len(draw) == 4 * 24
            for name in (b"a", b"b"):
                counts = np.bincount(films.classes[draw][groups[draw] == name])
                assert counts.tolist() == [24, 24]
        assert len({tuple(sorted(draw)) for draw in draws}) == len(draws) == 20

    def test_follow_from_the_seed(self) -> None:
        films = films_of({b"a": (50, 24)})
        first, again, other = (balanced_draws(films, settings(seed=seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert np.any(np.array(first) != np.array(other))

    def test_leave_out_a_group_that_lacks_a_class_and_say_so(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        films = films_of({b"a": (50, 24), b"b": (0, 90), b"c": (19, 50)})
        with caplog.at_level(logging.WARNING):
            draws = balanced_draws(films, settings())
        assert set(films.groups("style")[np.concatenate(draws)]) == {b"a"}
        (said,) = caplog.messages
        assert "style b, c" in said and "fewer than 20" in said

    def test_of_all_groups_are_silent(self, caplog: pytest.LogCaptureFixture) -> None:
        balanced_draws(films_of({b"a": (20, 20, 20)}), settings())
        assert caplog.messages == []

    def test_are_refused_before_training_where_no_group_has_every_class(
        self, marked: Splits
    ) -> None:
        films = films_of({b"a": (50, 0), b"b": (0, 50)})
        network = build_network(SIZE_PX, settings().network)
        with pytest.raises(ValueError, match="needs a style with at least 20 train films of each"):
            fit(network, [], films, marked[1], settings(retrain_last_layer=True), "", "")


def mean_decision(
    hidden: np.ndarray, classes: np.ndarray, draws: Sequence[np.ndarray], unseen: np.ndarray
) -> np.ndarray:
    """Returns the mean over regressions, each of a penalty in the units that the features have."""
    penalty = 0.1 / np.var(hidden)
    fits = [
        LogisticRegression(C=penalty, tol=1e-8, max_iter=5000).fit(hidden[draw], classes[draw])
        for draw in draws
    ]
    return np.mean([one.decision_function(unseen) for one in fits], axis=0)


class TestWeights:
    @pytest.mark.parametrize("flip_average", [False, True])
    def test_are_the_mean_of_regressions_on_what_the_layer_is_given(
        self, plain: keras.Model, marked: Splits, flip_average: bool
    ) -> None:
        train, evaluation = marked
        chosen = settings(flip_average)
        draws = balanced_draws(train, chosen)
        network = copied(plain)
        retrain_last_layer(network, train, draws, chosen)

        inner = keras.Model(network.input, network.get_layer(LAST_HIDDEN).output)

        def given(films: TransformedFilms) -> np.ndarray:
            images = np.concatenate([one for one, _ in evaluation_batches(films, chosen)])
            mirrored = images[:, :, ::-1]
            kinds = [images, mirrored] if flip_average else [images]
            return np.mean([inner.predict(one, verbose=0) for one in kinds], axis=0)

        hidden, unseen = given(train), given(evaluation)
        expected = mean_decision(hidden, train.classes, draws, unseen)
        logits, _ = Scorer(network, evaluation, chosen)()
        np.testing.assert_allclose(logits[:, 0], expected, atol=5e-3)
        np.testing.assert_allclose(last_hidden(network, train, chosen), hidden, atol=1e-4)

    def test_of_three_classes(self, split_files: dict[str, str]) -> None:
        films = open_split(split_files["train"], "subtype")
        chosen = settings(flip_average=False)
        keras.utils.set_random_seed(0)
        network = build_network(SIZE_PX, chosen.network, "subtype")
        everyone = np.arange(len(films.classes))
        retrain_last_layer(network, films, [everyone, everyone[:40]], chosen)
        hidden = last_hidden(network, films, chosen)
        expected = mean_decision(hidden, films.classes, [everyone, everyone[:40]], hidden)
        logits, _ = Scorer(network, films, chosen)()
        np.testing.assert_allclose(logits, expected, atol=5e-3)
