"""Batches for training and evaluation, from what Transform wrote in the shared run."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

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


class TestCached:
    @pytest.mark.parametrize(("limit_bytes", "survives"), [(10_000_000, True), (1, False)])
    def test_a_small_split_is_read_from_disk_once(
        self,
        films: TransformedFilms,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        limit_bytes: int,
        survives: bool,
    ) -> None:
        monkeypatch.setattr(input_pipeline, "CACHED_SPLIT_BYTES", limit_bytes)
        copies = tuple(str(shutil.copy(file, tmp_path)) for file in films.files)
        moved = TransformedFilms(copies, films.feature_spec, films.counts)
        batches = evaluation_batches(moved, settings())
        first, _ = read(batches)
        for copy in copies:
            Path(copy).unlink()
        if survives:
            np.testing.assert_array_equal(read(batches)[0], first)
        else:
            with pytest.raises(tf.errors.NotFoundError):
                read(batches)


class TestOpen:
    def test_counts_the_films_of_each_class(
        self, films: TransformedFilms, labels: list[str]
    ) -> None:
        assert films.counts == (labels.count("NORMAL"), labels.count("PNEUMONIA"))
        assert films.counts[0] != films.counts[1]


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
        drawn = np.concatenate([read(batches)[1] for _ in range(6)])
        tolerance = 4 * 0.5 / math.sqrt(drawn.size)  # four standard deviations of the share
        assert films.counts[1] / sum(films.counts) - 0.5 > tolerance
        assert abs(drawn.mean() - 0.5) < tolerance


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
