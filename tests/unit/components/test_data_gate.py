"""What breaks the data contract: anomalies of the statistics, leaks between splits."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import standard_artifacts

from components import DataGateReport
from components.data_gate.account import ANOMALIES_FILE
from components.data_gate.executor import (
    DataGateError,
    DataGateExecutor,
    missing_classes,
    missing_masks,
    schema_anomalies,
)
from models import features
from radiographs.errors import DataError
from radiographs.leaks import Anomaly, leaks
from tests.support import ROOT

SCHEMA_FILE = ROOT / "schema" / "schema.pbtxt"
FILM: dict[str, Any] = {
    "image": b"pixels", "label": "NORMAL", "subtype": "none", "patient_id": "p1", "site": "s",
    "view": "PA", "sex": "F", "style": "1", "age_years": 40, "width_px": 100, "height_px": 100,
    "mean_intensity": 0.5, "source_format": "PNG", "sha256": "0a", "laterality": "unknown",
    "modality": "DX", "body_part": "CHEST", "pixel_spacing_mm": 0.14, "manufacturer": "Philips",
    "device_model": "5e", "study_day": 0, "lesion_mask": b"",
}  # fmt: skip
UNANSWERED = {"label": None, "subtype": None, "lesion_mask": None}


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

    def test_a_split_without_films_lacks_no_class(self) -> None:
        empty = statistics_pb2.DatasetFeatureStatisticsList()
        empty.datasets.add(num_examples=0)
        (anomaly,) = missing_classes({"train": empty, "test": statistics({})})
        assert str(anomaly) == (
            "test, label: there is no PNEUMONIA film; look into the quarantine list and data.split"
        )


class TestSchemaAnomalies:
    def test_films_that_keep_the_contract_have_none(self) -> None:
        assert found({}, {"label": "PNEUMONIA", "view": "AP", "age_years": -1}) == {}

    def test_training_needs_the_answer_and_serving_does_not(self) -> None:
        assert set(found(UNANSWERED, environment="TRAINING")) == set(UNANSWERED)
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
            ("modality", "CT", "CT"),
            ("body_part", "HAND", "HAND"),
            ("study_day", -2, "-2"),
            ("pixel_spacing_mm", 7.0, "7"),
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
        empty = statistics({"view": "LATERAL"})  # of a film that did not come
        empty.datasets[0].num_examples = 0
        schema = tfdv.load_schema_text(str(SCHEMA_FILE))
        (anomaly,) = schema_anomalies({"test": empty}, schema)
        assert str(anomaly) == "test, films: there are none; check data.split and the folders"

    def test_every_split_is_looked_at_even_after_an_empty_one(self) -> None:
        empty = statistics_pb2.DatasetFeatureStatisticsList()
        empty.datasets.add(num_examples=0)
        schema = tfdv.load_schema_text(str(SCHEMA_FILE))
        splits = {
            "train": empty,
            "eval": statistics({"sex": "X"}),
            "test": statistics({"view": "x"}),
        }
        found = [(one.where, one.what) for one in schema_anomalies(splits, schema)]
        assert found == [("train", "films"), ("eval", "sex"), ("test", "view")]


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
        (anomaly, images) = leaks({"train": films, "test": films})
        assert anomaly.why.startswith(
            "8 patients are in both splits (p0, p1, p2, p3, p4 and 3 more)"
        )
        assert "(0, 1, 2, 3, 4 and 3 more)" in images.why

    def test_a_list_of_five_is_whole_and_long_names_are_cut(self) -> None:
        films = [(f"{number}" * 41, f"{number}") for number in range(5)]
        (patients, images) = leaks({"train": films, "test": films})
        assert "(0, 1, 2, 3, 4);" in images.why
        assert f"({'0' * 40}, {'1' * 40}, " in patients.why

    def test_every_pair_of_splits_is_looked_at(self) -> None:
        found = leaks({"train": [("p", "a")], "eval": [("p", "b")], "test": [("p", "c")]})
        assert [one.where for one in found] == [
            "train and eval", "train and test", "eval and test",
        ]  # fmt: skip


class TestMissingMasks:
    @pytest.mark.parametrize("typed", [True, False], ids=["with a schema", "without one"])
    def test_one_film_of_train_has_to_have_one(self, typed: bool) -> None:
        schema = tfdv.load_schema_text(str(SCHEMA_FILE)) if typed else None

        def of(*masks: bytes) -> statistics_pb2.DatasetFeatureStatisticsList:
            films = pd.DataFrame([{**FILM, "lesion_mask": mask} for mask in masks])
            options = tfdv.StatsOptions(schema=schema)
            return tfdv.generate_statistics_from_dataframe(films, options, n_jobs=1)

        drawn, undrawn = of(b"", b"drawn"), of(b"", b"")
        assert list(missing_masks({"train": drawn, "test": undrawn})) == []
        (anomaly,) = missing_masks({"train": undrawn, "test": drawn})
        assert (anomaly.where, anomaly.what) == ("train", "lesion_mask")
        assert "no film of train has one; name them in the column lesion_mask" in anomaly.why

    def test_of_no_film_none_is_asked_for(self) -> None:
        empty = statistics_pb2.DatasetFeatureStatisticsList()
        empty.datasets.add(num_examples=0)
        assert list(missing_masks({"train": empty, "test": statistics({})})) == []
        assert list(missing_masks({"test": statistics({})})) == []


class TestExecutor:
    """Over artifacts written here, so that each breach is by itself."""

    def films(self, split: str) -> list[dict[str, Any]]:
        """Both classes, each film with a patient of its own."""
        return [
            {
                **FILM,
                "label": label,
                "patient_id": f"{split}-{label}",
                "sha256": f"{split}-{label}".encode().hex(),
            }
            for label in features.LABELS
        ]

    def run(
        self,
        folder: Path,
        splits: dict[str, list[dict[str, Any]]],
        inputs: dict[str, list[Any]] | None = None,
        learns_lesions: bool = False,
        **settings: str,
    ) -> tuple[list[dict[str, str]], DataGateError | None]:
        """Returns the anomalies in the report, and the error if there was one."""
        for split, films in splits.items():
            write_examples(folder / "examples" / f"Split-{split}", films)
            (folder / "statistics" / f"Split-{split}").mkdir(parents=True)
            (folder / "statistics" / f"Split-{split}" / "FeatureStats.pb").write_bytes(
                statistics(*films).SerializeToString()
            )
        (folder / "schema").mkdir(parents=True)
        shutil.copy(SCHEMA_FILE, folder / "schema")
        (folder / "report").mkdir()

        def artifact(kind: Any, name: str) -> Any:
            one = kind()
            one.uri = str(folder / name)
            if hasattr(one, "split_names"):
                one.split_names = json.dumps(list(splits))
            return [one]

        error = None
        report = artifact(DataGateReport, "report")
        try:
            DataGateExecutor().Do(
                {
                    "examples": artifact(standard_artifacts.Examples, "examples"),
                    "statistics": artifact(standard_artifacts.ExampleStatistics, "statistics"),
                    "schema": artifact(standard_artifacts.Schema, "schema"),
                    **(inputs or {}),
                },
                {"report": report},
                {
                    "settings": json.dumps(settings),
                    "learns_lesions": int(learns_lesions),
                    "source_fingerprint": "",
                },
            )
        except DataGateError as raised:
            error = raised
        assert ANOMALIES_FILE == "anomalies.json"
        text = (folder / "report" / ANOMALIES_FILE).read_text()
        self.drift = json.loads((folder / "report" / "drift.json").read_text())
        self.property = report[0].get_string_custom_property("accepted_drift")
        if error is not None:
            assert error.files[ANOMALIES_FILE] == text
        return json.loads(text), error

    def test_good_data_pass_and_the_report_is_empty(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        splits = {split: self.films(split) for split in features.SPLITS}
        with caplog.at_level(logging.INFO, "components.data_gate.executor"):
            assert self.run(tmp_path, splits) == ([], None)
        assert "3 splits keep the data contract" in caplog.text

    def test_a_leak_stops_the_run_after_the_report_is_written(self, tmp_path: Path) -> None:
        splits = {"train": self.films("train"), "eval": self.films("eval"),
                  "test": self.films("eval")}  # fmt: skip
        anomalies, error = self.run(tmp_path, splits)
        assert [(one["where"], one["what"]) for one in anomalies] == [
            ("eval and test", "patient_id"),
            ("eval and test", "sha256"),
        ]
        assert "2 patients are in both splits (eval-NORMAL, eval-PNEUMONIA)" in anomalies[0]["why"]
        lines = [f"  - {one['where']}, {one['what']}: {one['why']}" for one in anomalies]
        assert str(error) == "\n".join(["the data breaks its contract:", *lines])

    def test_every_kind_of_breach_is_listed(self, tmp_path: Path) -> None:
        odd = [{**film, "view": "LATERAL"} for film in self.films("train")]
        one_class = self.films("test")[:1]
        anomalies, error = self.run(tmp_path, {"train": odd, "test": one_class})
        assert error is not None
        assert [(one["where"], one["what"]) for one in anomalies] == [
            ("train", "view"),
            ("test", "label"),
        ]

    def test_masks_are_asked_for_where_they_are_to_be_learnt_from(self, tmp_path: Path) -> None:
        splits = {split: self.films(split) for split in features.SPLITS}
        (anomaly,), error = self.run(tmp_path, splits, learns_lesions=True)
        assert error is not None
        assert (anomaly["where"], anomaly["what"]) == ("train", "lesion_mask")

    def earlier(self, folder: Path, *films: dict[str, Any]) -> dict[str, list[Any]]:
        """Statistics of other films that were accepted before."""
        split = folder / "Split-train"
        split.mkdir(parents=True)
        (split / "FeatureStats.pb").write_bytes(statistics(*films).SerializeToString())
        one = standard_artifacts.ExampleStatistics()
        one.uri, one.split_names = str(folder), json.dumps(["train"])
        return {"previous_statistics": [one]}

    @property
    def bright(self) -> list[dict[str, Any]]:
        return [
            {**FILM, "patient_id": f"b{number}", "mean_intensity": 0.9, "label": label}
            for number in range(200)
            for label in features.LABELS
        ]

    @property
    def dim(self) -> dict[str, list[dict[str, Any]]]:
        films = [
            {**film, "mean_intensity": 0.5, "patient_id": f"d{number}", "sha256": f"{number:04x}"}
            for number, film in enumerate(self.bright)
        ]
        return {"train": films, "test": self.films("test")}

    def test_drift_stops_the_run_with_the_numbers(self, tmp_path: Path) -> None:
        before = self.earlier(tmp_path / "before", *self.bright)
        anomalies, error = self.run(tmp_path / "run", self.dim, before)
        (one,) = anomalies
        assert (one["where"], one["what"]) == ("train", "mean_intensity")
        assert "is 1.000, allowed is 0.120 (mean 0.5, was 0.9; 400 films and 400)" in one["why"]
        assert error is not None
        assert str(error).startswith("the films differ from those before:\n  - train, mean_inten")
        assert "--accept-data REASON" in str(error)
        assert set(error.files) == {"anomalies.json", "drift.json"}
        assert {d["feature"] for d in self.drift["distances"] if d["exceeded"]} == {
            "mean_intensity"
        }
        assert (self.drift["accepted"], self.property) == ("", "")

    def test_a_reason_lets_drift_pass_and_is_kept(self, tmp_path: Path) -> None:
        before = self.earlier(tmp_path / "before", *self.bright)
        reason = "new detector: known to all"
        anomalies, error = self.run(tmp_path / "run", self.dim, before, accept_drift=reason)
        assert error is None
        assert anomalies[0]["why"].endswith(f"; accepted: {reason}")
        assert self.drift["accepted"] == self.property == reason

    def test_no_reason_lets_a_leak_or_a_broken_contract_pass(self, tmp_path: Path) -> None:
        splits = {**self.dim, "test": [{**one, "view": "LATERAL"} for one in self.dim["train"]]}
        before = self.earlier(tmp_path / "before", *self.bright)
        _, error = self.run(tmp_path / "run", splits, before, accept_drift="why not")
        assert error is not None
        kinds = ("test, view: ", "train and test, patient_id: ", "train and test, sha256: ")
        assert all(f"  - {kind}" in str(error) for kind in kinds)
        assert "mean_intensity" not in str(error)
        assert self.property == ""

    def test_a_reason_without_drift_is_not_kept(self, tmp_path: Path) -> None:
        before = self.earlier(tmp_path / "before", *self.dim["train"])
        _, error = self.run(tmp_path / "run", self.dim, before, accept_drift="to be sure")
        assert error is None
        assert (self.drift["accepted"], self.property) == ("", "")

    def test_what_a_person_let_pass_before_passes_again(self, tmp_path: Path) -> None:
        accepted = DataGateReport()
        accepted.set_string_custom_property("accepted_drift", "new detector")
        before = self.earlier(tmp_path / "before", *self.bright)
        _, error = self.run(tmp_path / "run", self.dim, {**before, "accepted": [accepted]})
        assert (error, self.property) == (None, "new detector")

    @pytest.mark.parametrize(
        ("inputs", "note"),
        [
            ({"previous_statistics": []}, "no other data has been accepted before"),
            ({}, "this runner does not find the data accepted before"),
        ],
    )
    def test_where_nothing_is_compared_it_says_why(
        self, tmp_path: Path, inputs: dict[str, list[Any]], note: str
    ) -> None:
        assert self.run(tmp_path, self.dim, inputs) == ([], None)
        assert (self.drift["notes"], self.drift["distances"]) == ([note], [])

    def test_train_is_compared_with_what_was_served(self, tmp_path: Path) -> None:
        served = tmp_path / "served.pb"
        answers = [{**one, **UNANSWERED} for one in self.bright]
        served.write_bytes(statistics(*answers).SerializeToString())
        anomalies, error = self.run(tmp_path / "run", self.dim, serving_statistics=str(served))
        assert error is not None
        (one,) = anomalies
        assert (one["where"], one["what"]) == ("train", "mean_intensity")
        assert "from what was served is 1.000" in one["why"]
        assert {d["kind"] for d in self.drift["distances"]} == {"skew"}

        assert self.drift["notes"] == ["this runner does not find the data accepted before"]

    def test_served_films_of_which_nothing_can_be_compared_are_noted(self, tmp_path: Path) -> None:
        served = tmp_path / "served.pb"
        strange = pd.DataFrame({"temperature": [36.6, 39.1]})
        served.write_bytes(
            tfdv.generate_statistics_from_dataframe(strange, n_jobs=1).SerializeToString()
        )
        _, error = self.run(tmp_path / "run", self.dim, serving_statistics=str(served))
        assert error is None
        assert self.drift["notes"][1:] == [f"{served} holds no feature that can be compared"]

    @pytest.mark.parametrize("content", [None, b"no statistics"])
    def test_a_file_of_no_statistics_is_named(self, tmp_path: Path, content: bytes | None) -> None:
        served = tmp_path / "served.pb"
        if content is not None:
            served.write_bytes(content)
        with pytest.raises(DataError, match=r"served\.pb .*check data_gate\.serving_statistics"):
            self.run(tmp_path / "run", self.dim, serving_statistics=str(served))


def write_examples(folder: Path, films: list[dict[str, Any]]) -> None:
    """Writes tf.Examples to two files."""
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for number, film in enumerate(films):
        example = tf.train.Example()
        for name in ("patient_id", "sha256"):
            example.features.feature[name].bytes_list.value.append(film[name].encode())
        with tf.io.TFRecordWriter(str(folder / f"{number}.gz"), options) as file:
            file.write(example.SerializeToString())
