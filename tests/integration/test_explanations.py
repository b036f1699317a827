"""ExplanationGen on the artifacts of a run: its sample is the Auditor's, its maps the model's."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from rich.console import Console
from tfx import v1 as tfx

import local_runner
from components.explanation_gen.component import ExplanationGen
from components.explanation_gen.index import ExplainedFilm, read_index
from models import features
from models.explanation_settings import ExplanationSettings
from pipeline.runs import Run
from tests.support import LocalRun, predictions_of, read_examples, run_components

SIZE_PX = 256


def explanations_of(run: LocalRun, folder: Path, settings: ExplanationSettings) -> Path:
    """Runs the component alone over the artifacts of a run and returns what it put out."""
    kinds = tfx.types.standard_artifacts
    splits = {"split_names": json.dumps(list(features.SPLITS))}
    importers = [
        tfx.dsl.Importer(
            source_uri=str(run.uri(component, output)), artifact_type=kind, properties=properties
        ).with_id(output)
        for component, output, kind, properties in (
            ("RadiographExampleGen", "examples", kinds.Examples, splits),
            ("Trainer", "model", kinds.Model, None),
            ("Trainer", "model_run", kinds.ModelRun, None),
        )
    ]
    inputs = {importer.id: importer.outputs["result"] for importer in importers}
    outputs = run_components(folder, *importers, ExplanationGen(**inputs, settings=settings))
    return Path(outputs["ExplanationGen", "explanations"].uri)


def files_in(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def of_tensorboard(folder: Path) -> set[str]:
    return {name for name in files_in(folder) if name.startswith("tensorboard/")}


def picture(file: Path) -> np.ndarray:
    found = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert found is not None, file
    return found


class TestExplanationsOfTheRun:
    @pytest.fixture(scope="class", name="folder")
    def find_folder(self, pushed: LocalRun) -> Path:
        return pushed.uri("ExplanationGen", "explanations")

    @pytest.fixture(scope="class", name="films")
    def read_films(self, folder: Path) -> list[ExplainedFilm]:
        return read_index(str(folder))

    @pytest.fixture(scope="class", name="images")
    def read_images(self, pushed: LocalRun) -> dict[str, bytes]:
        """The encoded test films, by digest."""
        return {
            feature["sha256"].bytes_list.value[0].decode(): feature["image"].bytes_list.value[0]
            for feature in (
                tf.train.Example.FromString(one).features.feature
                for one in read_examples(pushed.uri("RadiographExampleGen", "examples"), "test")
            )
        }

    @pytest.fixture(scope="class", name="answers")
    def explain_all(self, served: Any, images: dict[str, bytes]) -> dict[str, dict[str, Any]]:
        """What the pushed model answers when it is asked about all films at once."""
        given = tf.constant(list(images.values()))
        answer = served.signatures["explain_images"](image_bytes=given)
        return {
            digest: {name: column[row] for name, column in answer.items()}
            for row, digest in enumerate(images)
        }

    def test_films_and_outcomes_are_those_of_the_audit(
        self, pushed: LocalRun, films: list[ExplainedFilm]
    ) -> None:
        table = predictions_of(pushed).set_index("sha256")
        assert len(films) == len(table)  # fewer than explanations.films
        assert {film.sha256 for film in films} == set(table.index)
        names = {
            (True, True): "TP", (False, True): "FP", (False, False): "TN", (True, False): "FN",
        }  # fmt: skip
        for film in films:
            row = table.loc[film.sha256]
            assert film.probability == pytest.approx(row["probability"], abs=1e-4)
            assert film.out_of_distribution == pytest.approx(row["out_of_distribution"], abs=1e-3)
            ill, called = row["label"] == "PNEUMONIA", row["predicted_label"] == "PNEUMONIA"
            assert film.outcome == names[ill, called]
            assert (film.label, film.forced_label) == (row["label"], row["predicted_label"])

    def test_slices_are_those_of_the_evaluator(
        self, pushed: LocalRun, films: list[ExplainedFilm]
    ) -> None:
        counted = Counter(
            f"{name}={value}" for film in films for name, value in film.slices.items()
        )
        evaluated = pushed.summary["metrics"]["slices"]
        assert counted == {name: one["films"] for name, one in evaluated.items()}
        assert set(counted) <= {reason for film in films for reason in film.reasons}

    def test_a_picture_is_the_film_and_its_heat_what_the_model_answers(
        self,
        folder: Path,
        films: list[ExplainedFilm],
        images: dict[str, bytes],
        answers: dict[str, dict[str, Any]],
    ) -> None:
        for film in films:
            drawn = {
                film.film: (images[film.sha256], cv2.IMREAD_GRAYSCALE),
                film.heat: (answers[film.sha256]["overlay_bytes"].numpy(), cv2.IMREAD_COLOR),
            }
            for name, (encoded, kind) in drawn.items():
                found = picture(folder / name)
                assert max(found.shape[:2]) == SIZE_PX
                original = cv2.imdecode(np.frombuffer(encoded, np.uint8), kind)
                small = cv2.resize(found, original.shape[1::-1], interpolation=cv2.INTER_AREA)
                assert np.abs(small.astype(int) - original).mean() < 4

    def test_boxes_and_extent_are_what_the_model_answers(
        self, films: list[ExplainedFilm], answers: dict[str, dict[str, Any]]
    ) -> None:
        assert any(film.boxes for film in films)
        for film in films:
            answer = {name: one.numpy() for name, one in answers[film.sha256].items()}
            used = ~np.isnan(answer["box_scores"])
            assert len(film.boxes) == len(film.box_scores) == used.sum()
            for own, given in ((film.boxes, "boxes"), (film.box_scores, "box_scores")):
                assert np.ravel(own) == pytest.approx(answer[given][used].ravel(), abs=2e-3)
            opacity = answer["lung_opacity"]
            known = film.lung_opacity or (np.nan, np.nan)
            assert known == pytest.approx(opacity, abs=2e-3, nan_ok=True)

    def test_feature_maps_are_of_two_films_of_each_outcome(
        self, folder: Path, films: list[ExplainedFilm]
    ) -> None:
        of_outcome = Counter(film.outcome for film in films)
        mapped = Counter(film.outcome for film in films if film.feature_maps)
        assert mapped == {outcome: min(2, count) for outcome, count in of_outcome.items()}
        shown = [picture(folder / film.feature_maps) for film in films if film.feature_maps]
        assert all(one.std() > 20 for one in shown)
        assert len({one.tobytes() for one in shown}) == len(shown)

    def test_the_cloud_holds_what_the_pushed_model_decides_by(
        self, pushed: LocalRun, folder: Path, films: list[ExplainedFilm]
    ) -> None:
        vectors = np.loadtxt(folder / "tensorboard" / "vectors.tsv", delimiter="\t", ndmin=2)
        words = pd.read_csv(folder / "tensorboard" / "films.tsv", sep="\t")
        file = pushed.uri("Trainer", "model_run") / "model.keras"
        network = keras.saving.load_model(file, compile=False)
        kernel, bias = network.get_layer("logits").get_weights()
        logits = vectors @ kernel[:, 0] + bias[0]
        by_digest = {film.sha256[:16]: film.probability for film in films}
        assert set(words["sha256"]) == set(by_digest)
        answers = words["sha256"].map(by_digest)
        # A served probability is calibrated, which keeps order, and of the mirror image as well.
        assert np.corrcoef(logits, np.log(answers / (1 - answers)))[0, 1] > 0.9
        assert words["probability"].tolist() == pytest.approx(answers.tolist(), abs=1e-4)

    def test_nothing_else_lies_there_and_all_of_it_is_small(
        self, folder: Path, films: list[ExplainedFilm]
    ) -> None:
        named = {
            name for film in films for name in (film.film, film.heat, film.feature_maps) if name
        }
        assert files_in(folder) - of_tensorboard(folder) == {"index.json", *named}
        assert sum((folder / name).stat().st_size for name in of_tensorboard(folder)) < 2e5
        # 6 MB for 200 films.
        assert sum((folder / name).stat().st_size for name in named) <= 6e6 / 200 * len(films)


def test_a_smaller_sample_is_the_beginning_of_the_larger_one(
    pushed: LocalRun, tmp_path: Path
) -> None:
    settings = ExplanationSettings(films=3, size_px=96, feature_maps=0)
    folder = explanations_of(pushed, tmp_path, settings)
    films = read_index(str(folder))
    every = read_index(str(pushed.uri("ExplanationGen", "explanations")))
    assert [film.sha256 for film in films] == [film.sha256 for film in every[:3]]
    assert [film.boxes for film in films] == [film.boxes for film in every[:3]]
    assert all(max(picture(folder / film.heat).shape[:2]) == 96 for film in films)
    assert len(files_in(folder) - of_tensorboard(folder)) == 1 + 2 * 3


def test_without_films_there_is_an_empty_index_and_no_picture(
    pushed: LocalRun, tmp_path: Path
) -> None:
    folder = explanations_of(pushed, tmp_path, ExplanationSettings(films=0))
    assert files_in(folder) == {"index.json"}
    assert read_index(str(folder)) == []


def test_a_run_that_stops_at_its_pictures_says_what_it_has_pushed(
    pushed: LocalRun, tmp_path: Path
) -> None:
    terminal, run = io.StringIO(), Run(pushed.latest, tmp_path)
    error = RuntimeError("no picture")
    status = local_runner._account_for(
        error, pushed.work, run, None, Console(file=terminal), "ExplanationGen"
    )
    account = json.loads(run.summary_file.read_text(encoding="utf-8"))
    assert (status, account["status"]) == (local_runner.EXIT_FAILED, "failed")
    assert account["pushed"] is True
    assert account["pushed_version"] == pushed.summary["pushed_version"]
    assert f"version {account['pushed_version']} was pushed" in terminal.getvalue()
