"""Trained controls: what they learn from what they may see, and at which pace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.auditor.alterations import outer_frame
from components.auditor.controls import control_inputs, network_controls, train_control
from components.auditor.served_pixels import ServedPixels
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of
from tests.unit.components.auditor.test_controls import FRAME, held, noisy_films
from tests.unit.components.auditor.transformed import SMALL, transformed

CENTRE = (slice(12, 20), slice(12, 20))


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
