"""Controls: what they are told and shown, and how they are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.auditor import controls
from components.auditor.alterations import outer_frame
from components.auditor.control_films import ControlFilms
from components.auditor.controls import (
    NetworkControls,
    compare,
    control_inputs,
    train_control,
)
from components.auditor.served_pixels import ServedPixels
from metrics.scores import Scores
from models.network import LAST_CONVOLUTION, build_network
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of
from tests.unit.components.auditor.transformed import SMALL

FRAME = (slice(0, 3), slice(0, 32))


def noisy_films(labels: np.ndarray, where: tuple[slice, slice], side_px: int = 32) -> np.ndarray:
    """Films that are brighter at one place where the label is 1."""
    films = np.random.default_rng(1).integers(60, 140, (len(labels), side_px, side_px, 1))
    films[:, where[0], where[1]] += 100 * labels[:, None, None, None]
    return films.astype(np.uint8)


def held(films: np.ndarray, labels: np.ndarray) -> ControlFilms:
    return ControlFilms(films.shape[1], labels, lambda positions: films[positions])


def test_a_control_is_named_and_compared() -> None:
    labels = np.arange(60) % 2
    rising = labels + np.random.default_rng(1).normal(0, 0.5, 60)
    weaker = labels + np.random.default_rng(2).normal(0, 2, 60)
    model = Scores(np.arange(60), labels, rising, labels)
    found = compare("noise", weaker, model, samples=100)
    assert found.name == "noise"
    assert found.auc == pytest.approx(roc_auc_score(labels, weaker))
    assert found.margin == pytest.approx(roc_auc_score(labels, rising) - found.auc)


def test_inputs_are_black_where_the_control_may_not_look() -> None:
    films = noisy_films(np.array([0, 1]), FRAME)
    given = control_inputs(films, outer_frame(32)).numpy()
    assert given.dtype == np.float32
    assert given[:, :3] == pytest.approx(films[:, :3] / 255)
    assert not given[:, 3:-3, 3:-3].any()


def test_a_control_is_told_how_long_it_learns_and_what_a_film_weighs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.repeat([0, 1], [15, 5])  # three steps of eight films at most
    compiled: list[tuple[Any, ...]] = []
    fitted: list[dict[str, Any]] = []
    monkeypatch.setattr(controls, "compile_network", lambda *given: compiled.append(given[2:]))

    def build(*given: Any) -> Any:
        network = build_network(*given)
        monkeypatch.setattr(network, "fit", lambda _, **known: fitted.append(known))
        return network

    monkeypatch.setattr(controls, "build_network", build)
    films = held(noisy_films(labels, FRAME), labels)
    control = train_control(films, outer_frame(32), SMALL, epochs=4)
    assert compiled == [(SMALL.train, 4, 3)]
    assert fitted[0]["epochs"] == 4
    assert fitted[0]["class_weight"] == {0: pytest.approx(20 / 30), 1: pytest.approx(20 / 10)}
    # Of half the side, it ends in a feature map as large as that of the model.
    model = build_network(64, SMALL.network)
    maps = [one.get_layer(LAST_CONVOLUTION).output.shape for one in (control, model)]
    assert maps[0][1] == maps[1][1]
    # The small rate of a fine-tuning is not for what starts from nothing.
    tuned = SMALL.model_copy(
        update={"network": SMALL.network.model_copy(update={"weights": "a.keras"})}
    )
    train_control(films, outer_frame(32), tuned, epochs=4)
    assert compiled[1][0].learning_rate == 1e-3 != SMALL.train.learning_rate
    assert compiled[1][0].batch_size == SMALL.train.batch_size


def test_a_control_of_one_class_is_refused() -> None:
    labels = np.zeros(8, np.int64)
    with pytest.raises(ValueError, match="each class needs a training film"):
        train_control(held(noisy_films(labels, FRAME), labels), outer_frame(32), SMALL, epochs=1)


def test_networks_are_given_what_their_mask_lets_through_of_each_film(mean_model: Any) -> None:
    class Brightness:
        """Answers with the mean of what it is given."""

        def predict_on_batch(self, inputs: Any) -> np.ndarray:
            return np.asarray(inputs).mean(axis=(1, 2))

    half = SIDE_PX // 2
    everything = np.ones((half, half, 1), np.uint8)
    films = [film_of(seed, 60 + 3 * seed, SIDE_PX) for seed in range(40)]  # more than a batch
    network: Any = Brightness()
    trained = NetworkControls(
        {"all": (network, everything), "frame": (network, outer_frame(half))},
        ServedPixels(mean_model, SMALL.preprocessing),
    )
    scores = trained.score(example_of(film) for film in films)
    assert list(scores) == ["all", "frame"]
    assert scores["all"] == pytest.approx([one.mean() / 255 for one in films], abs=2e-3)
    width_px = round(20 / 224 * half)
    centre = slice(2 * width_px, SIDE_PX - 2 * width_px)
    outside = [(one.sum() - one[centre, centre].sum()) / one.size / 255 for one in films]
    assert scores["frame"] == pytest.approx(outside, abs=2e-3)
