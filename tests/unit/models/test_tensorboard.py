"""What a training leaves for TensorBoard, read back as TensorBoard reads it."""

from __future__ import annotations

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models import features
from models.fitting import Fitted, fit
from models.hyperparameters import Hyperparameters
from models.input_pipeline import TransformedFilms, augmented_examples
from models.network import build_network
from models.scoring import Scorer
from models.tensorboard import CURVE_PX, MARGIN_PX, draw_roc, write_examples
from tests.unit.models.drawn_films import SIZE_PX, make_settings

Splits = tuple[TransformedFilms, TransformedFilms]
EPOCHS, THRESHOLDS = 2, 201
EXAMPLES = "films/as they are and augmented"
UNLIMITED = {"scalars": 0, "images": 0, "tensors": 0}
PLAIN = {"strength": 0}


def settings_of(**augmentation: float) -> Hyperparameters:
    settings = make_settings(
        epochs=EPOCHS, learning_rate=0.03, learning_rate_schedule="constant", weight_average=0
    )
    changed = settings.augmentation.model_copy(update=augmentation)
    return settings.model_copy(update={"augmentation": changed})


def events_of(folder: Path | str) -> EventAccumulator:
    return EventAccumulator(str(folder), UNLIMITED).Reload()


def pictures_of(events: EventAccumulator, tag: str, step: int = 0) -> list[np.ndarray]:
    """Returns the pictures that were written together: two strings before them give their size."""
    (values,) = [one for one in events.Tensors(tag) if one.step == step]
    encoded = tf.make_ndarray(values.tensor_proto)[2:]
    return [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in encoded]


@pytest.fixture(scope="module", name="trained")
def train(
    drawn: Splits, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Fitted, keras.Model, Path]:
    """What two epochs came to, the network after the last one, and the events."""
    folder = tmp_path_factory.mktemp("events")
    keras.utils.set_random_seed(0)
    settings = settings_of()
    network = build_network(SIZE_PX, settings.network)
    fitted = fit(
        network, network.get_weights(), *drawn, settings, str(folder / "kept"), str(folder)
    )
    return fitted, network, folder / "tensorboard"


@pytest.fixture(scope="module", name="answers")
def score(trained: tuple[Fitted, keras.Model, Path], drawn: Splits) -> tuple[np.ndarray, ...]:
    """Truth of the eval films and what the last epoch made of them."""
    logits, classes = Scorer(trained[1], drawn[1], settings_of())()
    return classes, 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))


def test_scalars_are_those_of_the_history(trained: tuple[Fitted, keras.Model, Path]) -> None:
    fitted, _, folder = trained
    for run, names in (("train", ("loss",)), ("validation", ("val_auc",))):
        events = events_of(folder / run)
        for name in names:
            written = events.Tensors(f"epoch_{name.removeprefix('val_')}")
            values = [float(tf.make_ndarray(one.tensor_proto)) for one in written]
            assert values == pytest.approx([row[name] for row in fitted.history])
    rates = events_of(folder / "train").Tensors("epoch_learning_rate")
    assert [float(tf.make_ndarray(one.tensor_proto)) for one in rates] == pytest.approx(
        [0.03] * EPOCHS
    )


def test_precision_recall_is_that_of_the_answers(
    trained: tuple[Fitted, keras.Model, Path], answers: tuple[np.ndarray, ...]
) -> None:
    classes, probabilities = answers
    curves = events_of(trained[2] / "films").Tensors("eval/precision-recall/pr_curves")
    assert [one.step for one in curves] == list(range(EPOCHS))
    true_positives, false_positives, _, false_negatives, precision, recall = tf.make_ndarray(
        curves[-1].tensor_proto
    )
    thresholds = np.linspace(0, 1, THRESHOLDS)
    for place in (0, 60, 100, 140):
        called = probabilities >= thresholds[place]
        near = np.abs(probabilities - thresholds[place]).min() < 1e-6
        if near:  # float32 may put it on either side
            continue
        assert true_positives[place] == np.sum(called & (classes == 1))
        assert false_positives[place] == np.sum(called & (classes == 0))
        assert false_negatives[place] == np.sum(~called & (classes == 1))
        if called.any():
            assert precision[place] == pytest.approx(
                metrics.precision_score(classes, called), abs=1e-6
            )
        assert recall[place] == pytest.approx(metrics.recall_score(classes, called), abs=1e-6)


def test_roc_is_that_of_the_answers(
    trained: tuple[Fitted, keras.Model, Path], answers: tuple[np.ndarray, ...]
) -> None:
    events = events_of(trained[2] / "films")
    areas = [float(tf.make_ndarray(one.tensor_proto)) for one in events.Tensors("eval/AUC")]
    assert areas == pytest.approx([row["val_auc"] for row in trained[0].history], abs=1e-6)
    assert areas[-1] == pytest.approx(metrics.roc_auc_score(*answers), abs=1e-6)
    (shown,) = pictures_of(events, "eval/ROC", EPOCHS - 1)
    np.testing.assert_array_equal(shown[..., ::-1], draw_roc(answers[0] > 0, answers[1]))


@pytest.mark.parametrize(
    "scores",
    [
        np.linspace(0, 1, 40),
        np.linspace(1, 0, 40),
        np.random.default_rng(0).random(40),
        np.tile([0.25, 0.75], 20),
    ],
)
def test_the_area_below_the_drawn_curve_is_the_auc(scores: np.ndarray) -> None:
    labels = np.arange(40) >= 16
    blue = draw_roc(labels, scores).astype(int) @ [-1, 0, 1] > 30  # more blue than red
    inside = slice(MARGIN_PX - 1, CURVE_PX - MARGIN_PX + 1)  # with the curve's own width
    heights = [np.flatnonzero(column).mean() for column in blue[inside, inside].T if column.any()]
    area = 1 - np.mean(heights) / (CURVE_PX - 2 * MARGIN_PX)
    # Where the curve rises, a column is halved: a rise counts half at either end alone.
    assert area == pytest.approx(metrics.roc_auc_score(labels, scores), abs=0.01)


def test_examples_are_films_of_both_classes_beside_what_is_made_of_them(
    trained: tuple[Fitted, keras.Model, Path], drawn: Splits
) -> None:
    shown = pictures_of(events_of(trained[2] / "films"), EXAMPLES)
    pixels = [
        np.frombuffer(
            tf.train.Example.FromString(one)
            .features.feature[features.IMAGE_XF]
            .bytes_list.value[0],
            np.uint8,
        ).reshape(SIZE_PX, SIZE_PX)
        for one in drawn[0].serialised().as_numpy_iterator()
    ]
    places = [*np.flatnonzero(drawn[0].classes == 0)[:8], *np.flatnonzero(drawn[0].classes)[:8]]
    assert len(shown) == len(places) == 16
    for picture, place in zip(shown, places, strict=True):
        left, right = np.split(picture[..., 0], 2, axis=1)
        np.testing.assert_array_equal(left, pixels[place])
        assert np.abs(left.astype(int) - right).mean() > 2


def test_examples_without_augmentation_are_twice_the_same(drawn: Splits) -> None:
    left, right = np.split(augmented_examples(drawn[0], settings_of(**PLAIN)).numpy(), 2, axis=2)
    np.testing.assert_array_equal(left, right)


def test_large_examples_are_made_small_and_few(tmp_path: Path) -> None:
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        write_examples(tf.random.stateless_uniform([40, 300, 600, 1], [0, 0]), step=3)
    writer.close()
    shown = pictures_of(events_of(tmp_path), EXAMPLES, 3)
    assert len(shown) == 32
    assert {one.shape for one in shown} == {(128, 256, 3)}


def test_on_a_remote_root(drawn: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings, remote = settings_of(), "ram://bucket/events"
    network = build_network(SIZE_PX, settings.network)
    fit(network, network.get_weights(), *drawn, settings, f"{remote}/kept", remote)
    (file,) = tf.io.gfile.glob(f"{remote}/tensorboard/films/*")
    tf.io.gfile.copy(file, str(tmp_path / "events.out.tfevents.1"))
    assert len(events_of(tmp_path).Tensors("eval/ROC")) == EPOCHS
    assert len(list(tmp_path.iterdir())) == 1  # nothing took the address for a path
