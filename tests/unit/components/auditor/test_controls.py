"""Controls: what they can learn from what they may see, and how they are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.auditor import controls
from components.auditor.alterations import outer_frame
from components.auditor.control_films import ControlFilms
from components.auditor.controls import compare, control_inputs, network_controls, train_control
from components.auditor.served_pixels import ServedPixels
from metrics.scores import Scores
from models.network import LAST_CONVOLUTION, build_network
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of
from tests.unit.components.auditor.transformed import SMALL, transformed

FRAME = (slice(0, 3), slice(0, 32))
CENTRE = (slice(12, 20), slice(12, 20))


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
    compiled: list[tuple[int, int]] = []
    fitted: list[dict[str, Any]] = []
    monkeypatch.setattr(
        controls, "compile_network", lambda *given: compiled.append((given[3], given[4]))
    )

    def build(*given: Any) -> Any:
        network = build_network(*given)
        monkeypatch.setattr(network, "fit", lambda _, **known: fitted.append(known))
        return network

    monkeypatch.setattr(controls, "build_network", build)
    films = held(noisy_films(labels, FRAME), labels)
    control = train_control(films, outer_frame(32), SMALL, epochs=4)
    assert compiled == [(4, 3)]
    assert fitted[0]["epochs"] == 4
    assert fitted[0]["class_weight"] == {0: pytest.approx(20 / 30), 1: pytest.approx(20 / 10)}
    # Of half the side, it ends in a feature map as large as that of the model.
    model = build_network(64, SMALL.network)
    maps = [one.get_layer(LAST_CONVOLUTION).output.shape for one in (control, model)]
    assert maps[0][1] == maps[1][1]


def test_a_control_of_one_class_is_refused() -> None:
    labels = np.zeros(8, np.int64)
    with pytest.raises(ValueError, match="each class needs a training film"):
        train_control(held(noisy_films(labels, FRAME), labels), outer_frame(32), SMALL, epochs=1)


@pytest.mark.parametrize(("where", "least", "most"), [(FRAME, 0.95, 1), (CENTRE, 0, 0.8)])
def test_a_control_learns_from_the_frame_only(
    where: tuple[slice, slice], least: float, most: float
) -> None:
    labels = np.arange(96) % 2
    films, mask = noisy_films(labels, where), outer_frame(32)
    network = train_control(held(films[:64], labels[:64]), mask, SMALL, epochs=8)
    scores = network.predict(control_inputs(films[64:], mask), verbose=0)[:, 0]
    assert least <= roc_auc_score(labels[64:], scores) <= most


@pytest.mark.parametrize("start", [{"weights": "a.keras"}, {"backbone": "mobilenet_v3"}])
def test_the_rate_of_a_fine_tuning_is_not_for_a_control(start: dict[str, str]) -> None:
    def trained(learning_rate: float, **start: str) -> list[np.ndarray]:
        network = SMALL.network.model_copy(update=start)
        train = SMALL.train.model_copy(update={"learning_rate": learning_rate})
        settings = SMALL.model_copy(update={"network": network, "train": train})
        labels = np.arange(16) % 2
        films = held(noisy_films(labels, FRAME), labels)
        return train_control(films, outer_frame(32), settings, epochs=1).get_weights()

    tuned, fresh, slow = trained(1e-5, **start), trained(1e-3), trained(1e-5)
    for weights, expected in zip(tuned, fresh, strict=True):
        np.testing.assert_allclose(weights, expected, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(tuned, slow, strict=True)) > 1e-4


def test_each_alteration_has_a_control_that_sees_test_films_as_train_films(
    mean_model: Any, tmp_path: Path
) -> None:
    labels = np.arange(40) % 2
    films = [film_of(seed, 60 + 120 * label, SIDE_PX) for seed, label in enumerate(labels)]
    train = transformed(tmp_path, films, labels)
    # The other way round and more than a batch: an answer belongs to its own film.
    test = [example_of(film, patient_id=f"p{number}") for number, film in enumerate(films[::-1])]
    prepared = ServedPixels(mean_model, SMALL.preprocessing)
    scored = network_controls(train, prepared, SMALL, epochs=6, at_most=100).score(test)
    assert list(scored) == ["lungs blacked out", "outer frame"]
    for name, scores in scored.items():
        assert scores.shape == (40,)
        assert np.all((scores >= 0) & (scores <= 1))
        assert roc_auc_score(labels[::-1], scores) > 0.9, name
