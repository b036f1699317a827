"""Transform, training and signatures where only the age tells the class, told of it and not."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from sklearn.metrics import roc_auc_score

from components.auditor.scoring import score_examples
from components.explanation_gen.explained_model import ExplainedModel
from components.model_validator.executor import (
    TOLERANCE,
    find_faults,
    training_path_probabilities,
)
from models import features, preprocessing, training
from models.cut_open import activations_and_logits, explained_layers, of_films_alone
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms, evaluation_batches, training_batches
from models.members import members_of as folded_members
from models.network import build_network
from models.records import read_network, read_record
from models.scoring import Scorer, evaluate
from models.signatures import _DEFAULTS
from pipeline.start import settings_to_start_from
from radiographs.options import IngestOptions
from tests.support import draw_film
from tests.unit.components.auditor.films import example_of

SIZE_PX = 32
OLD_YEARS = 60  # and older is pneumonia
PICTURES = 6  # that are more of the one class, and as many more of the other
EPOCHS_FOLDED = 8
HINTS_RIGHT = 0.65  # share of films whose picture is one of their class's
UNKNOWN_EACH = 7  # of so many films, of one nothing is known
SPEC = {name: tf.io.FixedLenFeature([1], kind) for name, (kind, _) in _DEFAULTS.items()}
SPLITS = {features.TRAIN: range(0, 192), features.EVAL: range(192, 256)}
UNKNOWN = {"age_years": -1, "sex": "unknown", "view": "unknown"}


def raw_example(number: int) -> tf.train.Example:
    """A film that hardly tells its class, and an age that does."""
    rng = np.random.default_rng(number)
    age_years = int(rng.integers(0, 120))
    known = {
        "age_years": age_years,
        "sex": ("M", "F", "O", "unknown")[rng.integers(4)],
        "view": ("PA", "AP", "unknown")[rng.integers(3)],
    }
    is_ill = age_years >= OLD_YEARS
    # So much that films alone can be calibrated, and no more.
    hinted = is_ill == (rng.random() < HINTS_RIGHT)
    return example_of(
        draw_film(int(rng.integers(PICTURES)) + PICTURES * hinted),
        "PNEUMONIA" if is_ill else "NORMAL",
        patient_id=f"p{number}",
        **(known if number % UNKNOWN_EACH else UNKNOWN),
    )


def changed(example: tf.train.Example, **known: Any) -> bytes:
    """The same film, of which other things are known."""
    copy = tf.train.Example.FromString(example.SerializeToString())
    for name, value in known.items():
        feature = copy.features.feature[name]
        if isinstance(value, int):
            feature.int64_list.value[:] = [value]
        else:
            feature.bytes_list.value[:] = [value.encode()]
    return copy.SerializeToString()


@dataclass(frozen=True)
class Run:
    """What Transform and Trainer left."""

    settings: Hyperparameters
    folder: Path
    examples: list[tf.train.Example]  # of eval

    @property
    def transform(self) -> str:
        return str(self.folder / "transform")

    @property
    def model_run(self) -> str:
        return str(self.folder / "model_run")

    @property
    def saved(self) -> str:
        return str(self.folder / "model")

    @functools.cached_property
    def served(self) -> Any:
        return tf.saved_model.load(self.saved)

    @property
    def images(self) -> list[bytes]:
        return [one.features.feature["image"].bytes_list.value[0] for one in self.examples]

    @property
    def labels(self) -> np.ndarray:
        words = [one.features.feature["label"].bytes_list.value[0] for one in self.examples]
        return np.array(words) == b"PNEUMONIA"

    @property
    def none_known(self) -> np.ndarray:
        return np.arange(SPLITS[features.EVAL].start, SPLITS[features.EVAL].stop) % 7 == 0

    def split(self, name: str) -> TransformedFilms:
        graph = tft.TFTransformOutput(self.transform)
        return TransformedFilms.open([str(self.folder / f"{name}.gz")], graph)

    def ask(self, signature: str, batch: Sequence[bytes]) -> dict[str, np.ndarray]:
        by_file = signature in (features.PREDICT_IMAGES, features.EXPLAIN_IMAGES)
        argument = features.IMAGE_BYTES if by_file else features.EXAMPLES
        answer = self.served.signatures[signature](**{argument: tf.constant(batch)})
        return {name: tensor.numpy() for name, tensor in answer.items()}


def transform(folder: Path, told: bool, settings: Hyperparameters) -> None:
    """Runs Transform as TFX does."""
    config = {
        preprocessing.PREPROCESSING_KEY: settings.preprocessing.model_dump_json(),
        preprocessing.INGEST_KEY: IngestOptions().model_dump_json(),
        **({preprocessing.CLINICAL_KEY: True} if told else {}),
    }
    prepare = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    metadata = tft.DatasetMetadata.from_feature_spec(SPEC)
    raw = [as_row(raw_example(number)) for split in SPLITS.values() for number in split]
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        analysis = tft_beam.AnalyzeAndTransformDataset(prepare)
        (rows, _), graph = (raw, metadata) | analysis
        graph | tft_beam.WriteTransformFn(str(folder / "transform"))
    described = folder / "transform" / "metadata" / "schema.pbtxt"
    described.parent.mkdir(exist_ok=True)
    described.write_text(str(metadata.schema))
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for split, numbers in SPLITS.items():
        with tf.io.TFRecordWriter(str(folder / f"{split}.gz"), options) as writer:
            for number in numbers:
                writer.write(as_example(rows[number]))


def as_example(row: dict[str, np.ndarray]) -> bytes:
    """Returns what Transform writes of a row."""
    example = tf.train.Example()
    for name, values in row.items():
        feature = example.features.feature[name]
        if values.dtype == object or values.dtype.kind == "S":
            feature.bytes_list.value.extend(values.tolist())
        elif values.dtype.kind == "i":
            feature.int64_list.value.extend(values.tolist())
        else:
            feature.float_list.value.extend(values.tolist())
    return example.SerializeToString()


def as_row(example: tf.train.Example) -> dict[str, np.ndarray]:
    parsed = tf.io.parse_single_example(example.SerializeToString(), SPEC)
    return {name: value.numpy() for name, value in parsed.items()}


def settings_of(told: bool, **train: Any) -> Hyperparameters:
    return Hyperparameters.model_validate(
        {
            "preprocessing": {"image_size_px": SIZE_PX},
            "augmentation": {"strength": 0.5},
            "network": {
                "width": 4, "depth": 2, "dense_units": 8, "dropout": 0.0, "clinical": told,
                "clinical_dropout": 0.1,
            },
            "train": {
                "batch_size": 16, "epochs": 16, "learning_rate": 0.03, "mixup": 0.05, **train
            },
        }
    )  # fmt: skip


def trained(folder: Path, settings: Hyperparameters) -> Run:
    """Trains on what Transform has left in a folder."""
    run = Run(settings, folder, [raw_example(number) for number in SPLITS[features.EVAL]])
    training.run_fn(
        SimpleNamespace(
            hyperparameters=None,
            transform_output=run.transform,
            train_files=[str(folder / "train.gz")],
            eval_files=[str(folder / "eval.gz")],
            serving_model_dir=run.saved,
            model_run_dir=run.model_run,
            custom_config={
                training.HYPERPARAMETERS: settings.model_dump_json(),
                training.CHECKPOINT_ROOT: str(folder / "checkpoints"),
                training.SOURCE_FINGERPRINT: "code",
                training.IMPORTED: "nothing",
                training.KEEP: [],
            },
        )
    )
    return run


@pytest.fixture(scope="module", name="told")
def train_told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose network is told age, sex and view."""
    folder, settings = tmp_path_factory.mktemp("told"), settings_of(told=True)
    transform(folder, True, settings)
    return trained(folder, settings)


@pytest.fixture(scope="module", name="untold")
def train_untold(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same films for a network that is given films alone."""
    folder, settings = tmp_path_factory.mktemp("untold"), settings_of(told=False)
    transform(folder, False, settings)
    return trained(folder, settings)


@pytest.fixture(scope="module", name="folded")
def train_folded(told: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two networks that are told, of the worst group, their last layers retrained."""
    folder = tmp_path_factory.mktemp("folded")
    for name in ("transform", "train.gz", "eval.gz"):
        (folder / name).symlink_to(told.folder / name)
    choices = {"objective": "worst_group", "group_by": "sex", "retrain_last_layer": True}
    return trained(folder, settings_of(told=True, members=2, epochs=EPOCHS_FOLDED, **choices))


class TestTransform:
    def test_training_and_serving_are_given_the_vectors_of_the_hand(self, told: Run) -> None:
        raw = [
            (
                one.features.feature["age_years"].int64_list.value[0],
                one.features.feature["sex"].bytes_list.value[0].decode(),
                one.features.feature["view"].bytes_list.value[0].decode(),
            )
            for one in told.examples
        ]
        expected = np.zeros((len(raw), 9), np.float32)
        for row, (age_years, sex, view) in enumerate(raw):
            expected[row, :2] = (0, 1) if age_years < 0 else (age_years / 120, 0)
            expected[row, 2 + ("M", "F", "O", "unknown").index(sex)] = 1
            expected[row, 6 + ("PA", "AP", "unknown").index(view)] = 1
        batches = evaluation_batches(told.split(features.EVAL), told.settings)
        given = np.concatenate([vectors for (_, vectors), _ in batches])
        np.testing.assert_allclose(given, expected, rtol=1e-6)
        serialised = [one.SerializeToString() for one in told.examples]
        served = told.ask(features.TRANSFORM_FEATURES, serialised)[features.CLINICAL_XF]
        np.testing.assert_array_equal(served, given)

    def test_off_nothing_is_written_and_nothing_is_given(self, untold: Run) -> None:
        outputs = untold.served.signatures[features.TRANSFORM_FEATURES].structured_outputs
        assert features.CLINICAL_XF not in outputs
        films = untold.split(features.EVAL)
        assert features.CLINICAL_XF not in films.feature_spec
        for images, _ in evaluation_batches(films, untold.settings).take(1):
            assert images.shape[1:] == (SIZE_PX, SIZE_PX, 1)


class TestTrainingInput:
    @pytest.fixture(scope="class", name="epochs")
    def read_epochs(self, told: Run) -> list[np.ndarray]:
        """The vectors of four epochs, without mixup."""
        train = told.settings.train.model_copy(update={"mixup": 0.0})
        batches = training_batches(
            told.split(features.TRAIN), told.settings.model_copy(update={"train": train})
        )
        return [np.concatenate([given[1] for given, *_ in batches]) for _ in range(4)]

    def test_as_much_is_forgotten_as_the_setting_says(
        self, told: Run, epochs: list[np.ndarray]
    ) -> None:
        share = told.settings.network.clinical_dropout
        known = sum(bool(number % UNKNOWN_EACH) for number in SPLITS[features.TRAIN])
        left = np.mean([np.sum(vectors[:, 1] == 0) for vectors in epochs])
        assert left == pytest.approx((1 - share) ** 2 * known, rel=0.15)

    def test_in_each_epoch_other_films_lose_it(self, epochs: list[np.ndarray]) -> None:
        ages = [np.sort(vectors[vectors[:, 1] == 0, 0]) for vectors in epochs]
        assert not any(np.array_equal(ages[0], other) for other in ages[1:])

    def test_the_films_are_those_of_a_network_that_is_told_nothing(
        self, told: Run, untold: Run
    ) -> None:
        (given, targets, weights), (images, *others) = (
            next(iter(training_batches(run.split(features.TRAIN), run.settings)))
            for run in (told, untold)
        )
        np.testing.assert_array_equal(given[0], images)
        for one, other in zip((targets, weights), others, strict=True):
            np.testing.assert_array_equal(one, other)


class TestLearning:
    @staticmethod
    def auc(run: Run, probability: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> float:
        return float(roc_auc_score(run.labels[chosen], probability[chosen]))

    def test_who_is_told_the_age_tells_the_class(self, told: Run, untold: Run) -> None:
        known = ~told.none_known
        for run, least, most in ((told, 0.95, 1), (untold, 0, 0.75)):
            batch = [one.SerializeToString() for one in run.examples]
            answer = run.ask(features.SERVING_DEFAULT, batch)[features.PROBABILITY]
            assert least <= self.auc(run, answer, known) <= most
        by_file = told.ask(features.PREDICT_IMAGES, told.images)[features.PROBABILITY]
        assert self.auc(told, by_file, known) <= 0.75

    def test_an_epoch_is_judged_with_what_is_known(self, told: Run) -> None:
        network = read_network(told.settings, told.model_run)
        logits, classes = Scorer(network, told.split(features.EVAL), told.settings)()
        best = min(
            read_record(told.model_run)["history"], key=lambda row: row["val_calibrated_log_loss"]
        )
        assert roc_auc_score(classes, logits[:, 0]) == pytest.approx(best["val_auc"], abs=1e-6)

    def test_the_operating_point_is_that_of_films_alone(self, told: Run) -> None:
        point = read_record(told.model_run)["operating_point"]
        answer = told.ask(features.PREDICT_IMAGES, told.images)
        called = answer[features.PREDICTED_LABEL] == b"PNEUMONIA"
        assert called[told.labels].mean() == pytest.approx(point["sensitivity"])
        assert (~called)[~told.labels].mean() == pytest.approx(point["specificity"])


class TestServing:
    def test_a_file_is_an_example_of_which_nothing_is_known(self, told: Run) -> None:
        unknown = [changed(one, **UNKNOWN) for one in told.examples]
        by_example = told.ask(features.SERVING_DEFAULT, unknown)
        by_file = told.ask(features.PREDICT_IMAGES, told.images)
        for name, values in by_file.items():
            np.testing.assert_array_equal(by_example[name], values)

    @pytest.mark.parametrize("known", [{"age_years": 500}, {"age_years": -7}, {"sex": "x"}])
    def test_what_is_not_plausible_is_unknown(self, told: Run, known: dict[str, Any]) -> None:
        batch = [changed(one, **{**UNKNOWN, **known}) for one in told.examples[:5]]
        answer = told.ask(features.SERVING_DEFAULT, batch)[features.PROBABILITY]
        by_file = told.ask(features.PREDICT_IMAGES, told.images[:5])[features.PROBABILITY]
        np.testing.assert_array_equal(answer, by_file)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"age_years": 10}, {"age_years": 110}),
            ({"sex": "M"}, {"sex": "F"}),
            ({"view": "PA"}, {"view": "AP"}),
        ],
    )
    def test_the_answer_changes_with_what_is_known(
        self, told: Run, untold: Run, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        for run in (told, untold):
            answers = [
                run.ask(
                    features.SERVING_DEFAULT,
                    [changed(film, **{**UNKNOWN, **known}) for film in run.examples],
                )[features.PROBABILITY]
                for known in (one, other)
            ]
            assert np.array_equal(answers[0], answers[1]) is (run is untold)

    def test_the_strangeness_of_a_film_is_that_of_its_pixels(self, told: Run) -> None:
        name = features.OUT_OF_DISTRIBUTION
        batch = [one.SerializeToString() for one in told.examples]
        by_example = told.ask(features.SERVING_DEFAULT, batch)[name]
        by_file = told.ask(features.PREDICT_IMAGES, told.images)[name]
        np.testing.assert_array_equal(by_example, by_file)
        assert np.isfinite(by_file).all()

    def test_an_explanation_is_of_the_film_alone(self, told: Run) -> None:
        explained = told.ask(features.EXPLAIN_IMAGES, told.images[:9])
        predicted = told.ask(features.PREDICT_IMAGES, told.images[:9])
        np.testing.assert_allclose(
            explained[features.PROBABILITY], predicted[features.PROBABILITY], atol=1e-6
        )
        assert explained[features.HEATMAP].shape == (9, SIZE_PX, SIZE_PX)
        opened = ExplainedModel.open(told.saved, told.model_run)
        assert opened.embeddings(told.images[:3]).shape == (3, 8)
        assert len(opened.feature_maps(told.images[0])) == 2

    @pytest.mark.parametrize("signature", features.SIGNATURES)
    def test_an_empty_batch_has_empty_answers(self, told: Run, signature: str) -> None:
        empty = tf.zeros([0], tf.string)
        by_file = signature in (features.PREDICT_IMAGES, features.EXPLAIN_IMAGES)
        argument = features.IMAGE_BYTES if by_file else features.EXAMPLES
        for name, values in told.served.signatures[signature](**{argument: empty}).items():
            assert values.shape[0] == 0, name

    def test_the_validator_finds_the_training_path_in_it(self, told: Run) -> None:
        batch = [one.SerializeToString() for one in told.examples[:8]]
        expected, by_file = training_path_probabilities(batch, told.transform, told.model_run)
        assert list(find_faults(told.served, batch, expected, by_file)) == []
        assert len(list(find_faults(told.served, batch, expected))) == 2  # of files
        answer = told.ask(features.SERVING_DEFAULT, batch)[features.PROBABILITY]
        np.testing.assert_allclose(answer, expected, atol=TOLERANCE)


class TestGoingOn:
    @pytest.fixture(name="given")
    def films(self, told: Run) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        batches = evaluation_batches(told.split(features.EVAL), told.settings)
        ((images, vectors), _) = next(iter(batches))
        yield images, vectors

    def test_from_what_was_served(self, told: Run, given: tuple[tf.Tensor, tf.Tensor]) -> None:
        start = told.settings.network.model_copy(update={"weights": told.saved})
        network = build_network(SIZE_PX, start)
        expected = read_network(told.settings, told.model_run)(given, training=False)
        np.testing.assert_allclose(network(given, training=False), expected, atol=1e-6)

    def test_by_films_alone_it_answers_as_to_a_file(
        self, told: Run, given: tuple[tf.Tensor, tf.Tensor]
    ) -> None:
        start = told.settings.network.model_copy(update={"weights": told.saved, "clinical": False})
        network = build_network(SIZE_PX, start)
        expected = of_films_alone(read_network(told.settings, told.model_run))(given[0])
        np.testing.assert_allclose(network(given[0], training=False), expected, atol=1e-5)


class TestFolded:
    """Told what is known, of several networks, by groups: all at once."""

    def test_its_logit_is_the_mean_of_its_networks(self, folded: Run) -> None:
        network = read_network(folded.settings, folded.model_run)
        batches = evaluation_batches(folded.split(features.EVAL), folded.settings)
        given = next(iter(batches))[0]
        logits = [
            activations_and_logits(one)(given, training=False)[1].numpy()
            for one in folded_members(network)
        ]
        assert len(logits) == 2
        assert np.abs(logits[0] - logits[1]).max() > 1e-3
        found = activations_and_logits(network)(given, training=False)[1].numpy()
        np.testing.assert_allclose(found, np.mean(logits, axis=0), atol=1e-5)

    def test_a_file_is_answered_as_an_example_of_which_nothing_is_known(self, folded: Run) -> None:
        by_file = folded.ask(features.PREDICT_IMAGES, folded.images)
        unknown = [changed(one, age_years=-1, sex="?", view="?") for one in folded.examples]
        by_example = folded.ask(features.SERVING_DEFAULT, unknown)
        for name in (features.PROBABILITY, features.OUT_OF_DISTRIBUTION):
            np.testing.assert_array_equal(by_example[name], by_file[name])
            assert np.isfinite(by_file[name]).all()

    def test_it_is_explained(self, folded: Run) -> None:
        answer = folded.ask(features.EXPLAIN_IMAGES, folded.images[:4])
        by_file = folded.ask(features.PREDICT_IMAGES, folded.images[:4])
        np.testing.assert_allclose(answer["probability"], by_file["probability"], atol=1e-6)
        maps = ExplainedModel.open(folded.saved, folded.model_run).feature_maps(folded.images[0])
        alone = read_network(folded.settings, folded.model_run)
        channels = sum(one.output.shape[-1] for one in explained_layers(alone)[:2])
        assert maps[-1].shape[-1] == channels

    def test_slices_are_of_what_the_evaluator_asks(self, folded: Run) -> None:
        told, by_file = (
            score_examples(folded.served, folded.examples, told)["probability"].to_numpy()
            for told in (True, False)
        )
        serialised = [one.SerializeToString() for one in folded.examples]
        expected = folded.ask(features.SERVING_DEFAULT, serialised)["probability"]
        np.testing.assert_allclose(told, expected, atol=1e-6)
        np.testing.assert_allclose(
            by_file, folded.ask(features.PREDICT_IMAGES, folded.images)["probability"], atol=1e-6
        )
        assert np.abs(told - by_file).max() > 0

    def test_the_record_compares_like_with_like(self, folded: Run) -> None:
        record = read_record(folded.model_run)
        assert {row["member"] for row in record["history"]} == {1, 2}
        films = folded.split(features.EVAL)
        network = read_network(folded.settings, folded.model_run)
        expected = evaluate(*Scorer(network, films, folded.settings)(), folded.settings)
        assert record["reached"] == pytest.approx(expected, abs=1e-4)

    def test_a_new_site_need_not_have_films_for_every_group(self, folded: Run) -> None:
        start = settings_to_start_from(folded.saved)["train"]
        assert (start["objective"], start["retrain_last_layer"]) == ("mean", False)
