"""Parts of an audit that need no trained control: what is off, subtypes, files."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from components.auditor import audit
from components.auditor.audit import Subject, audit_model, subtype_auc, write_audit
from components.auditor.controls import NetworkControls
from components.auditor.scoring import score_examples
from components.auditor.served_pixels import ServedPixels
from models.audit_settings import AuditMeasures
from radiographs.options import IngestOptions
from tests.unit.components.auditor.films import example_of, film_of, write_split
from tests.unit.components.auditor.test_findings import FINDINGS, REACHED
from tests.unit.components.auditor.transformed import SMALL

MEANS = (60, 200, 90, 170)


def examples() -> list[Any]:
    return [
        example_of(film_of(seed, mean), label, patient_id=f"p{seed}")
        for seed, (mean, label) in enumerate(zip(MEANS, ["NORMAL", "PNEUMONIA"] * 2, strict=True))
    ]


def test_what_is_off_is_not_looked_at(
    mean_model: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even the films of train and eval are, which do not exist here."""
    nothing: Any = None
    subject = Subject(
        served=mean_model,
        hyperparameters=SMALL,
        train_uris=["nowhere"],
        eval_uris=["nowhere"],
        test_uris=[write_split(tmp_path / "test", examples())],
        transformed_train=nothing,
    )
    off = AuditMeasures(
        shift_audit=False, shortcut_audit=False, swap_audit=False, bootstrap_samples=100
    )
    with caplog.at_level(logging.INFO):
        films, found = audit_model(subject, off, IngestOptions())
    assert films["probability"].to_numpy() == pytest.approx(np.array(MEANS) / 255, abs=0.01)
    assert found.slices["overall"].metrics["auc"] == 1
    assert (found.slices["overall"].films, found.unscored) == (4, {})
    assert found.abstention is not None and found.abstention.coverage == 1
    assert (found.shifts, found.external, found.controls) == ([], None, [])
    assert found.missing_controls == {}
    assert found.frame_swaps is found.subtype_auc is None
    assert "scoring the test films took" in caplog.text
    assert "shift" not in caplog.text and "shortcut" not in caplog.text


class TestFacts:
    """The control of age, sex and view, whose scores have to stay with their films."""

    @pytest.fixture(autouse=True)
    def leave_out_networks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        controls: Any = NetworkControls({}, ServedPixels(None, SMALL.preprocessing))
        monkeypatch.setattr(NetworkControls, "score", lambda self, examples: {})
        monkeypatch.setattr(audit, "network_controls", lambda *given: controls)
        monkeypatch.setattr(audit, "find_chests", lambda images, *given: images)

    @staticmethod
    def subject(served: Any, folder: Path, **known: Any) -> Subject:
        """Forty films, whose age is their number in the split; the old are ill."""
        nothing: Any = None
        uris = [
            write_split(
                folder / split,
                [
                    example_of(
                        film_of(seed, MEANS[seed % 4]),
                        "PNEUMONIA" if seed % 40 >= 20 else "NORMAL",
                        patient_id=f"p{seed}", **{"age_years": seed % 40, **known},
                    )
                    for seed in range(first, first + 40)
                ],
            )
            for first, split in ((0, "train"), (40, "test"))
        ]  # fmt: skip
        return Subject(served, SMALL, uris[:1], [], uris[1:], nothing)

    def test_films_in_other_frames_keep_their_scores(
        self, mean_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Any] = []
        monkeypatch.setattr(audit, "audit_frame_swaps", lambda *given: asked.append(given))
        measures = AuditMeasures(shift_audit=False, bootstrap_samples=100, audit_films=20)
        subject = self.subject(mean_model, tmp_path)
        films, found = audit_model(subject, measures, IngestOptions())
        ((_, rows, images, _, _, blind),) = asked
        assert len(rows) == len(images) == 20
        ages = rows.index.to_numpy()
        scores = blind["age, sex and view"]
        assert np.array_equal(np.argsort(scores), np.argsort(ages))
        assert np.array_equal(scores >= 0.5, rows["label"] == "PNEUMONIA")
        (control,) = [one for one in found.controls if one.name == "age, sex and view"]
        assert control.auc == 1
        model = roc_auc_score(films["label"] == "PNEUMONIA", films["probability"])
        assert control.margin == pytest.approx(model - 1)

    def test_that_nothing_is_known_is_found_and_said(
        self, mean_model: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        measures = AuditMeasures(shift_audit=False, swap_audit=False, bootstrap_samples=100)
        subject = self.subject(mean_model, tmp_path, age_years=-1)
        with caplog.at_level(logging.INFO):
            _, found = audit_model(subject, measures, IngestOptions())
        assert [one.name for one in found.controls] == ["file statistics"]
        missing = "of no train film is age, sex or view known"
        assert found.missing_controls == {"age, sex and view": missing}
        assert f"no control of age, sex and view: {missing}" in caplog.text


class TestFiles:
    @pytest.fixture(name="films")
    def score(self, mean_model: Any) -> pd.DataFrame:
        return score_examples(mean_model, examples())

    def test_every_film_has_a_line(self, films: pd.DataFrame, tmp_path: Path) -> None:
        write_audit(films, FINDINGS, str(tmp_path))
        written = {file.name: file for file in tmp_path.iterdir()}
        assert set(written) == {"predictions.csv", "audit.json", "frame_swaps.png"}
        assert written["frame_swaps.png"].read_bytes() == b"picture"
        lines = written["predictions.csv"].read_text(encoding="utf-8").splitlines()
        assert lines[0].split(",") == [
            "sha256", "patient_id", "label", "subtype", "probability", "predicted_label",
            "answer", "out_of_distribution", "probability_normal", "probability_pneumonia",
        ]  # fmt: skip
        assert [line.split(",")[1] for line in lines[1:]] == ["p0", "p1", "p2", "p3"]

    def test_without_swaps_there_is_no_picture(self, films: pd.DataFrame, tmp_path: Path) -> None:
        write_audit(films, replace(FINDINGS, frame_swaps=None), str(tmp_path))
        assert not (tmp_path / "frame_swaps.png").exists()

    def test_a_value_that_json_lacks_is_not_written(
        self, films: pd.DataFrame, tmp_path: Path
    ) -> None:
        endless = replace(REACHED, metrics={**REACHED.metrics, "precision": np.inf})
        with pytest.raises(ValueError, match="JSON"):
            write_audit(films, replace(FINDINGS, slices={"overall": endless}), str(tmp_path))
        assert not (tmp_path / "audit.json").exists()


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

    def test_a_film_that_is_neither_counts_as_no_bacteria(self, scored: pd.DataFrame) -> None:
        neither = scored.assign(probability_bacteria=scored["probability_bacteria"].where(
            scored["patient_id"] > 3, 0.0), probability_virus=scored["probability_virus"].where(
            scored["patient_id"] > 3, 0.0))  # fmt: skip
        found = subtype_auc(neither, 100)
        assert found is not None
        known = scored[scored["subtype"].isin(["bacteria", "virus"])]
        share = known["share"].where(known["patient_id"] > 3, 0.0)
        assert (share == 0).any()
        assert found[0] == pytest.approx(roc_auc_score(known["subtype"] == "bacteria", share))

    def test_none_where_one_subtype_is_missing(self, scored: pd.DataFrame) -> None:
        assert subtype_auc(scored[scored["subtype"] != "virus"], 100) is None

    def test_none_for_a_model_of_two_classes(self, scored: pd.DataFrame) -> None:
        assert subtype_auc(scored.drop(columns="probability_virus"), 100) is None
