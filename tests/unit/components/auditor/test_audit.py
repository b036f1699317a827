"""A whole audit without TFX: what it finds, writes and leaves out."""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from components.auditor.audit import Audit, Subject, audit_model, subtype_auc, write_audit
from components.auditor.shifts import SHIFTS
from metrics.scores import METRICS
from models.audit_settings import AuditSettings
from radiographs.options import IngestOptions
from tests.support import encode
from tests.unit.components.auditor.conftest import SIDE_PX
from tests.unit.components.auditor.films import example_of, film_of, write_split
from tests.unit.components.auditor.test_shortcuts import SMALL, transformed

FILMS = 32


def mean_of(number: int) -> float:
    """Normal and pneumonia films overlap a little."""
    return 70 + 3 * number if number % 2 else 90 + 4 * number


def films() -> list[np.ndarray]:
    return [film_of(number, mean_of(number), SIDE_PX) for number in range(FILMS)]


def labels() -> np.ndarray:
    return 1 - np.arange(FILMS) % 2


@pytest.fixture(scope="module", name="subject")
def make_subject(mean_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The same films to learn from and to score."""
    folder = tmp_path_factory.mktemp("subject")
    examples = [
        example_of(
            film, "PNEUMONIA" if label else "NORMAL", patient_id=f"p{number // 4}",
            view="PA" if number < 16 else "AP",
        )
        for number, (film, label) in enumerate(zip(films(), labels(), strict=True))
    ]  # fmt: skip
    uri = write_split(folder / "raw", examples)
    return Subject(mean_model, SMALL, [uri], [uri], transformed(folder, films(), labels()))


@pytest.fixture(scope="module", name="site")
def write_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    for label, mean in (("NORMAL", 60), ("PNEUMONIA", 200)):
        (root / label).mkdir()
        for seed in range(3):
            (root / label / f"{seed}.png").write_bytes(encode(film_of(seed, mean)))
    return root


@pytest.fixture(scope="module", name="audit")
def run_audit(subject: Subject, site: Path) -> Audit:
    settings = AuditSettings(
        gate_on="lower_bound", min_auc=0.3, min_recall=0.01, bootstrap_samples=200, audit_films=20,
        control_epochs=1, external_data_root=str(site), min_shortcut_margin=0.999,
    )  # fmt: skip
    return audit_model(subject, settings, IngestOptions())


class TestAuditModel:
    def test_the_model_is_measured_overall_and_by_slice(self, audit: Audit) -> None:
        means = [film.mean() for film in films()]
        assert audit.slices["overall"].metrics["auc"] == roc_auc_score(labels(), means)
        assert audit.slices["overall"].patients == FILMS // 4
        for view, of_view in (("PA", slice(0, 16)), ("AP", slice(16, None))):
            one = audit.slices[f"view={view}"]
            assert one.metrics["auc"] == roc_auc_score(labels()[of_view], means[of_view])
            assert set(one.intervals) == set(METRICS) - {"expected_calibration_error"}

    def test_every_audit_has_run(self, audit: Audit) -> None:
        assert [shift.name for shift in audit.shifts] == ["unchanged", *SHIFTS]
        assert audit.shifts[0].estimate.films == 20
        assert audit.external is not None
        assert audit.external.estimate.metrics["auc"] == 1
        names = ["file statistics", "lungs blacked out", "outer frame"]
        assert [control.name for control in audit.controls] == names

    def test_one_gate_that_fails_is_enough(self, audit: Audit) -> None:
        failed = [verdict.metric for verdict in audit.verdicts if not verdict.passed]
        assert failed == ["AUC margin lower bound"]
        assert not audit.passed

    def test_what_is_off_does_not_run(
        self, subject: Subject, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings = AuditSettings(shift_audit=False, shortcut_audit=False, bootstrap_samples=100)
        with caplog.at_level(logging.INFO):
            audit = audit_model(subject, settings, IngestOptions())
        assert (audit.shifts, audit.external, audit.controls, audit.verdicts) == ([], None, [], [])
        assert audit.passed
        assert "scoring the test films took" in caplog.text
        assert "shift" not in caplog.text


class TestWriteAudit:
    @pytest.fixture(scope="class", name="folder")
    def write(self, audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("audit")
        write_audit(audit, str(folder))
        return folder

    def test_nothing_is_left_beside(self, folder: Path) -> None:
        assert sorted(file.name for file in folder.iterdir()) == ["audit.json", "predictions.csv"]

    def test_the_json_holds_every_part(self, audit: Audit, folder: Path) -> None:
        content = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        overall = audit.slices["overall"]
        assert (content["model"]["films"], content["model"]["patients"]) == (FILMS, FILMS // 4)
        assert content["model"]["metrics"] == overall.metrics
        assert content["model"]["subtype_auc"] is None
        assert content["intervals"]["overall"]["auc"] == list(overall.intervals["auc"])
        assert set(content["intervals"]) == set(audit.slices)
        unchanged, *changed = content["shifts"]
        for shift, metric in itertools.product(changed, ("auc", "recall", "specificity")):
            change = shift[metric] - unchanged[metric]
            assert shift[f"{metric}_change"] == pytest.approx(change), (shift["name"], metric)
        assert content["external"]["rejected"] == 0
        assert content["external"]["metrics"]["recall"] == 1
        assert [one["name"] for one in content["controls"]] == [one.name for one in audit.controls]
        assert set(content["controls"][0]) == {
            "name", "auc", "auc_interval", "margin", "margin_interval",
        }  # fmt: skip
        assert set(content["gates"][0]) == {"slice", "metric", "value", "bound", "passed", "why"}

    def test_what_is_undefined_is_null(self, audit: Audit, tmp_path: Path) -> None:
        overall = audit.slices["overall"]
        undefined = replace(overall, metrics={**overall.metrics, "precision": np.nan})
        write_audit(replace(audit, slices={"overall": undefined}), str(tmp_path))
        content = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
        assert content["model"]["metrics"]["precision"] is None

    def test_every_film_has_a_line(self, audit: Audit, folder: Path) -> None:
        table = pd.read_csv(folder / "predictions.csv")
        assert list(table.columns) == [
            "sha256", "patient_id", "label", "subtype", "probability", "predicted_label",
            "probability_normal", "probability_pneumonia",
        ]  # fmt: skip
        assert len(table) == FILMS
        assert table["probability"].to_numpy() == pytest.approx(
            [film.mean() / 255 for film in films()], abs=1e-6
        )
        assert table["sha256"].tolist() == audit.films["sha256"].tolist()


class TestSubtypeAuc:
    @pytest.fixture(name="scored")
    def make_scored(self) -> pd.DataFrame:
        random = np.random.default_rng(1)
        subtypes = random.choice(["none", "bacteria", "virus", "unknown"], 200)
        shares = np.clip(random.normal(0.4 + 0.2 * (subtypes == "bacteria"), 0.2), 0.01, 0.99)
        pneumonia = random.random(200)
        return pd.DataFrame(
            {
                "patient_id": np.arange(200) // 2,
                "subtype": subtypes,
                "share": shares,
                "probability_bacteria": pneumonia * shares,
                "probability_virus": pneumonia * (1 - shares),
            }
        )

    def test_only_films_of_known_subtype_count(self, scored: pd.DataFrame) -> None:
        found = subtype_auc(scored, 300)
        assert found is not None
        known = scored[scored["subtype"].isin(["bacteria", "virus"])]
        expected = roc_auc_score(known["subtype"] == "bacteria", known["share"])
        assert found[0] == pytest.approx(expected)
        assert found[1][0] < expected < found[1][1]

    def test_none_where_one_subtype_is_missing(self, scored: pd.DataFrame) -> None:
        assert subtype_auc(scored[scored["subtype"] != "virus"], 100) is None

    def test_none_for_a_model_of_two_classes(self, scored: pd.DataFrame) -> None:
        assert subtype_auc(scored.drop(columns="probability_virus"), 100) is None
