"""Controls: what they may see, what they can learn from it, and what a margin is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.metrics import roc_auc_score

from components.auditor.intervals import Scores
from components.auditor.score_intervals import auc_interval
from components.auditor.shortcuts import (
    ALTERATIONS,
    black_out_lungs,
    compare,
    file_statistics,
    keep_frame,
    network_controls,
    served_pixels,
    statistics_control,
    train_control,
    transformed_pixels,
)
from models.hyperparameters import Hyperparameters, Network, Preprocessing, Train
from models.input_pipeline import TransformedFilms
from tests.support import encode
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of, write_split

SMALL = Hyperparameters(
    preprocessing=Preprocessing(image_size_px=SIDE_PX),
    network=Network(width=4, depth=5, dense_units=8, dropout=0),
    train=Train(batch_size=8, learning_rate=5e-3),
)


def noisy_films(labels: np.ndarray, where: tuple[slice, slice], side_px: int = 32) -> np.ndarray:
    """Films that are brighter at one place where the label is 1."""
    films = np.random.default_rng(1).integers(60, 140, (len(labels), side_px, side_px, 1))
    films[:, where[0], where[1]] += 100 * labels[:, None, None, None]
    return films.astype(np.uint8)


class TestAlterations:
    def test_the_lungs_take_half_of_the_film(self) -> None:
        film = np.full((1, 224, 224, 1), 200, np.uint8)
        black = black_out_lungs(film)[0, :, :, 0] == 0
        assert black.mean() == pytest.approx(2 * np.pi * 0.37 * 0.21, abs=1e-3)
        assert 0.45 < black.mean() < 0.5
        assert np.array_equal(black, black[:, ::-1])

    def test_the_lungs_are_two_ellipses(self) -> None:
        drawn = np.zeros((224, 224), np.uint8)
        for column in (0.29, 0.71):
            centre = (round(column * 224), round(0.47 * 224))
            cv2.ellipse(drawn, centre, (round(0.21 * 224), round(0.37 * 224)), 0, 0, 360, 1, -1)
        black = black_out_lungs(np.full((1, 224, 224, 1), 200, np.uint8))[0, :, :, 0] == 0
        assert np.mean(black != drawn.astype(bool)) < 0.01

    @pytest.mark.parametrize(("side_px", "width_px"), [(224, 20), (112, 10), (32, 3)])
    def test_the_frame_is_all_that_is_left(self, side_px: int, width_px: int) -> None:
        framed = keep_frame(np.full((2, side_px, side_px, 1), 200, np.uint8))
        assert np.all(framed[:, width_px:-width_px, width_px:-width_px] == 0)
        kept = (framed[0] > 0).sum()
        assert kept == side_px**2 - (side_px - 2 * width_px) ** 2

    def test_what_is_seen_is_unchanged(self) -> None:
        films = noisy_films(np.array([0, 1]), (slice(0, 9), slice(0, 9)))
        for alter in ALTERATIONS.values():
            before = films.copy()
            altered = alter(films)
            assert np.array_equal(films, before)
            assert np.array_equal(altered[altered > 0], films[altered > 0])


class TestNetworks:
    def test_a_control_learns_from_the_frame_only(self) -> None:
        labels = np.arange(96) % 2
        frame, centre = (slice(0, 3), slice(0, 32)), (slice(12, 20), slice(12, 20))
        aucs = {}
        for name, where in (("frame", frame), ("centre", centre)):
            seen = keep_frame(noisy_films(labels, where))
            network = train_control(seen[:64], labels[:64], SMALL, epochs=8)
            scores = network.predict(seen[64:] / np.float32(255), verbose=0)[:, 0]
            aucs[name] = roc_auc_score(labels[64:], scores)
        assert aucs["frame"] > 0.95
        assert aucs["centre"] < 0.8

    @pytest.mark.parametrize("start", [{"weights": "a.keras"}, {"backbone": "mobilenet_v3"}])
    def test_the_rate_of_a_fine_tuning_is_not_for_a_control(self, start: dict[str, str]) -> None:
        def trained(learning_rate: float, **start: str) -> list[np.ndarray]:
            network = SMALL.network.model_copy(update=start)
            train = SMALL.train.model_copy(update={"learning_rate": learning_rate})
            settings = SMALL.model_copy(update={"network": network, "train": train})
            labels = np.arange(16) % 2
            films = noisy_films(labels, (slice(0, 3), slice(0, 32)))
            return train_control(films, labels, settings, epochs=1).get_weights()

        tuned, fresh, slow = trained(1e-5, **start), trained(1e-3), trained(1e-5)
        for weights, expected in zip(tuned, fresh, strict=True):
            np.testing.assert_allclose(weights, expected, atol=1e-6)
        assert max(np.abs(a - b).max() for a, b in zip(tuned, slow, strict=True)) > 1e-4

    def test_half_of_the_pixels_is_what_transform_made(
        self, mean_model: Any, tmp_path: Path
    ) -> None:
        films = [film_of(seed, 100, SIDE_PX) for seed in range(5)]
        examples = [example_of(film) for film in films]
        half = (SIDE_PX // 2, SIDE_PX // 2)
        expected = np.stack([cv2.resize(one, half, interpolation=cv2.INTER_AREA) for one in films])
        served = served_pixels(mean_model, examples, SIDE_PX)
        assert served.shape == (5, *half, 1)
        assert np.abs(served[..., 0].astype(int) - expected).max() <= 1
        read, labels = transformed_pixels(transformed(tmp_path, films, [0, 1, 1, 0, 1]), SIDE_PX)
        assert np.array_equal(read, served)
        assert labels.tolist() == [0, 1, 1, 0, 1]

    def test_each_alteration_has_a_control(self, tmp_path: Path) -> None:
        labels = np.arange(12) % 2
        films = [film_of(seed, 80 + 60 * (seed % 2), SIDE_PX) for seed in range(12)]
        test = noisy_films(labels, (slice(0, 3), slice(0, 32)))
        train = transformed(tmp_path, films, labels)
        controls = dict(network_controls(train, test, SMALL, epochs=1))
        assert list(controls) == ["lungs blacked out", "outer frame"]
        for scores in controls.values():
            assert scores.shape == (12,)
            assert np.all((scores >= 0) & (scores <= 1))


class TestStatistics:
    def test_a_file_is_measured(self) -> None:
        film = film_of(1, 100)[:60]
        data = encode(film)
        levels = film.ravel().astype(float)
        percentiles = [np.quantile(levels, q) for q in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)]
        expected = [
            80, 60, 80 / 60, len(data), np.mean(levels), np.std(levels), stats.skew(levels),
            stats.kurtosis(levels), *percentiles, 0.0,
        ]  # fmt: skip
        assert file_statistics(data) == pytest.approx(np.array(expected))

    def test_a_film_of_one_level_has_no_shape(self) -> None:
        assert np.isfinite(file_statistics(encode(np.full((80, 80), 9, np.uint8)))).all()

    def test_the_size_of_a_film_gives_it_away(self) -> None:
        def films(first_seed: int) -> list[tf.train.Example]:
            return [
                example_of(film_of(seed, 100, 80), "NORMAL")
                if seed % 2
                else example_of(film_of(seed, 100, 90), "PNEUMONIA")
                for seed in range(first_seed, first_seed + 20)
            ]

        scores = statistics_control(films(0), films(20))
        assert roc_auc_score([1, 0] * 10, scores) == 1


class TestMargin:
    @pytest.fixture(name="model")
    def make_scores(self) -> Scores:
        random = np.random.default_rng(1)
        labels = np.arange(200) % 2
        probabilities = labels * 0.3 + random.random(200)
        return Scores(np.arange(200) // 2 * 2 + labels, labels, probabilities, labels)

    def test_the_margin_is_the_difference_of_aucs(self, model: Scores) -> None:
        control = np.random.default_rng(2).random(200)
        found = compare("noise", control, model, samples=500)
        auc = roc_auc_score(model.labels, control)
        assert found.auc == pytest.approx(auc)
        assert found.margin == pytest.approx(roc_auc_score(model.labels, model.probabilities) - auc)
        assert found.margin_interval[0] < found.margin < found.margin_interval[1]

    def test_the_same_patients_are_drawn_for_both(self, model: Scores) -> None:
        found = compare("copy", 2 * model.probabilities, model, samples=500)
        assert found.margin == 0
        assert found.margin_interval == (0, 0)
        assert found.auc_interval[1] - found.auc_interval[0] > 0.1

    def test_a_perfect_control_is_as_sure_as_there_are_patients(self, model: Scores) -> None:
        found = compare("labels", model.labels.astype(float), model, samples=100)
        patients = [len(np.unique(model.patients[model.labels == label])) for label in (1, 0)]
        assert found.auc == 1
        assert found.auc_interval == auc_interval(1.0, *patients)
        assert found.auc_interval[0] < 0.99


def transformed(folder: Path, films: list[np.ndarray], labels: Any) -> TransformedFilms:
    """Writes films as Transform would."""
    examples = []
    for film, label in zip(films, labels, strict=True):
        example = tf.train.Example()
        example.features.feature["image_xf"].bytes_list.value.append(film.tobytes())
        example.features.feature["label_xf"].int64_list.value.append(int(label))
        examples.append(example)
    uri = write_split(folder / "transformed", examples)
    spec = {
        "image_xf": tf.io.FixedLenFeature([1], tf.string),
        "label_xf": tf.io.FixedLenFeature([1], tf.int64),
    }
    return TransformedFilms((f"{uri}/films.gz",), spec, np.asarray(labels))
