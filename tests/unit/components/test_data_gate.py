"""What breaks the data contract: anomalies of the statistics, leaks between splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import standard_artifacts

from components import DataGateReport
from components.data_gate.executor import (
    ANOMALIES_FILE,
    Anomaly,
    DataGateError,
    DataGateExecutor,
    leaks,
    missing_classes,
    schema_anomalies,
)
from models import features
from tests.support import ROOT, LocalRun

SCHEMA_FILE = ROOT / "schema" / "schema.pbtxt"
FILM: dict[str, Any] = {
    "image": b"pixels", "label": "NORMAL", "subtype": "none", "patient_id": "p1", "site": "s",
    "view": "PA", "sex": "F", "age_years": 40, "width_px": 100, "height_px": 100,
    "mean_intensity": 0.5, "source_format": "PNG", "sha256": "0a",
}  # fmt: skip
UNANSWERED = {"label": None, "subtype": None}


def statistics(*films: dict[str, Any]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Statistics of films that differ from `FILM`; a feature set to None is left out."""
    rows = [
        {name: value for name, value in {**FILM, **film}.items() if value is not None}
        for film in films
    ]
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame(rows), n_jobs=1)


def found(*films: dict[str, Any], environment: str = "TRAINING") -> dict[str, str]:
    schema = tfdv.load_schema_text(str(SCHEMA_FILE))
    anomalies = list(schema_anomalies({"train": statistics(*films)}, schema, environment))
    assert {one.where for one in anomalies} <= {"train"}
    return {one.what: one.why for one in anomalies}


class TestMissingClasses:
    def test_names_the_split_and_the_class(self) -> None:
        both = statistics({}, {"label": "PNEUMONIA"})
        (anomaly,) = missing_classes({"train": both, "test": statistics({}, {})})
        assert (anomaly.where, anomaly.what) == ("test", "label")
        assert anomaly.why.startswith("there is no PNEUMONIA film; ")

    def test_films_without_any_label_lack_both(self) -> None:
        anomalies = list(missing_classes({"train": statistics(UNANSWERED)}))
        assert [one.why.split(";")[0] for one in anomalies] == [
            "there is no NORMAL film",
            "there is no PNEUMONIA film",
        ]


class TestSchemaAnomalies:
    def test_films_that_keep_the_contract_have_none(self) -> None:
        assert found({}, {"label": "PNEUMONIA", "view": "AP", "age_years": -1}) == {}

    def test_training_needs_the_answer_and_serving_does_not(self) -> None:
        assert set(found(UNANSWERED, environment="TRAINING")) == {"label", "subtype"}
        assert found(UNANSWERED, environment="SERVING") == {}

    def test_serving_needs_the_image(self) -> None:
        assert set(found({**UNANSWERED, "image": None}, environment="SERVING")) == {"image"}

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("label", "HEALTHY", "HEALTHY"),
            ("view", "LATERAL", "LATERAL"),
            ("sex", "X", "X"),
            ("source_format", "GIF", "GIF"),
            ("age_years", 121, "121"),
            ("age_years", -2, "-2"),
            ("width_px", 0, "0"),
            ("mean_intensity", 1.5, "1.5"),
        ],
    )
    def test_a_value_outside_of_its_domain_is_named(
        self, name: str, value: object, words: str
    ) -> None:
        anomalies = found({}, {name: value})
        assert set(anomalies) == {name}
        assert words in anomalies[name]

    def test_a_feature_nobody_knows_is_named(self) -> None:
        assert set(found({"diagnosis": "x"})) == {"diagnosis"}

    def test_a_split_without_films_is_named(self) -> None:
        empty = statistics_pb2.DatasetFeatureStatisticsList()
        empty.datasets.add(num_examples=0)
        schema = tfdv.load_schema_text(str(SCHEMA_FILE))
        (anomaly,) = schema_anomalies({"test": empty}, schema)
        assert str(anomaly) == "test, films: there are none; check data.split and the folders"


class TestLeaks:
    def test_separate_splits_have_none(self) -> None:
        assert list(leaks({"train": [("p1", "a"), ("p1", "b")], "test": [("p2", "c")]})) == []

    def test_a_shared_patient_and_a_shared_image_are_two_anomalies(self) -> None:
        splits = {
            "train": [("p1", "aa"), ("p2", "bb")],
            "eval": [("p2", "cc")],
            "test": [("p3", "aa")],
        }
        assert list(leaks(splits)) == [
            Anomaly(
                "train and eval",
                "patient_id",
                "1 patients are in both splits (p2); set data.split=by_patient, or move them to "
                "one side",
            ),
            Anomaly(
                "train and test",
                "sha256",
                "1 byte-identical images are in both splits (aa); set data.split=by_patient, or "
                "move them to one side",
            ),
        ]

    def test_a_long_list_is_cut(self) -> None:
        films = [(f"p{number}", f"{number}") for number in range(8)]
        (anomaly, _) = leaks({"train": films, "test": films})
        assert anomaly.why.startswith(
            "8 patients are in both splits (p0, p1, p2, p3, p4 and 3 more)"
        )


class TestExecutor:
    def run(self, pushed: LocalRun, examples: Path, folder: Path) -> None:
        def artifact(kind: Any, uri: Path) -> Any:
            one = kind()
            one.uri = str(uri)
            if hasattr(one, "split_names"):
                one.split_names = json.dumps(list(features.SPLITS))
            return [one]

        folder.mkdir(exist_ok=True)
        DataGateExecutor().Do(
            {
                "examples": artifact(standard_artifacts.Examples, examples),
                "statistics": artifact(
                    standard_artifacts.ExampleStatistics, pushed.uri("StatisticsGen", "statistics")
                ),
                "schema": artifact(
                    standard_artifacts.Schema, pushed.uri("ImportSchemaGen", "schema")
                ),
            },
            {"report": artifact(DataGateReport, folder)},
            {"source_fingerprint": ""},
        )

    def test_writes_an_empty_list_for_good_data(self, pushed: LocalRun, tmp_path: Path) -> None:
        self.run(pushed, pushed.uri("RadiographExampleGen", "examples"), tmp_path)
        assert json.loads((tmp_path / ANOMALIES_FILE).read_text()) == []

    def test_writes_the_list_before_it_stops_the_run(
        self, pushed: LocalRun, tmp_path: Path
    ) -> None:
        good = pushed.uri("RadiographExampleGen", "examples")
        leaky = tmp_path / "examples"
        leaky.mkdir()
        for split, source in (("train", "train"), ("eval", "eval"), ("test", "eval")):
            (leaky / f"Split-{split}").symlink_to(good / f"Split-{source}")
        with pytest.raises(DataGateError, match="eval and test, patient_id") as error:
            self.run(pushed, leaky, tmp_path / "report")
        anomalies = json.loads((tmp_path / "report" / ANOMALIES_FILE).read_text())
        assert [(one["where"], one["what"]) for one in anomalies] == [
            ("eval and test", "patient_id"),
            ("eval and test", "sha256"),
        ]
        assert str(error.value).count("\n  - ") == len(anomalies)
