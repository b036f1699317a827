"""Class weights against scikit-learn; epochs drawn, counted film by film."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from models import imbalance as words
from models.hyperparameters import Train
from models.imbalance import class_weights, draw_epoch, film_weights, films_of_epoch

# More films than the thousands that a shuffle buffer would hold; the rarer class comes last.
MANY = np.repeat([0, 1], [9_000, 700])


def test_the_words_are_those_of_the_setting() -> None:
    allowed = {words.CLASS_WEIGHTS, words.FOCAL, words.OVERSAMPLE, words.UNDERSAMPLE, "none"}
    for word in allowed:
        assert Train.model_validate({"imbalance": word}).imbalance == word
    assert len(allowed) == 5


def draw(classes: np.ndarray, imbalance: str, seed: int) -> np.ndarray:
    return draw_epoch(classes, imbalance, np.random.default_rng(seed))


class TestWeights:
    @pytest.mark.parametrize("counts", [(1341, 3875), (1, 1), (5, 900, 30)])
    def test_agree_with_scikit_learn(self, counts: tuple[int, ...]) -> None:
        labels = np.repeat(np.arange(len(counts)), counts)
        expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
        weights = class_weights(counts)
        assert weights == pytest.approx(dict(enumerate(expected)))
        assert all(type(weight) is float for weight in weights.values())

    @pytest.mark.parametrize("counts", [[0, 5], [5, 0], [3, 0, 4]])
    def test_a_class_without_films_is_refused(self, counts: list[int]) -> None:
        with pytest.raises(ValueError) as raised:
            class_weights(counts)
        assert str(raised.value) == f"each class needs a training film; the counts are {counts}"

    def test_of_films_are_those_of_their_class(self) -> None:
        classes = np.array([2, 0, 1, 1, 2, 2, 2])
        weights = film_weights(tf.constant(classes), [1, 2, 4], "class_weights")
        expected = compute_sample_weight("balanced", classes)
        assert weights.dtype == tf.float32
        np.testing.assert_allclose(weights, expected, rtol=1e-6)

    @pytest.mark.parametrize("imbalance", ["none", "oversample", "undersample", "focal"])
    def test_of_films_are_one_elsewhere(self, imbalance: str) -> None:
        weights = film_weights(tf.constant([0, 1, 1], tf.int64), [1, 2], imbalance)
        assert weights.dtype == tf.float32
        assert weights.numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("imbalance", ["none", "class_weights", "focal"])
class TestEveryFilm:
    def test_is_drawn_once(self, imbalance: str) -> None:
        drawn = draw(MANY, imbalance, seed=1)
        assert sorted(drawn) == list(range(len(MANY)))
        assert films_of_epoch((9_000, 700), imbalance) == (9_000, 700)

    def test_has_the_same_chance_of_any_place(self, imbalance: str) -> None:
        # Of 20 films, how often each comes at each place: even over all 400 pairs.
        orders = np.array([draw(np.arange(20) % 2, imbalance, seed) for seed in range(2_000)])
        table = np.stack([np.bincount(places, minlength=20) for places in orders.T])
        assert stats.chisquare(table.ravel(), ddof=39).pvalue > 1e-4


def test_a_shortened_epoch_takes_early_and_late_films_alike() -> None:
    # 300 epochs of 500 films each: any film is in 300 * 500 / 9,700 of them.
    seen = np.zeros(len(MANY))
    for seed in range(300):
        first = draw(MANY, "none", seed)[:500]
        assert len(set(first)) == 500
        seen[first] += 1
    expected = 300 * 500 / len(MANY)
    by_part = seen[:9_600].reshape(24, 400).sum(axis=1)
    assert stats.chisquare(by_part, np.full(24, by_part.mean())).pvalue > 1e-4
    # Every epoch is drawn without putting back, so a count varies as a binomial one.
    variance = expected * (1 - 500 / len(MANY))
    assert seen.var() == pytest.approx(variance, rel=0.1)
    assert seen.min() > 0


class TestUndersampling:
    def test_draws_as_many_of_each_class_as_the_rarest_has(self) -> None:
        classes = np.repeat([2, 0, 1], [30, 8, 500])
        drawn = draw(classes, "undersample", seed=3)
        assert Counter(classes[drawn].tolist()) == {0: 8, 1: 8, 2: 8}
        assert len(set(drawn)) == 24
        assert films_of_epoch((8, 500, 30), "undersample") == (8, 8, 8)

    def test_takes_a_fresh_even_part_of_the_common_class(self) -> None:
        epochs = [np.sort(draw(MANY, "undersample", seed)) for seed in range(200)]
        seen = np.bincount(np.concatenate(epochs), minlength=len(MANY))
        assert set(seen[9_000:]) == {200}  # all of the rarer class, each time
        by_part = seen[:9_000].reshape(30, 300).sum(axis=1)
        assert by_part.sum() == 200 * 700
        assert stats.chisquare(by_part).pvalue > 1e-4
        # Two epochs share what chance would have them share: 700 * 700 / 9,000.
        shared = [
            len(np.intersect1d(one[:700], other[:700]))
            for one, other in zip(epochs[::2], epochs[1::2], strict=True)
        ]
        assert np.mean(shared) == pytest.approx(700 * 700 / 9_000, rel=0.06)


class TestOversampling:
    def test_draws_every_film_of_a_class_as_often_or_once_more(self) -> None:
        classes = np.repeat([1, 0, 2], [30, 100, 7])
        drawn = draw(classes, "oversample", seed=5)
        assert Counter(classes[drawn].tolist()) == {0: 100, 1: 100, 2: 100}
        times = np.bincount(drawn, minlength=len(classes))
        assert set(times[classes == 0]) == {1}
        assert Counter(times[classes == 1].tolist()) == {3: 20, 4: 10}  # 100 of 30
        assert Counter(times[classes == 2].tolist()) == {14: 5, 15: 2}  # 100 of 7
        assert films_of_epoch((100, 30, 7), "oversample") == (100, 100, 100)

    def test_which_film_comes_once_more_is_drawn_evenly(self) -> None:
        classes = np.repeat([0, 1], [10, 4])
        times = [np.bincount(draw(classes, "oversample", seed))[10:] for seed in range(1_000)]
        more = np.sum(times, axis=0) - 2 * 1_000
        assert more.sum() == 2 * 1_000
        assert stats.chisquare(more).pvalue > 1e-4

    def test_classes_are_mixed_throughout(self) -> None:
        drawn = MANY[draw(MANY, "oversample", seed=6)]
        parts = drawn.reshape(36, 500).mean(axis=1)
        assert np.abs(parts - 0.5).max() < 5 * 0.5 / np.sqrt(500)


@pytest.mark.parametrize("imbalance", ["none", "oversample", "undersample"])
def test_a_seed_repeats_the_draw(imbalance: str) -> None:
    one, same, other = (draw(MANY, imbalance, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert one.dtype == np.int64
    assert not np.array_equal(one, other)


class TestGroups:
    # Site a has 60 normal films and 300 of pneumonia, b 40 and 20, c 6 of pneumonia alone.
    CLASSES = np.repeat([0, 1, 0, 1, 1], [60, 300, 40, 20, 6])
    GROUPS = np.repeat(["a", "b", "c"], [360, 60, 6])

    def counts(self, imbalance: str, seed: int = 0) -> dict[tuple[int, str], int]:
        drawn = draw_epoch(self.CLASSES, imbalance, np.random.default_rng(seed), self.GROUPS)
        films = zip(self.CLASSES[drawn].tolist(), self.GROUPS[drawn].tolist(), strict=True)
        return dict(Counter(films))

    def test_each_has_as_many_films_within_a_class(self) -> None:
        found = self.counts("none")
        assert {name: found[0, name] for name in "ab"} == {"a": 50, "b": 50}
        of_pneumonia = [found[1, name] for name in "abc"]
        assert sum(of_pneumonia) == 326 and max(of_pneumonia) - min(of_pneumonia) == 1

    def test_the_classes_are_as_without_groups(self) -> None:
        found = self.counts("undersample")
        assert sum(count for (label, _), count in found.items() if label == 1) == 100
        assert (0, "c") not in found

    def test_which_group_has_one_film_more_changes(self) -> None:
        of_pneumonia = [self.counts("none", seed) for seed in range(30)]
        assert {min("abc", key=lambda name: found[1, name]) for found in of_pneumonia} == set("abc")

    def test_every_film_of_a_group_comes_as_often_or_once_more(self) -> None:
        drawn = draw_epoch(self.CLASSES, "none", np.random.default_rng(3), self.GROUPS)
        times = np.bincount(drawn, minlength=len(self.CLASSES))
        for name in "abc":
            for label in (0, 1):
                of_cell = times[np.equal(self.GROUPS, name) & np.equal(self.CLASSES, label)]
                assert of_cell.size == 0 or of_cell.max() - of_cell.min() <= 1
