"""File statistics against SciPy, and what a size alone gives away."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.metrics import roc_auc_score

from components.auditor.file_statistics import file_statistics, statistics_control
from tests.support import encode
from tests.unit.components.auditor.films import example_of, film_of


class TestStatistics:
    def test_a_file_is_measured(self) -> None:
        film = np.random.default_rng(1).integers(0, 250, (60, 80), dtype=np.uint8)
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

    def test_a_rarer_class_counts_as_much_as_the_other(self) -> None:
        films = [
            example_of(film_of(seed, 100), "NORMAL" if seed % 4 else "PNEUMONIA")
            for seed in range(40)
        ]
        # Nothing tells the classes apart, so what is left is what they are taken to weigh.
        told = statistics_control(films, films)
        assert np.mean(told) == pytest.approx(0.5, abs=0.1)

    def test_the_brightest_level_has_its_share(self) -> None:
        film = film_of(1, 100)
        film[:20] = 255
        assert file_statistics(encode(film))[-1] == pytest.approx(20 / 80)
