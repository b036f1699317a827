"""What TensorBoard shows of the explained films, read back as TensorBoard reads it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector import ProjectorConfig

from components.explanation_gen.explaining import explain_films
from components.explanation_gen.index import ExplainedFilm
from components.explanation_gen.projector import TILE_PX, tile_of
from tests.support import encode
from tests.unit.components.explanation_gen.test_explaining import (
    SMALL,
    FakeModel,
    MakeExamples,
    explained,
    writer,
)

assert writer  # the fixture

NORMAL, ILL = [30, 60, 90, 200], [220, 180, 50]
FOLDER = "tensorboard"


def rows_of(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE))


def events_of(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), {"tensors": 0}).Reload()


def scalar(events: EventAccumulator, tag: str) -> float:
    (value,) = events.Tensors(tag)
    return float(tf.make_ndarray(value.tensor_proto))


@pytest.fixture(name="films")
def explain(write: MakeExamples, tmp_path: Path) -> list[ExplainedFilm]:
    return explained(write(NORMAL, ILL, site="north\twing\n"), tmp_path)


def test_every_judged_film_has_its_place_its_words_and_its_tile(
    films: list[ExplainedFilm], tmp_path: Path
) -> None:
    folder = tmp_path / FOLDER
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (cloud,) = config.embeddings
    vectors = np.array(rows_of(folder / cloud.tensor_path), float)
    titles, *words = rows_of(folder / cloud.metadata_path)
    by_digest = {film.sha256[:16]: film for film in films}
    assert len(vectors) == len(words) == len(films) == len(NORMAL) + len(ILL)
    assert list(cloud.sprite.single_image_dim) == [TILE_PX, TILE_PX]
    sprite = cv2.imread(str(folder / cloud.sprite.image_path), cv2.IMREAD_UNCHANGED)
    assert sprite.shape == (3 * TILE_PX, 3 * TILE_PX)  # seven films in a square of nine
    for place, (vector, row) in enumerate(zip(vectors, words, strict=True)):
        known = dict(zip(titles, row, strict=True))
        film = by_digest.pop(known["sha256"])
        assert vector == pytest.approx([film.probability, 2 * film.probability], abs=1e-4)
        top, left = (TILE_PX * step for step in divmod(place, 3))
        tile = sprite[top : top + TILE_PX, left : left + TILE_PX]
        assert tile.mean() / 255 == pytest.approx(film.probability, abs=0.03)
        assert (known["label"], known["outcome"]) == (film.label, film.outcome)
        assert (known["site"], known["view"]) == ("north wing", film.slices["view"])
    assert "patient_id" not in titles
    assert not any(film.patient_id in row for film in films for row in words)


def test_curves_are_those_of_all_test_films(write: MakeExamples, tmp_path: Path) -> None:
    uri = write(NORMAL, ILL)
    explain_films(FakeModel(), [uri], SMALL.model_copy(update={"films": 2}), str(tmp_path))
    events = events_of(tmp_path / FOLDER)
    pairs = [(ill > normal) for ill in ILL for normal in NORMAL]
    assert scalar(events, "test/films") == len(NORMAL) + len(ILL)
    assert scalar(events, "test/AUC") == pytest.approx(np.mean(pairs))
    (curve,) = events.Tensors("test/precision-recall/pr_curves")
    counts = tf.make_ndarray(curve.tensor_proto)[:, 100]  # a probability of a half and above
    assert counts[:4].tolist() == [2, 1, 3, 1]  # TP, FP, TN, FN
    assert len(rows_of(tmp_path / FOLDER / "vectors.tsv")) == 2


def test_films_of_one_class_have_no_curve_but_a_place(write: MakeExamples, tmp_path: Path) -> None:
    explained(write(NORMAL), tmp_path)
    events = events_of(tmp_path / FOLDER)
    assert events.Tags()["tensors"] == ["test/films"]
    assert len(rows_of(tmp_path / FOLDER / "vectors.tsv")) == len(NORMAL)


def test_films_that_are_not_judged_are_left_out(write: MakeExamples, tmp_path: Path) -> None:
    class Blind(FakeModel):
        @staticmethod
        def _mean(image: bytes) -> float:
            return float("nan")

        def embeddings(self, images: object) -> np.ndarray:
            raise AssertionError("asked for the place of a film that is not judged")

    films = explained(write(NORMAL), tmp_path, model=Blind())
    assert len(films) == len(NORMAL)
    assert [one.name.split(".")[0] for one in (tmp_path / FOLDER).iterdir()] == ["events"]


def test_a_tile_is_the_whole_film_on_black() -> None:
    film = np.full((100, 200), 200, np.uint8)
    tile = tile_of(encode(film))
    assert tile is not None and tile.shape == (TILE_PX, TILE_PX)
    assert np.all(tile[16:48] == 200) and not tile[:16].any() and not tile[48:].any()
    assert tile_of(b"no film") is None


def test_on_a_remote_root(write: MakeExamples) -> None:
    remote = "ram://bucket/explanations"
    explain_films(FakeModel(), [write(NORMAL, ILL)], SMALL, remote)
    names = {one.partition(".")[0] for one in tf.io.gfile.listdir(f"{remote}/{FOLDER}")}
    assert names == {"events", "vectors", "films", "projector_config"}
