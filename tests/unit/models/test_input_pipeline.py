"""Batches for training and evaluation, from what Transform wrote in the shared run."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from scipy import stats

from models import features, input_pipeline
from models.hyperparameters import Hyperparameters
from models.input_pipeline import (
    TransformedFilms,
    evaluation_batches,
    training_batches,
    training_steps,
)
from tests.support import LocalRun, read_examples

SIZE_PX = 64
BATCH_SIZE = 16


@pytest.fixture(scope="module", name="films")
def open_train_split(pushed: LocalRun) -> TransformedFilms:
    """The train split."""
    transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
    uri = pushed.uri("Transform", "transformed_examples")
    return TransformedFilms.open([f"{uri}/Split-train/*"], transform)


@pytest.fixture(scope="module", name="labels")
def read_labels(pushed: LocalRun) -> list[str]:
    """The labels of the raw train split."""
    uri = pushed.uri("RadiographExampleGen", "examples")
    examples = map(tf.train.Example.FromString, read_examples(uri, features.TRAIN))
    return [
        example.features.feature[features.LABEL].bytes_list.value[0].decode()
        for example in examples
    ]


def settings(strength: float = 1.0, **train: object) -> Hyperparameters:
    return Hyperparameters.model_validate(
        {
            "preprocessing": {"image_size_px": SIZE_PX, "normalisation": "unit"},
            "augmentation": {"strength": strength},
            "train": {"batch_size": BATCH_SIZE, "mixup": 0.0, **train},
        }
    )


def read(batches: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Goes through a dataset once: images and labels of all batches."""
    images, labels, *_ = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def multiset(images: np.ndarray) -> Counter[bytes]:
    return Counter(image.tobytes() for image in images)


class TestRecords:
    def test_a_split_is_read_from_its_files_once(
        self, films: TransformedFilms, tmp_path: Path
    ) -> None:
        copies = tuple(str(shutil.copy(file, tmp_path)) for file in films.files)
        moved = TransformedFilms(copies, films.feature_spec, films.classes)
        batches = evaluation_batches(moved, settings())
        first, _ = read(batches)
        for copy in copies:
            Path(copy).unlink()
        np.testing.assert_array_equal(read(batches)[0], first)
        again = evaluation_batches(moved, settings())
        np.testing.assert_array_equal(read(again)[0], first)


class TestOpen:
    def test_counts_the_films_of_each_class(
        self, films: TransformedFilms, labels: list[str]
    ) -> None:
        assert films.counts == (labels.count("NORMAL"), labels.count("PNEUMONIA"))
        assert films.counts[0] != films.counts[1]
        assert films.classes.tolist() == [features.LABELS.index(label) for label in labels]


class TestSteps:
    def test_cover_all_films(self, films: TransformedFilms, labels: list[str]) -> None:
        assert training_steps(films, settings()) == math.ceil(len(labels) / BATCH_SIZE)

    @pytest.mark.parametrize("limit", [1, 3])
    def test_can_be_limited(self, films: TransformedFilms, limit: int) -> None:
        chosen = settings(max_steps_per_epoch=limit)
        assert training_steps(films, chosen) == limit
        assert sum(1 for _ in training_batches(films, chosen)) == limit

    def test_limit_does_not_lengthen(self, films: TransformedFilms) -> None:
        assert training_steps(films, settings(max_steps_per_epoch=999)) < 999

    @pytest.mark.parametrize("imbalance", ["none", "class_weights", "oversample", "undersample"])
    def test_are_those_of_an_epoch(
        self, films: TransformedFilms, labels: list[str], imbalance: str
    ) -> None:
        normal, pneumonia = labels.count("NORMAL"), labels.count("PNEUMONIA")
        count = {
            "oversample": 2 * max(normal, pneumonia),
            "undersample": 2 * min(normal, pneumonia),
        }.get(imbalance, len(labels))
        chosen = settings(imbalance=imbalance)
        images, _ = read(training_batches(films, chosen))
        assert len(images) == count
        assert training_steps(films, chosen) == math.ceil(count / BATCH_SIZE)


class TestTrainingBatches:
    def test_shapes_and_range(self, films: TransformedFilms) -> None:
        images, labels, weights = next(iter(training_batches(films, settings())))
        assert images.shape == (BATCH_SIZE, SIZE_PX, SIZE_PX, 1)
        assert labels.shape == (BATCH_SIZE, 1)
        assert weights.shape == (BATCH_SIZE,)
        assert {images.dtype, labels.dtype, weights.dtype} == {tf.float32}
        assert 0 <= tf.reduce_min(images) < 0.2
        assert 0.8 < tf.reduce_max(images) <= 1

    def test_an_epoch_holds_every_film_once_in_another_order(self, films: TransformedFilms) -> None:
        plain = settings(strength=0.0, imbalance="none")
        in_order, _ = read(evaluation_batches(films, plain))
        shuffled, _ = read(training_batches(films, plain))
        assert multiset(shuffled) == multiset(in_order)
        assert not np.array_equal(shuffled, in_order)

    def test_labels_stay_with_their_films(self, films: TransformedFilms) -> None:
        plain = settings(strength=0.0)
        pairs = [
            {image.tobytes(): label for image, label in zip(*read(batches), strict=True)}
            for batches in (training_batches(films, plain), evaluation_batches(films, plain))
        ]
        assert pairs[0] == pairs[1]

    def test_every_epoch_is_augmented_anew(self, films: TransformedFilms) -> None:
        batches = training_batches(films, settings())
        first, second = (multiset(read(batches)[0]) for _ in range(2))
        unchanged = multiset(read(evaluation_batches(films, settings()))[0])
        assert not first & second
        assert not first & unchanged

    def test_a_seed_repeats_the_epochs(self, films: TransformedFilms) -> None:
        one, same = (read(training_batches(films, settings(seed=5)))[0] for _ in range(2))
        other = read(training_batches(films, settings(seed=6)))[0]
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)

    @pytest.mark.parametrize("imbalance", ["oversample", "undersample"])
    def test_resampling_draws_both_classes_alike(
        self, films: TransformedFilms, imbalance: str
    ) -> None:
        batches = training_batches(films, settings(strength=0.0, imbalance=imbalance))
        assert films.counts[0] != films.counts[1]
        assert read(batches)[1].mean() == 0.5


MANY = 6_000  # more than the thousands of films that a shuffle buffer would hold
RARE_EVERY = 12  # of these films the first of each dozen is normal


@pytest.fixture(scope="module", name="many")
def write_many_films(tmp_path_factory: pytest.TempPathFactory) -> TransformedFilms:
    """Films of 32 pixels whose first two pixels say which film it is, in three files."""
    folder = tmp_path_factory.mktemp("many")
    files = [str(folder / f"films-{part}.gz") for part in range(3)]
    pixels = np.zeros((MANY, 32 * 32), np.uint8)
    pixels[:, 0], pixels[:, 1] = np.divmod(np.arange(MANY), 256)
    classes = np.minimum(np.arange(MANY) % RARE_EVERY, 1)
    for file, part in zip(files, np.split(np.arange(MANY), 3), strict=True):
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for place in part:
                example = tf.train.Example()
                feature = example.features.feature
                feature[features.IMAGE_XF].bytes_list.value.append(pixels[place].tobytes())
                feature[features.LABEL_XF].int64_list.value.append(classes[place])
                for name in (features.PIXEL_MEAN_XF, features.PIXEL_STDDEV_XF):
                    feature[name].float_list.value.append(float(name == features.PIXEL_STDDEV_XF))
                writer.write(example.SerializeToString())
    spec = {
        features.IMAGE_XF: tf.io.FixedLenFeature([1], tf.string),
        features.LABEL_XF: tf.io.FixedLenFeature([1], tf.int64),
        features.PIXEL_MEAN_XF: tf.io.FixedLenFeature([1], tf.float32),
        features.PIXEL_STDDEV_XF: tf.io.FixedLenFeature([1], tf.float32),
    }
    return TransformedFilms(tuple(files), spec, classes)


def plain(**train: object) -> Hyperparameters:
    """Returns settings under which a film can be told in a batch."""
    return Hyperparameters.model_validate(
        {
            "preprocessing": {"image_size_px": 32, "normalisation": "unit"},
            "augmentation": {"strength": 0},
            "train": {"batch_size": 32, "mixup": 0, "imbalance": "none", **train},
        }
    )


def places(batches: tf.data.Dataset) -> np.ndarray:
    """Goes through an epoch: where each of its films stands in the split."""
    images, labels = read(batches)
    first = np.rint(255 * images[:, 0, :2, 0]).astype(int)
    found = 256 * first[:, 0] + first[:, 1]
    np.testing.assert_array_equal(labels[:, 0], np.minimum(found % RARE_EVERY, 1))
    return found


class TestEpochs:
    def test_a_whole_one_holds_each_film_once(self, many: TransformedFilms) -> None:
        batches = training_batches(many, plain())
        first, second = places(batches), places(batches)
        assert sorted(first) == sorted(second) == list(range(MANY))
        assert not np.array_equal(first, second)
        # The place in the order says nothing of the place in the split.
        assert abs(np.corrcoef(first, np.arange(MANY))[0, 1]) < 4 / np.sqrt(MANY)

    @pytest.mark.parametrize("imbalance", ["none", "class_weights", "undersample"])
    def test_short_ones_reach_all_films_alike(self, many: TransformedFilms, imbalance: str) -> None:
        chosen = plain(max_steps_per_epoch=10, imbalance=imbalance)
        batches = training_batches(many, chosen)
        epochs = [places(batches) for _ in range(30)]
        assert all(len(set(epoch)) == 320 for epoch in epochs)  # no film twice
        seen = np.concatenate(epochs)
        common = seen[seen % RARE_EVERY > 0]
        assert stats.chisquare(np.bincount(common // 500, minlength=12)).pvalue > 1e-4
        assert len(common) / len(seen) == pytest.approx(
            0.5 if imbalance == "undersample" else 11 / 12, abs=0.03
        )

    def test_an_undersampled_one_is_drawn_from_all_of_the_common_class(
        self, many: TransformedFilms
    ) -> None:
        batches = training_batches(many, plain(imbalance="undersample"))
        first, second = (set(places(batches)) for _ in range(2))
        assert len(first) == len(second) == 2 * MANY // RARE_EVERY
        rare = set(range(0, MANY, RARE_EVERY))
        assert first & second >= rare
        assert 15 < len((first & second) - rare) < 85  # by chance 500 * 500 / 5,500
        assert max(first) > 5_900 and min(first - rare) < 100

    def test_an_oversampled_one_repeats_the_rarer_class_evenly(
        self, many: TransformedFilms
    ) -> None:
        drawn = places(training_batches(many, plain(imbalance="oversample")))
        times = np.bincount(drawn, minlength=MANY)
        rare = np.arange(MANY) % RARE_EVERY == 0
        assert set(times[~rare]) == {1}
        assert set(times[rare]) == {11}  # 5,500 of 500

    def test_the_last_batch_holds_the_rest(self, many: TransformedFilms) -> None:
        sizes = [len(batch[1]) for batch in training_batches(many, plain(batch_size=700))]
        assert sizes == [700] * 8 + [400]

    def test_a_seed_repeats_them_from_any_one_on(self, many: TransformedFilms) -> None:
        chosen = plain(max_steps_per_epoch=4)
        batches = training_batches(many, chosen)
        epochs = [places(batches) for _ in range(3)]
        later = training_batches(many, chosen, first_epoch=1)
        np.testing.assert_array_equal([places(later) for _ in range(2)], epochs[1:])
        other = training_batches(many, plain(max_steps_per_epoch=4, seed=1))
        assert not np.array_equal(places(other), epochs[0])

    def test_keras_takes_each_pass_for_an_epoch(self, many: TransformedFilms) -> None:
        chosen = plain(max_steps_per_epoch=4)
        network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
        network.compile(loss="mse")
        batches = training_batches(many, chosen)
        network.fit(batches, epochs=2, verbose=0)
        assert int(network.optimizer.iterations) == 8
        expected = training_batches(many, chosen, first_epoch=2)
        np.testing.assert_array_equal(places(batches), places(expected))


class TestWeights:
    @pytest.mark.parametrize("imbalance", ["none", "class_weights", "focal"])
    def test_each_class_weighs_the_same_where_it_should(
        self, films: TransformedFilms, imbalance: str
    ) -> None:
        batches = training_batches(films, settings(strength=0.0, imbalance=imbalance))
        _, labels, weights = (
            np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True)
        )
        sums = [weights[labels[:, 0] == label].sum() for label in (0, 1)]
        if imbalance == "class_weights":
            assert sums[0] == pytest.approx(sums[1], rel=1e-5)
            assert weights.mean() == pytest.approx(1, rel=1e-5)
        else:
            assert sums == list(films.counts)


class TestMixup:
    def mixed(self, alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        images = tf.reshape(tf.range(4.0), [4, 1, 1, 1])
        targets = tf.constant([[0.0], [1.0], [1.0], [0.0]])
        weights = tf.constant([2.0, 0.5, 0.5, 2.0])
        seed = tf.constant([3, 4], tf.int64)
        return tuple(
            part.numpy() for part in input_pipeline.mix(images, targets, weights, alpha, seed)
        )

    def test_the_loss_of_a_mixed_film_is_the_mixture_of_losses(self) -> None:
        images, targets, weights = self.mixed(alpha=1.0)
        own = 1 - (images[:, 0, 0, 0] - np.arange(4)) / (np.arange(4)[::-1] - np.arange(4))
        assert np.all((own >= 0.5) & (own <= 1)) and np.ptp(own) > 0.01
        answer = np.array([0.3, 0.6, 0.2, 0.9])

        def loss(target: np.ndarray) -> np.ndarray:
            return -(target * np.log(answer) + (1 - target) * np.log(1 - answer))

        target, weight = np.array([0.0, 1.0, 1.0, 0.0]), np.array([2.0, 0.5, 0.5, 2.0])
        expected = own * weight * loss(target) + (1 - own) * weight[::-1] * loss(target[::-1])
        np.testing.assert_allclose(weights * loss(targets[:, 0]), expected, rtol=1e-5)

    @pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2, 1.0])
    def test_shares_follow_the_beta_law(self, alpha: float) -> None:
        other = input_pipeline.shares_of_the_other(20_000, alpha, tf.constant([3, 4], tf.int64))
        law = stats.beta(alpha, alpha)

        def below(share: np.ndarray) -> np.ndarray:  # for the smaller of x and 1 - x
            return 2 * law.cdf(share)

        assert other.numpy().min() >= 0 and other.numpy().max() <= 0.5
        assert stats.kstest(other.numpy(), below).pvalue > 1e-3
        strongly = float(np.mean(other.numpy() > 0.1))
        assert strongly == pytest.approx(1 - below(np.array(0.1)), abs=0.015)

    @pytest.mark.parametrize("alpha", [1e-3, 1e-8, 1e-300, 5e-324])
    def test_next_to_no_alpha_mixes_next_to_nothing(self, alpha: float) -> None:
        shares = input_pipeline.shares_of_the_other(5_000, alpha, tf.constant([3, 4], tf.int64))
        assert np.isfinite(shares.numpy()).all()
        assert np.mean(shares.numpy() > 0.01) < 0.01
        images, targets, weights = self.mixed(alpha)
        assert all(np.isfinite(part).all() for part in (images, targets, weights))

    def test_the_law_is_the_same_for_every_film_of_a_batch(self) -> None:
        seeds = tf.random.split(tf.constant([5, 6], tf.int64), 4_000)
        shares = np.stack(
            [input_pipeline.shares_of_the_other(2, 1.0, seed).numpy() for seed in seeds[:400]]
        )
        assert stats.ks_2samp(shares[:, 0], shares[:, 1]).pvalue > 1e-3
        assert abs(np.corrcoef(shares.T)[0, 1]) < 0.2

    def test_films_are_mixed_only_where_asked(self, films: TransformedFilms) -> None:
        plain = multiset(read(evaluation_batches(films, settings()))[0])
        for mixup, kept in ((0.0, True), (1.0, False)):
            batches = training_batches(films, settings(strength=0.0, mixup=mixup))
            assert bool(multiset(read(batches)[0]) & plain) is kept


class TestSubtypes:
    @pytest.fixture(scope="class", name="subtypes")
    def open_split(self, pushed: LocalRun) -> TransformedFilms:
        """The train split with three classes."""
        transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
        uri = pushed.uri("Transform", "transformed_examples")
        return TransformedFilms.open([f"{uri}/Split-train/*"], transform, "subtype")

    def test_counts_and_targets_are_those_of_the_raw_films(
        self, subtypes: TransformedFilms, pushed: LocalRun
    ) -> None:
        uri = pushed.uri("RadiographExampleGen", "examples")
        examples = map(tf.train.Example.FromString, read_examples(uri, features.TRAIN))
        raw = Counter(
            example.features.feature[features.SUBTYPE].bytes_list.value[0].decode()
            for example in examples
        )
        counts = tuple(raw[name] for name in features.SUBTYPES)
        assert subtypes.counts == counts
        assert min(counts) > 0
        _, targets = read(evaluation_batches(subtypes, settings()))
        np.testing.assert_array_equal(targets.sum(axis=0), counts)

    def test_an_unknown_subtype_is_refused(
        self, subtypes: TransformedFilms, tmp_path: Path, pushed: LocalRun
    ) -> None:
        film = tf.train.Example.FromString(next(subtypes.serialised().as_numpy_iterator()))
        film.features.feature[features.LABEL_XF].int64_list.value[:] = [1]
        film.features.feature[features.SUBTYPE_XF].int64_list.value[:] = [-1]
        file = str(tmp_path / "films.gz")
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            writer.write(film.SerializeToString())
        transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
        with pytest.raises(ValueError, match="1 of 1 films have another"):
            TransformedFilms.open([file], transform, "subtype")

    def test_a_film_that_shows_nothing_once_it_is_prepared_is_refused(
        self, subtypes: TransformedFilms, tmp_path: Path, pushed: LocalRun
    ) -> None:
        file = str(tmp_path / "films.gz")
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for place, film in enumerate(subtypes.serialised().as_numpy_iterator()):
                example = tf.train.Example.FromString(film)
                if place in (3, 4):
                    example.features.feature[features.QUALITY_XF].bytes_list.value[:] = [b"blank"]
                writer.write(example.SerializeToString())
        transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
        with pytest.raises(ValueError, match=r"2 films cannot be judged .* \(2 blank\); lower"):
            TransformedFilms.open([file], transform)

    def test_a_class_without_a_film_is_refused(
        self, subtypes: TransformedFilms, tmp_path: Path, pushed: LocalRun
    ) -> None:
        without_viral = tmp_path / "Split-eval"
        without_viral.mkdir()
        with tf.io.TFRecordWriter(str(without_viral / "films.gz"), "GZIP") as writer:
            for film in subtypes.serialised().as_numpy_iterator():
                example = tf.train.Example.FromString(film)
                if example.features.feature[features.SUBTYPE_XF].int64_list.value[0] != 2:
                    writer.write(film)
        transform = tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph")))
        files = [f"{without_viral}/*"]
        with pytest.raises(ValueError, match=r"but Split-eval has none of virus; add some"):
            TransformedFilms.open(files, transform, "subtype")
        assert min(TransformedFilms.open(files, transform, "binary").counts) > 0


class TestEvaluationBatches:
    def test_two_passes_are_the_same_and_hold_the_pixels_as_written(
        self, films: TransformedFilms
    ) -> None:
        batches = evaluation_batches(films, settings())
        first, second = read(batches), read(batches)
        packed = films.parse(list(films.serialised().as_numpy_iterator()))[features.IMAGE_XF]
        pixels = np.stack([np.frombuffer(film, np.uint8) for film in packed.numpy().ravel()])
        expected = pixels.reshape(-1, SIZE_PX, SIZE_PX, 1) / 255
        for images, labels in (first, second):
            np.testing.assert_allclose(images, expected, atol=1e-6)
            assert labels.sum() == films.counts[1]


class TestGroups:
    def test_are_those_of_the_raw_films(self, pushed: LocalRun, films: TransformedFilms) -> None:
        raw = read_examples(pushed.uri("RadiographExampleGen", "examples"), features.TRAIN)
        facts = [tf.train.Example.FromString(film).features.feature for film in raw]
        for name in (features.SITE, features.VIEW, features.SEX):
            expected = Counter(
                (fact[name].bytes_list.value[0], fact[features.LABEL].bytes_list.value[0])
                for fact in facts
            )
            labels = np.array([b"NORMAL", b"PNEUMONIA"], object)[films.classes]
            assert Counter(zip(films.groups(name), labels, strict=True)) == expected
            assert len(expected) > 2  # or the films would tell nothing apart

    def test_an_epoch_draws_them_evenly(
        self, films: TransformedFilms, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = Hyperparameters.model_validate(
            {"train": {"group_by": "site", "balance_groups": True, "mixup": 0}}
        )

        def sites_for_images(parsed: dict[str, tf.Tensor], *others: object) -> tf.Tensor:
            return parsed[features.SITE_XF]

        monkeypatch.setattr(input_pipeline, "_images", sites_for_images)
        drawn = np.concatenate(
            [sites.ravel() for sites, _, _ in training_batches(films, settings).as_numpy_iterator()]
        )
        counts, before = Counter(drawn), Counter(films.groups(features.SITE))
        assert len(drawn) == len(films.classes)
        assert max(counts.values()) - min(counts.values()) <= len(features.LABELS)
        assert max(before.values()) - min(before.values()) > len(features.LABELS)


def test_joined_films_are_those_of_both(films: TransformedFilms) -> None:
    both = films.joined(films)
    assert both.classes.tolist() == [*films.classes, *films.classes]
    assert list(both.serialised().as_numpy_iterator()) == 2 * list(
        films.serialised().as_numpy_iterator()
    )
