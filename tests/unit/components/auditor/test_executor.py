"""The Auditor as TFX calls it: which artifact becomes which part of the subject."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.artifacts import ModelAudit
from components.auditor import executor
from components.auditor.audit import Subject
from components.auditor.scoring import read_examples
from models.audit_settings import AuditMeasures
from radiographs.options import IngestOptions
from tests.support import encode
from tests.unit.components.auditor.conftest import SIDE_PX, MeanModel
from tests.unit.components.auditor.films import example_of, film_of, write_split
from tests.unit.components.auditor.transformed import SMALL, transformed

MEASURES, OPTIONS = AuditMeasures(audit_films=31), IngestOptions(seed=5)
LABELS = [0, 1, 1]


def artifact(kind: Any, uri: Path, *splits: str) -> list[Any]:
    one = kind()
    one.uri = str(uri)
    if splits:
        one.split_names = json.dumps(splits)
    return [one]


def inputs(folder: Path) -> dict[str, list[Any]]:
    """Artifacts on disk; the patient of a film is called as its split."""
    for split in ("train", "eval", "test"):
        write_split(
            folder / "examples" / f"Split-{split}", [example_of(film_of(1, 99), patient_id=split)]
        )
    model = MeanModel(classes=2)
    signatures = {"predict_images": model.predict_images}
    tf.saved_model.save(model, str(folder / "model" / "Format-Serving"), signatures=signatures)
    (folder / "run").mkdir()
    record = json.dumps({"hyperparameters": SMALL.model_dump()})
    (folder / "run" / "training.json").write_text(record, encoding="utf-8")
    for split, labels in (("train", LABELS), ("eval", [0, 1])):
        films = [film_of(seed, 99, SIDE_PX) for seed in range(len(labels))]
        transformed(folder / split, films, labels)
        written = folder / split / "transformed"
        (folder / "xf").mkdir(exist_ok=True)
        written.rename(folder / "xf" / f"Split-{split}")
    kinds = standard_artifacts
    return {
        "examples": artifact(kinds.Examples, folder / "examples", "train", "eval", "test"),
        "model": artifact(kinds.Model, folder / "model"),
        "model_run": artifact(kinds.ModelRun, folder / "run"),
        "transformed_examples": artifact(kinds.Examples, folder / "xf", "train", "eval"),
        "transform_graph": artifact(kinds.TransformGraph, folder / "graph"),
    }


def test_the_subject_is_made_of_what_the_artifacts_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"label_xf": tf.io.FixedLenFeature([1], tf.int64)}
    graphs: list[str] = []

    def graph(uri: str) -> Any:
        graphs.append(uri)
        return SimpleNamespace(transformed_feature_spec=lambda: spec)

    audited: list[tuple[Subject, AuditMeasures, IngestOptions]] = []
    written: list[tuple[object, object, str]] = []
    films, findings = pd.DataFrame(), object()

    def audit(*given: Any) -> tuple[pd.DataFrame, object]:
        audited.append(given)
        return films, findings

    monkeypatch.setattr(executor.tft, "TFTransformOutput", graph)
    monkeypatch.setattr(executor, "audit_model", audit)
    monkeypatch.setattr(executor, "write_audit", lambda *given: written.append(given))
    executor.AuditorExecutor().Do(
        inputs(tmp_path),
        {"audit": artifact(ModelAudit, tmp_path / "audit")},
        {"measures": MEASURES.model_dump_json(), "options": OPTIONS.model_dump_json()},
    )
    ((subject, measures, options),) = audited
    assert (measures, options) == (MEASURES, OPTIONS)
    assert written == [(films, findings, str(tmp_path / "audit"))]
    for split in ("train", "eval", "test"):
        (film,) = read_examples(getattr(subject, f"{split}_uris"))
        assert film.features.feature["patient_id"].bytes_list.value == [split.encode()]
    assert subject.hyperparameters == SMALL
    assert subject.transformed_train.classes.tolist() == LABELS
    assert subject.transformed_train.feature_spec == spec
    assert graphs == [str(tmp_path / "graph")]
    grey = np.full((80, 80), 51, np.uint8)
    answer = subject.served.signatures["predict_images"](image_bytes=tf.constant([encode(grey)]))
    assert answer["probability"].numpy() == pytest.approx([0.2])
