"""The work from examples to pictures, with a model that is easy to foresee."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
import tensorflow as tf

from components.explanation_gen import explaining
from components.explanation_gen.explained_model import ExplainedModel
from components.explanation_gen.explaining import explain_films
from components.explanation_gen.index import ExplainedFilm
from components.explanation_gen.pictures import CYAN, WHITE
from models import features
from models.explanation_settings import ExplanationSettings
from tests.support import encode
from tests.unit.components.auditor.films import example_of, film_of, write_split

THRESHOLD = 0.5
SMALL = ExplanationSettings(films=100, size_px=64, feature_maps=1)
NO_BOX = (math.nan,) * 4
BOXES = np.array([[0.1, 0.2, 0.5, 0.6], *[NO_BOX] * 4], np.float32)


class FakeModel(ExplainedModel):
    """Takes the mean grey level for the probability; does not judge what it cannot decode."""

    def __init__(self, opacity: tuple[float, float] = (0.25, 0.5)):
        signatures = {
            features.PREDICT_IMAGES: self._predict, features.EXPLAIN_IMAGES: self._explain,
        }  # fmt: skip
        nothing = cast(Any, None)
        super().__init__(SimpleNamespace(signatures=signatures), nothing, nothing, THRESHOLD)
        object.__setattr__(self, "calls", [])
        object.__setattr__(self, "opacity", opacity)
        self.calls: list[int]
        self.opacity: tuple[float, float]

    def feature_maps(self, image: bytes) -> list[np.ndarray]:
        return [np.full((4, 4, 2), self._mean(image), np.float32)]

    def embeddings(self, images: Sequence[bytes]) -> np.ndarray:
        return np.array([[self._mean(one), 2 * self._mean(one)] for one in images], np.float32)

    @staticmethod
    def _mean(image: bytes) -> float:
        film = cv2.imdecode(np.frombuffer(image or b"x", np.uint8), cv2.IMREAD_GRAYSCALE)
        return math.nan if film is None else film.mean() / 255

    def _means(self, image_bytes: tf.Tensor) -> np.ndarray:
        return np.array([self._mean(image) for image in image_bytes.numpy()], np.float32)

    def _predict(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        means = self._means(image_bytes)
        called = np.where(means >= THRESHOLD, "PNEUMONIA", "NORMAL")
        judged = np.isfinite(means)
        return {
            "probability": tf.constant(means),
            "label": tf.constant(np.where(judged, called, "").tolist()),
            "class_probabilities": tf.constant(np.stack([1 - means, means], axis=1)),
            "quality": tf.constant(np.where(judged, "ok", "not decodable").tolist()),
            "out_of_distribution": tf.constant(means),
        }

    def _explain(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        means = self._means(image_bytes)
        self.calls.append(len(means))
        judged = np.isfinite(means)[:, np.newaxis]
        overlays = [
            encode(np.full((32, 32, 3), (0, 0, round(255 * mean)), np.uint8)) if ok else b""
            for mean, ok in zip(means, judged, strict=True)
        ]
        peaks = np.where(np.arange(5) == 0, means[:, np.newaxis], math.nan)
        return {
            "overlay_bytes": tf.constant(overlays),
            "boxes": tf.constant(np.where(judged[..., np.newaxis], BOXES, math.nan)),
            "box_scores": tf.constant(peaks),
            "lung_opacity": tf.constant(np.where(judged, self.opacity, math.nan)),
        }


MakeExamples = Callable[..., str]


@pytest.fixture(name="write")
def writer(tmp_path: Path) -> MakeExamples:
    """Writes examples of films with these mean grey levels, the first ones normal."""

    def write(normal: list[float], ill: list[float] | None = None, **known: Any) -> str:
        means = [(mean, "NORMAL") for mean in normal] + [(one, "PNEUMONIA") for one in ill or []]
        examples = [
            example_of(film_of(seed, mean), label, patient_id=f"p{seed}", **known)
            for seed, (mean, label) in enumerate(means)
        ]
        return write_split(tmp_path / "split", examples)

    return write


def explained(
    uri: str, folder: Path, settings: ExplanationSettings = SMALL, model: Any = None
) -> list[ExplainedFilm]:
    return explain_films(model or FakeModel(), [uri], settings, str(folder))


def picture(file: Path) -> np.ndarray:
    found = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert found is not None, file
    return found


def test_films_are_joined_with_what_is_known_and_found(write: MakeExamples, tmp_path: Path) -> None:
    films = explained(write([60, 200], [220, 50], view="AP", age_years=30), tmp_path)
    by_patient = {film.patient_id: film for film in films}
    assert {name: film.outcome for name, film in by_patient.items()} == {
        "p0": "TN", "p1": "FP", "p2": "TP", "p3": "FN",
    }  # fmt: skip
    for film in films:
        mean = picture(tmp_path / film.film).mean()
        assert film.probability == pytest.approx(mean / 255, abs=0.01)
        heat = picture(tmp_path / film.heat)
        assert heat[..., 2].mean() == pytest.approx(mean, abs=4)
        assert heat.shape == (64, 64, 3)
        assert film.boxes == ((0.1, 0.2, 0.5, 0.6),)
        assert film.box_scores == pytest.approx((film.probability,), abs=1e-3)
        assert film.lung_opacity == (0.25, 0.5)
        assert film.forced_label == film.answer
        assert (film.slices["view"], film.slices["age_band"]) == ("AP", "18-39")
        assert set(film.slices) == set(features.SLICES)
        assert film.film == f"films/{film.sha256}.jpg"
        assert picture(tmp_path / film.feature_maps).ndim == 2  # one film of each outcome


def test_feature_maps_are_of_the_first_films_of_each_outcome(
    write: MakeExamples, tmp_path: Path
) -> None:
    uri = write([60, 61, 62, 63, 200], [220])
    films = explained(uri, tmp_path, SMALL.model_copy(update={"feature_maps": 2}))
    of_normal = [film for film in films if film.outcome == "TN"]
    assert [bool(film.feature_maps) for film in of_normal] == [True, True, False, False]
    assert all(film.feature_maps for film in films if film.outcome != "TN")
    none = explained(uri, tmp_path, SMALL.model_copy(update={"feature_maps": 0}))
    assert not any(film.feature_maps for film in none)


def test_a_film_that_cannot_be_drawn_is_in_the_index_without_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    examples = [example_of(film_of(seed, 90), patient_id=f"p{seed}") for seed in range(3)]
    broken = examples[1].features.feature["image"].bytes_list
    broken.value[0] = broken.value[0][:40]
    with caplog.at_level(logging.INFO, explaining.__name__):
        films = explained(write_split(tmp_path / "split", examples), tmp_path)
    (film,) = [film for film in films if film.patient_id == "p1"]
    assert (film.outcome, film.quality) == ("", "not decodable")
    assert (film.film, film.heat, film.feature_maps) == ("", "", "")
    assert (film.boxes, film.box_scores, film.lung_opacity) == ((), (), ())
    assert math.isnan(film.probability)
    assert "not judged" in film.reasons
    assert all(film.film and film.heat for film in films if film.patient_id != "p1")
    assert "3 of 3 test films are explained: 2 true negative, 1 not judged" in _sorted(caplog.text)
    assert "1 explained films cannot be drawn" in caplog.text


def _sorted(text: str) -> str:
    """Lets the larger count come first, whichever film was chosen first."""
    return text.replace("1 not judged, 2 true negative", "2 true negative, 1 not judged")


def test_a_film_that_is_too_large_is_not_decoded(
    write: MakeExamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = write([60, 200])
    monkeypatch.setattr(explaining, "draw_film", lambda *given: pytest.fail("it was decoded"))
    monkeypatch.setattr(explaining, "score_examples", _too_large(explaining.score_examples))
    films = explained(uri, tmp_path)
    assert [(film.film, film.heat) for film in films] == [("", "")] * 2


def _too_large(score: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: score(*given).assign(
        reason=features.TOO_LARGE, probability=math.nan, predicted_label="", answer=""
    )


@pytest.mark.parametrize("normal", [True, False])
def test_a_split_of_one_class(write: MakeExamples, tmp_path: Path, normal: bool) -> None:
    uri = write([60, 200]) if normal else write([], [60, 200])
    films = explained(uri, tmp_path)
    assert {film.outcome for film in films} == ({"TN", "FP"} if normal else {"TP", "FN"})


def test_no_films_at_all(write: MakeExamples, tmp_path: Path) -> None:
    assert explained(write([]), tmp_path) == []


def test_where_no_lungs_are_found_their_extent_is_not_said(
    write: MakeExamples, tmp_path: Path
) -> None:
    (film,) = explained(write([60]), tmp_path, model=FakeModel(opacity=(0.5, math.nan)))
    assert film.lung_opacity == ()
    assert film.boxes


def test_the_same_file_is_explained_once(tmp_path: Path) -> None:
    twice = [example_of(film_of(1, 90), patient_id="a") for _ in range(2)]
    uri = write_split(tmp_path / "split", [*twice, example_of(film_of(2, 90))])
    assert len(explained(uri, tmp_path)) == 2


def test_the_same_films_are_chosen_in_whatever_order_they_are_stored(tmp_path: Path) -> None:
    examples = [example_of(film_of(seed, 20 + 8 * seed)) for seed in range(24)]
    settings = SMALL.model_copy(update={"films": 9, "feature_maps": 0})
    found = [
        explained(write_split(tmp_path / name, order), tmp_path, settings)
        for name, order in (("one", examples), ("other", examples[::-1]))
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 9


def test_films_are_asked_about_a_few_at_a_time(write: MakeExamples, tmp_path: Path) -> None:
    model = FakeModel()
    explained(write([60.0 + seed for seed in range(20)]), tmp_path, model=model)
    assert model.calls == [8, 8, 4]


def test_kinds_of_films_that_found_no_room_are_said(
    write: MakeExamples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = write([60, 200], [220, 50])
    with caplog.at_level(logging.WARNING, explaining.__name__):
        explained(uri, tmp_path)
        assert not caplog.records
        (film,) = explained(uri, tmp_path, SMALL.model_copy(update={"films": 1}))
    assert film.outcome == "FN"
    (record,) = caplog.records
    # It stands for its outcome, its subtype, both kinds of certainty and what all films share.
    assert record.getMessage() == (
        "explanations.films=1 leaves 5 of 15 kinds of films without an example: false positive, "
        "true negative, true positive, most certain of those called PNEUMONIA, subtype=none"
    )


class MarkingModel(FakeModel):
    """Marks the left half of every film."""

    def _explain(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        marked = np.zeros((len(image_bytes), 32, 32), np.float32)
        marked[:, :, :16] = 0.9
        return {**super()._explain(image_bytes), features.LESIONS: tf.constant(marked)}


def test_lines_are_round_what_is_marked_and_what_was_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two films one has a mask, of its lower half."""
    drawn = np.zeros((80, 80), np.uint8)
    drawn[40:] = 255
    examples = [example_of(film_of(seed, 150), "PNEUMONIA") for seed in range(2)]
    mask = examples[0].features.feature[features.LESION_MASK].bytes_list
    mask.value[:] = [encode(drawn)]
    pictures: dict[str, np.ndarray] = {}

    def keep(picture: np.ndarray, name: str, field: str, uri: str) -> str:
        pictures[f"{field} {name}"] = picture
        return field

    monkeypatch.setattr(explaining, "_write", keep)
    films = explained(write_split(tmp_path / "split", examples), tmp_path, model=MarkingModel())
    digests = [one.features.feature["sha256"].bytes_list.value[0].decode() for one in examples]
    assert {film.sha256 for film in films} == set(digests)
    for digest, has_mask in zip(digests, (True, False), strict=True):
        heat = pictures[f"heat {digest}"]
        cyan, white = ((heat == colour).all(axis=-1) for colour in (CYAN, WHITE))
        assert cyan[:32, 31].all() and not cyan[:, 33:].any()
        assert white.any() == has_mask
        assert not has_mask or (white[32, :].all() and not white[:31].any())
