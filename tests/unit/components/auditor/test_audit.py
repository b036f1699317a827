"""A whole audit without TFX: what it finds, writes and leaves out."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from components.auditor.audit import Subject, audit_model, write_audit
from components.auditor.changes import SHIFTS
from components.auditor.file_statistics import statistics_control
from components.auditor.findings import Findings, FrameSwaps
from components.auditor.scoring import image_of, read_examples
from metrics.scores import METRICS
from models.audit_settings import AuditMeasures
from radiographs.errors import DataError
from radiographs.options import IngestOptions
from tests.support import encode
from tests.unit.components.auditor.conftest import RELUCTANT_BELOW, SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of, write_split
from tests.unit.components.auditor.transformed import SMALL, transformed

FILMS = 32


def mean_of(number: int) -> float:
    """Normal and pneumonia films overlap a little."""
    return 70 + 3 * number if number % 2 else 90 + 4 * number


def films() -> list[np.ndarray]:
    """Test films: those of pneumonia are the smaller ones."""
    return [film_of(number, mean_of(number), 90 if number % 2 else 80) for number in range(FILMS)]


def labels() -> np.ndarray:
    return 1 - np.arange(FILMS) % 2


def train_films() -> list[np.ndarray]:
    """Train films: those of pneumonia are the larger ones, and nothing else tells them."""
    return [
        film_of(50 + number, 100 + number // 2, 80 if number % 2 else 90) for number in range(FILMS)
    ]


def split(folder: Path, name: str, films: list[np.ndarray]) -> str:
    examples = [
        example_of(
            film, "PNEUMONIA" if label else "NORMAL", patient_id=f"{name}{number // 4}",
            view="PA" if number < 16 else "AP",
        )
        for number, (film, label) in enumerate(zip(films, labels(), strict=True))
    ]  # fmt: skip
    return write_split(folder / name, examples)


@pytest.fixture(scope="module", name="subject")
def make_subject(mean_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("subject")
    small = [cv2.resize(film, (SIDE_PX, SIDE_PX)) for film in train_films()]
    return Subject(
        served=mean_model,
        hyperparameters=SMALL,
        train_uris=[split(folder, "train", train_films())],
        eval_uris=[split(folder, "eval", [film_of(99, 120)] * FILMS)],
        test_uris=[split(folder, "test", films())],
        transformed_train=transformed(folder, small, labels()),
    )


@pytest.fixture(scope="module", name="site")
def write_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    for label, mean in (("NORMAL", 60), ("PNEUMONIA", 200)):
        (root / label).mkdir()
        for seed in range(3):
            (root / label / f"{seed}.png").write_bytes(encode(film_of(500 + seed, mean)))
    return root


MEASURES = AuditMeasures(bootstrap_samples=200, audit_films=20, control_epochs=1)


@pytest.fixture(scope="module", name="audit")
def run_audit(subject: Subject, site: Path) -> tuple[pd.DataFrame, Findings]:
    measures = MEASURES.model_copy(update={"external_data_root": str(site)})
    return audit_model(subject, measures, IngestOptions())


@pytest.fixture(scope="module", name="scored")
def scored_films(audit: tuple[pd.DataFrame, Findings]) -> pd.DataFrame:
    return audit[0]


@pytest.fixture(scope="module", name="found")
def findings(audit: tuple[pd.DataFrame, Findings]) -> Findings:
    return audit[1]


def lowest_digests(per_class: int) -> np.ndarray:
    """The films that the shift audit takes, worked out from the files."""
    digests = [hashlib.sha256(encode(film)).hexdigest() for film in films()]
    by_class: dict[int, list[int]] = {0: [], 1: []}
    for position in sorted(range(FILMS), key=lambda position: digests[position]):
        by_class[labels()[position]].append(position)
    return np.array(sorted(by_class[0][:per_class] + by_class[1][:per_class]))


class TestAuditModel:
    def test_the_model_is_measured_overall_and_by_slice(self, found: Findings) -> None:
        means = [film.mean() for film in films()]
        assert found.slices["overall"].metrics["auc"] == roc_auc_score(labels(), means)
        assert found.slices["overall"].patients == FILMS // 4
        for view, of_view in (("PA", slice(0, 16)), ("AP", slice(16, None))):
            one = found.slices[f"view={view}"]
            assert one.metrics["auc"] == roc_auc_score(labels()[of_view], means[of_view])
            assert set(one.intervals) == set(METRICS) - {"expected_calibration_error"}

    def test_every_audit_has_run(self, found: Findings) -> None:
        assert [shift.name for shift in found.shifts] == ["unchanged", *SHIFTS]
        assert found.external is not None
        assert found.external.estimate.metrics["auc"] == 1
        names = ["file statistics", "age, sex and view", "lungs blacked out", "outer frame"]
        assert [control.name for control in found.controls] == names
        assert found.unscored == found.missing_controls == {}

    def test_a_changed_film_keeps_its_own_label(self, found: Findings) -> None:
        chosen = lowest_digests(per_class=10)
        means = np.array([film.mean() for film in films()])[chosen]
        truth = labels()[chosen]
        for shift in found.shifts[:1] + [one for one in found.shifts if "gamma" in one.name]:
            # A table of grey levels that keeps their order keeps that of smooth films nearly.
            tolerance = 0 if shift.name == "unchanged" else 0.02
            assert shift.estimate.metrics["auc"] == pytest.approx(
                roc_auc_score(truth, means), abs=tolerance
            ), shift.name
        unchanged = found.shifts[0].estimate
        assert (unchanged.films, unchanged.positives) == (20, 10)
        called = means / 255 >= 0.5
        assert unchanged.metrics["recall"] == np.mean(called[truth == 1])
        assert unchanged.metrics["specificity"] == np.mean(~called[truth == 0])
        assert unchanged.metrics["recall"] != unchanged.metrics["specificity"]

    def test_file_statistics_learn_from_train_and_are_scored_on_test(self, found: Findings) -> None:
        # What the size says in train is wrong of the test films, so who learned it there fails.
        assert found.controls[0].auc < 0.2
        model = found.slices["overall"].metrics["auc"]
        assert found.controls[0].margin == pytest.approx(model - found.controls[0].auc)

    def test_controls_are_scored_on_the_films_that_the_model_is(self, found: Findings) -> None:
        model = found.slices["overall"].metrics["auc"]
        for control in found.controls:
            assert control.auc + control.margin == pytest.approx(model)

    def test_no_floor_reaches_what_is_measured(self) -> None:
        assert not {name for name in AuditMeasures.model_fields if name.startswith("min_")}
        assert "gate_on" not in AuditMeasures.model_fields

    @pytest.mark.parametrize("shared", ["train_uris", "eval_uris", "test_uris"])
    def test_films_of_any_split_are_no_other_site(
        self, subject: Subject, site: Path, tmp_path: Path, shared: str
    ) -> None:
        root = shutil.copytree(site, tmp_path / "site")
        example = next(read_examples(getattr(subject, shared)))
        (root / "NORMAL" / "renamed.png").write_bytes(image_of(example))
        measures = MEASURES.model_copy(update={"external_data_root": str(root)})
        with pytest.raises(DataError, match=r"1 of the 7 films .* such as 'NORMAL/renamed\.png'"):
            audit_model(subject, measures, IngestOptions())

    def test_a_film_that_the_model_does_not_judge_is_left_out_and_counted(
        self, subject: Subject, reluctant_model: Any
    ) -> None:
        measures = MEASURES.model_copy(update={"audit_films": 40})
        every, found = audit_model(
            replace(subject, served=reluctant_model), measures, IngestOptions()
        )
        means = np.array([film.mean() for film in films()])
        judged = means >= RELUCTANT_BELOW
        assert 0 < (~judged).sum() < FILMS / 2
        assert found.unscored == {"too dark": (~judged).sum()}
        assert len(every) == FILMS and every["probability"].isna().sum() == (~judged).sum()
        overall = found.slices["overall"]
        assert overall.films == judged.sum()
        expected = roc_auc_score(labels()[judged], means[judged])
        assert overall.metrics["auc"] == expected
        assert found.shifts[0].estimate.metrics["auc"] == expected
        for control in found.controls:
            assert control.auc + control.margin == pytest.approx(expected)
        told = statistics_control(
            read_examples(subject.train_uris), read_examples(subject.test_uris)
        )
        of_files = roc_auc_score(labels()[judged], told[judged])
        assert found.controls[0].auc == pytest.approx(of_files)


class TestFindings:
    def test_what_is_written_is_what_is_read(self, found: Findings) -> None:
        rows = {"frame of the other class": found.slices["overall"]}
        found = replace(found, frame_swaps=FrameSwaps(3, 20, rows, found.controls))
        content = json.loads(json.dumps(found.to_json()))
        read = Findings.from_json(content)
        for name in ("slices", "external", "controls"):  # as text, as NaN is not equal to itself
            assert repr(getattr(read, name)) == repr(getattr(found, name))
        assert read.frame_swaps and repr(read.frame_swaps.controls) == repr(found.controls)
        for one, other in zip(read.shifts, found.shifts, strict=True):
            assert (one.name, one.differences) == (other.name, other.differences)
            assert one.input_change == other.input_change
            for metric in ("auc", "recall", "specificity"):
                assert one.estimate.metrics[metric] == other.estimate.metrics[metric]
                assert one.estimate.lower_bound(metric) == other.estimate.lower_bound(metric)
        assert read.to_json() == content

    def test_what_is_undefined_stays_undefined(self, found: Findings) -> None:
        overall = found.slices["overall"]
        one_class = replace(overall, metrics={**overall.metrics, "auc": np.nan}, intervals={})
        shift = replace(found.shifts[1], estimate=one_class)
        changed = replace(
            found, slices={"overall": one_class}, shifts=[shift], external=None,
            subtype_auc=(0.75, (0.5, 1.0)),
        )  # fmt: skip
        read = Findings.from_json(json.loads(json.dumps(changed.to_json(), allow_nan=False)))
        assert np.isnan(read.slices["overall"].metrics["auc"])
        assert np.isnan(read.shifts[0].estimate.metrics["auc"])
        assert np.isnan(read.shifts[0].estimate.lower_bound("auc"))
        assert read.external is None
        assert read.subtype_auc == (0.75, (0.5, 1.0))


class TestWriteAudit:
    @pytest.fixture(scope="class", name="folder")
    def write(
        self, audit: tuple[pd.DataFrame, Findings], tmp_path_factory: pytest.TempPathFactory
    ) -> Path:
        folder = tmp_path_factory.mktemp("audit")
        write_audit(*audit, str(folder))
        return folder

    def test_nothing_is_left_beside(self, folder: Path) -> None:
        assert sorted(file.name for file in folder.iterdir()) == ["audit.json", "predictions.csv"]

    def test_the_json_holds_every_part(self, found: Findings, folder: Path) -> None:
        content = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        overall = found.slices["overall"]
        assert (content["model"]["films"], content["model"]["patients"]) == (FILMS, FILMS // 4)
        assert content["model"]["metrics"] == overall.metrics
        assert content["model"]["subtype_auc"] is None
        assert content["slices"]["overall"]["intervals"]["auc"] == list(overall.intervals["auc"])
        assert set(content["slices"]) == set(found.slices)
        unchanged, *changed = content["shifts"]
        for shift, metric in itertools.product(changed, ("auc", "recall", "specificity")):
            change = shift[metric] - unchanged[metric]
            assert shift[f"{metric}_change"] == pytest.approx(change), (shift["name"], metric)
        assert {one["name"]: one["changes_input"] for one in changed}["noise"]
        assert content["external"]["rejected"] == 0
        assert content["external"]["metrics"]["recall"] == 1
        assert [one["name"] for one in content["controls"]] == [one.name for one in found.controls]
        assert set(content["controls"][0]) == {
            "name", "auc", "auc_interval", "margin", "margin_interval",
        }  # fmt: skip

    def test_what_is_undefined_is_null(
        self, scored: pd.DataFrame, found: Findings, tmp_path: Path
    ) -> None:
        overall = found.slices["overall"]
        undefined = replace(overall, metrics={**overall.metrics, "precision": np.nan})
        write_audit(scored, replace(found, slices={"overall": undefined}), str(tmp_path))
        content = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
        assert content["model"]["metrics"]["precision"] is None

    def test_every_film_has_a_line(self, scored: pd.DataFrame, folder: Path) -> None:
        table = pd.read_csv(folder / "predictions.csv")
        assert list(table.columns) == [
            "sha256", "patient_id", "label", "subtype", "probability", "predicted_label",
            "answer", "out_of_distribution", "probability_normal", "probability_pneumonia",
        ]  # fmt: skip
        assert len(table) == FILMS
        assert table["probability"].to_numpy() == pytest.approx(
            [film.mean() / 255 for film in films()], abs=1e-6
        )
        assert table["sha256"].tolist() == scored["sha256"].tolist()
