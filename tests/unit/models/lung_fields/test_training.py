"""The commands: a training on phantoms that learns, an evaluation that says how well."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from models.lung_fields import evaluate, train
from models.lung_fields.films import list_films
from models.lung_fields.variation import vary
from models.lung_fields.weights import load_weights
from radiographs import phantoms

SIDE_PX = 128


@pytest.fixture(scope="module", name="folder")
def draw_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("fields") / "phantoms"
    console = Console(file=io.StringIO())
    return str(phantoms.write_phantoms(root, films=60, size_px=64, workers=1, console=console))


@pytest.fixture(scope="module", name="trained")
def train_by_command(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One short epoch from nothing."""
    out = tmp_path_factory.mktemp("out") / "weights"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_LEAST_FILMS", 640)
        train.main(["--masks", folder, "--out", str(out), "--epochs", "1"])
    return out


class TestTraining:
    def test_learns_from_the_train_patients_alone(self, trained: Path, folder: str) -> None:
        record = json.loads((trained / "training.json").read_text())
        films = list_films(folder)
        assert record["films"] == {"phantoms": len(films)}
        assert record["trained_on"] == sum(film.split == "train" for film in films) < len(films)
        assert record["epochs"] == len(record["history"]) == 1
        assert record["history"][0]["dice"] > 0.3  # a guess gets less, with changes as strong

    def test_its_weights_are_used(self, trained: Path, folder: str) -> None:
        weights = str(trained / "weights.npz")
        assert load_weights(weights).keys() == load_weights().keys()
        own, shipped = (
            evaluate.evaluate(list_films(folder)[:3], one) for one in (weights, "shipped")
        )
        assert [one.dice for one in own] != [one.dice for one in shipped]
        assert min(one.dice for one in shipped) > 0.8

    def test_goes_on_from_weights_in_small_steps(self, folder: str, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "_LEAST_FILMS", 64)
            train.main(
                ["--masks", folder, "--out", str(tmp_path), "--epochs", "1", "--start", "shipped"]
            )
        before, after = load_weights(), load_weights(str(tmp_path / "weights.npz"))
        for name, part in before.items():
            assert np.abs(after[name] - part).max() < 0.02
        assert any((after[name] != part).any() for name, part in before.items())
        (record,) = json.loads((tmp_path / "training.json").read_text())["history"]
        assert record["dice"] > 0.7


class TestEvaluation:
    def test_table_and_files(
        self, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = tmp_path / "films.csv", tmp_path / "films.png"
        evaluate.main(["--held-back", folder, "--csv", str(files[0]), "--montage", str(files[1])])
        rows = list(csv.DictReader(io.StringIO(files[0].read_text())))
        held_back = [film for film in list_films(folder) if film.split == "test"]
        assert [row["name"] for row in rows] == [film.name for film in held_back]
        mean = np.mean([float(row["dice"]) for row in rows])
        line = capsys.readouterr().out.splitlines()[2].split(" | ")
        assert line[:2] == ["| phantoms", str(len(held_back))]
        assert line[3].startswith(f"{mean:.4f} (")
        assert cv2.imread(str(files[1])).shape == (2 * 2 * SIDE_PX, 8 * 2 * SIDE_PX, 3)

    def test_without_films_it_says_what_to_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            evaluate.main([])
        assert "name a folder with --masks or --held-back" in capsys.readouterr().err


class TestVariation:
    """A disc on the left and a square on the right, which are their own fields."""

    @staticmethod
    def pairs(count: int) -> tuple[tf.Tensor, tf.Tensor]:
        fields = np.zeros((SIDE_PX, SIDE_PX, 2), np.float32)
        cv2.circle(left := np.zeros((SIDE_PX, SIDE_PX), np.float32), (40, 64), 20, 1.0, -1)
        fields[..., 0], fields[44:84, 75:105, 1] = left, 1.0
        film = 0.9 - 0.6 * fields.max(axis=-1, keepdims=True)
        return tf.constant(np.stack([film] * count)), tf.constant(np.stack([fields] * count))

    def test_fields_move_with_the_film_and_keep_their_side(self) -> None:
        films, fields = vary(*self.pairs(200), tf.constant([3, 4], tf.int64))
        films, fields = films.numpy()[..., 0], fields.numpy()
        drawn = fields.sum(axis=(1, 2, 3)) > 200
        darker = [
            film[field > 0.9].mean() < film[(field < 0.1)].mean()
            for film, field in zip(films[drawn], fields[drawn].max(axis=-1), strict=True)
        ]
        assert np.mean(darker) > 0.75  # borders and covers are dark at times too
        columns = np.arange(SIDE_PX)
        centres = (fields.sum(axis=1) * columns[:, None]).sum(axis=1) / fields.sum(axis=(1, 2))
        both = (fields.sum(axis=(1, 2)) > 100).all(axis=1)
        assert (centres[both, 0] < centres[both, 1]).all()

    def test_a_share_shows_no_chest_and_has_no_fields(self) -> None:
        _, fields = vary(*self.pairs(600), tf.constant([5, 6], tf.int64))
        empty = (fields.numpy().sum(axis=(1, 2, 3)) == 0).mean()
        assert empty == pytest.approx(0.08, abs=0.035)

    def test_the_same_seed_makes_the_same_changes(self) -> None:
        first, again, other = (
            vary(*self.pairs(4), tf.constant([seed, 2], tf.int64))[0] for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, again)
        assert np.abs(first.numpy() - other.numpy()).mean() > 0.02
