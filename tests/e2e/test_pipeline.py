"""The whole pipeline: pushed, repeated from the cache, refused by its gate."""

from __future__ import annotations

import io
import json
import re
import shutil
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.pusher.executor import CARD
from models import features
from models.training_films import are_new, read_seen
from pipeline.config import load_config
from radiographs.decoding import read_film
from radiographs.options import IngestOptions
from radiographs.phantoms import draw_patient, draw_phantom
from tests.conftest import FLOOR, SMALL, TUNED_DROPOUT
from tests.dicom_films import dicom_file
from tests.support import (
    LocalRun,
    digests,
    execution_states,
    open_store,
    read_examples,
    run_local,
    settings,
)

COMPONENTS = {
    "RadiographExampleGen", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "DataGate",
    "Transform", "Tuner", "Trainer", "LatestBlessedModel", "Evaluator",
    "Auditor", "AuditGate", "ModelValidator", "Pusher", "ExplanationGen", "LabelAuditor",
    "ReportGen", "LatestAcceptedStatistics",
}  # fmt: skip
RESOLVERS = {"LatestBlessedModel", "LatestAcceptedStatistics"}  # they ask anew in every run
FILMS = 160


class TestPushed:
    def test_every_component_was_executed(self, pushed: LocalRun) -> None:
        assert execution_states(pushed) == dict.fromkeys(COMPONENTS, "COMPLETE")

    @pytest.mark.parametrize(
        "pattern",
        [
            "metadata.sqlite",
            "artifacts/RadiographExampleGen/examples/*/Split-test/*.gz",
            "artifacts/RadiographExampleGen/report/*/quarantine.csv",
            "artifacts/DataGate/report/*/anomalies.json",
            "artifacts/DataGate/report/*/drift.json",
            "artifacts/Transform/transform_graph/*/transform_fn/saved_model.pb",
            "artifacts/Tuner/best_hyperparameters/*/best_hyperparameters.txt",
            "artifacts/Trainer/model/*/Format-Serving/saved_model.pb",
            "artifacts/Trainer/model/*/training_films.int64",
            "artifacts/Trainer/model_run/*/model.keras",
            "artifacts/Trainer/model_run/*/tensorboard/train/*",
            "artifacts/Evaluator/blessing/*/BLESSED",
            "artifacts/AuditGate/blessing/*/BLESSED",
            "artifacts/ModelValidator/blessing/*/INFRA_BLESSED",
            "artifacts/ExplanationGen/explanations/*/index.json",
            "artifacts/LabelAuditor/label_audit/*/label_audit.json",
            "artifacts/ReportGen/report/*/index.html",
            "artifacts/ReportGen/report/*/report.json",
            "serving_model/cxr_pneumonia/*/saved_model.pb",
            "serving_model/cxr_pneumonia/*/assets.extra/operating_point.json",
        ],
    )
    def test_work_directory_is_laid_out_as_agreed(self, pushed: LocalRun, pattern: str) -> None:
        assert list(pushed.work.path.glob(pattern))

    @pytest.mark.parametrize(("seed", "label"), enumerate(features.LABELS * 2))
    def test_a_dicom_its_png_and_its_jpeg_have_one_probability(
        self, pushed: LocalRun, seed: int, label: str
    ) -> None:
        grey = draw_phantom(seed, 200, draw_patient(seed, label)).pixels
        jpeg = io.BytesIO()
        Image.fromarray(grey).save(jpeg, "JPEG", quality=95)
        deep = grey.astype(np.uint16) * 16
        whole = {"WindowCenter": 2040.5, "WindowWidth": 4081}
        files = [
            cv2.imencode(".png", grey)[1].tobytes(),
            dicom_file(grey),
            dicom_file(deep, 12, **whole),
            dicom_file(4080 - deep, 12, PhotometricInterpretation="MONOCHROME1", **whole),
            jpeg.getvalue(),
        ]
        model: Any = tf.saved_model.load(str(pushed.model))
        encoded = [read_film(file, IngestOptions()).encoded for file in files]
        answers = model.signatures[features.PREDICT_IMAGES](image_bytes=tf.constant(encoded))
        *lossless, lossy = answers[features.PROBABILITY].numpy().tolist()
        assert lossless == pytest.approx([lossless[0]] * 4, abs=1e-6)
        # JPEG moves a level by two; a network of two epochs makes more of that than a trained one.
        assert lossy == pytest.approx(lossless[0], abs=0.02)

    def test_run_folder_holds_its_files(self, pushed: LocalRun) -> None:
        assert set(digests(pushed.folder)) == {
            "summary.json", "config.json", "log.txt", "quarantine.csv", "ignored.csv",
            "label_audit.csv",
            "report/index.html", "report/slices.csv", "report/slices.html",
        }  # fmt: skip
        assert pushed.latest == pushed.summary["run_id"]

    def test_config_is_kept(self, pushed: LocalRun) -> None:
        overrides = SMALL[3::2]
        kept = json.loads((pushed.folder / "config.json").read_text(encoding="utf-8"))
        assert kept == load_config("demo", None, overrides).model_dump(mode="json")
        assert kept["phantoms"]["films"] == FILMS

    def test_summary_counts_every_film(self, pushed: LocalRun) -> None:
        data = pushed.summary["data"]
        overall = pushed.summary["metrics"]["overall"]
        assert tuple(data["images"]) == tuple(data["patients"]) == features.SPLITS
        assert sum(data["images"].values()) == sum(data["labels"].values()) == FILMS
        assert data["rejected"] == 0
        assert overall["films"] == data["images"]["test"]
        assert 0 < overall["pneumonia_films"] < overall["films"]
        for dimension in ("subtype", "view", "sex", "age_band", "site", "style"):
            films = [
                one["films"]
                for name, one in pushed.summary["metrics"]["slices"].items()
                if name.startswith(f"{dimension}=")
            ]
            assert sum(films) == overall["films"]

    def test_summary_says_what_came_of_it(self, pushed: LocalRun) -> None:
        summary = pushed.summary
        assert summary["status"] == "pushed"
        assert summary["blessed"] is summary["servable"] is summary["pushed"] is True
        assert (summary["error"], summary["cached"]) == ("", [])
        assert set(summary["durations_seconds"]) == COMPONENTS
        assert summary["durations_seconds"]["Trainer"] > 0
        assert 0 < summary["operating_point"]["threshold"] < 1
        assert summary["hyperparameters"]["train"]["epochs"] == 2
        low, high = summary["metrics"]["overall"]["auc_interval"]
        assert 0 <= low <= summary["metrics"]["overall"]["auc"] <= high <= 1
        assert all(gate["passed"] for gate in summary["gates"])

    def test_summary_and_report_hold_the_audit(self, pushed: LocalRun) -> None:
        audit = pushed.summary["audit"]
        audited = json.loads((pushed.uri("Auditor", "audit") / "audit.json").read_text())
        assert audit["shifts"] == audited["shifts"]
        page = (pushed.folder / "report" / "index.html").read_text(encoding="utf-8")
        for row in (*audit["shifts"], *audit["controls"]):
            assert f'<th scope="row">{row["name"]}</th>' in page
        assert {one["name"] for one in audit["controls"]} == {
            "lungs blacked out", "outer frame", "file statistics", "age, sex and view",
        }  # fmt: skip
        assert "worst AUC under an acquisition change" in pushed.terminal

    def test_pushed_model_is_the_trained_one(self, pushed: LocalRun) -> None:
        trained = digests(pushed.uri("Trainer", "model") / "Format-Serving")
        version = pushed.summary["pushed_version"]
        served = dict(pushed.serving)
        assert served.pop(f"{version}/{CARD}")
        assert served == {f"{version}/{name}": digest for name, digest in trained.items()}
        assert f"pushed {pushed.model}" in pushed.text

    def test_the_model_knows_which_films_it_has_seen(self, pushed: LocalRun) -> None:
        seen = read_seen(str(pushed.uri("Trainer", "model") / "Format-Serving"))
        assert seen is not None
        for split in features.SPLITS:
            films = [
                tf.train.Example.FromString(one).features.feature
                for one in read_examples(pushed.uri("RadiographExampleGen", "examples"), split)
            ]
            digests, patients = (
                np.array([film[name].bytes_list.value[0] for film in films])
                for name in (features.SHA256, features.PATIENT_ID)
            )
            assert are_new(digests, patients, seen).tolist() == [split == "test"] * len(films)

    def test_terminal_shows_components_and_epochs_but_no_library(self, pushed: LocalRun) -> None:
        for component in COMPONENTS:
            assert len(re.findall(rf"^  {component} +\d+\.\d s$", pushed.terminal, re.M)) == 1
            seconds = pushed.summary["durations_seconds"][component]
            assert f"  {component:<24} {seconds:7.1f} s\n" in pushed.terminal
        assert re.search(
            r"epoch 2/2  loss \d\.\d+  val_calibrated_log_loss \d\.\d+  val_auc ", pushed.terminal
        )
        assert not re.search("Traceback|WARNING|INFO|absl|cuda", pushed.terminal)
        assert "Component Trainer is running." in pushed.log

    def test_report_has_every_slice_and_the_notice(self, pushed: LocalRun) -> None:
        page = (pushed.folder / "report" / "index.html").read_text(encoding="utf-8")
        for name in pushed.summary["metrics"]["slices"]:
            assert f'<th scope="row">{name}</th>' in page
        assert "not a medical device" in page


class TestRepeated:
    def test_is_served_from_the_cache(self, repeated: LocalRun) -> None:
        states = execution_states(repeated)
        cached = {name for name, state in states.items() if state == "CACHED"}
        assert repeated.status == 0
        assert cached == COMPONENTS - RESOLVERS
        assert sorted(cached) == repeated.summary["cached"]
        assert sum(repeated.summary["durations_seconds"].values()) < 15

    def test_reaches_the_same(self, pushed: LocalRun, repeated: LocalRun) -> None:
        own = ("run_id", "cached", "durations_seconds")
        first, second = (
            {key: value for key, value in run.summary.items() if key not in own}
            for run in (pushed, repeated)
        )
        assert first == second
        assert pushed.latest != repeated.latest

    def test_pushes_nothing_again(self, pushed: LocalRun, repeated: LocalRun) -> None:
        assert repeated.summary["pushed_version"] == pushed.summary["pushed_version"]
        assert repeated.serving == pushed.serving

    def test_puts_a_version_back_that_was_removed(
        self, pushed: LocalRun, repeated: LocalRun
    ) -> None:
        shutil.rmtree(pushed.model)
        again = run_local(pushed.work.path, *SMALL)
        assert again.status == 0
        assert again.summary["pushed_version"] == pushed.summary["pushed_version"]
        assert again.serving == pushed.serving


class TestRefused:
    def test_exits_4_and_says_which_gate_and_by_how_much(self, refused: LocalRun) -> None:
        auc = refused.summary["metrics"]["overall"]["auc"]
        assert refused.status == 4
        assert refused.summary["status"] == "not blessed"
        assert refused.summary["pushed_version"] == ""
        assert (
            f"AUC on overall is {auc:.4f}, {FLOOR - auc:.4f} below the floor of {FLOOR:.4f}"
            in refused.text
        )
        failed = [gate for gate in refused.summary["gates"] if not gate["passed"]]
        assert [(gate["slice"], gate["metric"]) for gate in failed] == [("overall", "AUC")]

    def test_leaves_the_serving_directory_untouched(
        self, repeated: LocalRun, refused: LocalRun
    ) -> None:
        assert refused.serving == repeated.serving
        assert refused.serving
        assert "not pushed" in refused.text
        assert f"{refused.work.serving_root} is as it was" in refused.text

    def test_takes_from_the_cache_what_training_does_not_change(self, refused: LocalRun) -> None:
        states = execution_states(refused)
        assert {name for name, state in states.items() if state == "CACHED"} == {
            "RadiographExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator",
            "DataGate", "Transform", "LabelAuditor",
        }  # fmt: skip
        assert "Tuner" not in states

    def test_imports_hyperparameters_when_tuning_is_off(self, refused: LocalRun) -> None:
        used = refused.summary["hyperparameters"]
        assert used["network"]["dropout"] == TUNED_DROPOUT
        assert (used["train"]["epochs"], used["train"]["max_steps_per_epoch"]) == (1, 1)
        assert execution_states(refused)["ImportHyperparameters"] == "COMPLETE"

    def test_is_compared_with_the_latest_blessed_model(
        self, pushed: LocalRun, refused: LocalRun
    ) -> None:
        assert evaluator_inputs(pushed).keys() == {"examples", "model", "schema"}
        inputs = evaluator_inputs(refused)
        assert inputs["baseline_model"] == str(pushed.uri("Trainer", "model"))
        assert inputs["model"] == str(refused.uri("Trainer", "model")) != inputs["baseline_model"]
        changes = {
            gate["slice"]: gate["value"]
            for gate in refused.summary["gates"]
            if gate["metric"] == "AUC change"
        }
        auc = refused.summary["metrics"]["overall"]["auc"]
        before = pushed.summary["metrics"]["overall"]["auc"]
        assert changes == {"overall": pytest.approx(auc - before, abs=1e-6)}

    def test_the_comparison_rests_on_all_films_where_the_splits_are_the_same(
        self, pushed: LocalRun, refused: LocalRun
    ) -> None:
        assert pushed.summary["comparison"] is None
        films = refused.summary["data"]["images"]["test"]
        why = f"compared with the last blessed model on {films} of {films} test films"
        assert refused.summary["comparison"]["fair"]
        assert why in refused.text


@pytest.mark.parametrize("floor", ["1.2", "-0.1", ".nan", "high"])
def test_a_floor_that_is_no_share_is_refused(pushed: LocalRun, floor: str) -> None:
    before = digests(pushed.work.path)
    run = run_local(pushed.work.path, *SMALL, *settings(evaluation__min_auc=floor))
    assert run.status == 2
    assert run.terminal.startswith("local_runner: evaluation.min_auc: ")
    assert len(run.terminal.splitlines()) == 1
    assert digests(pushed.work.path) == before


def evaluator_inputs(run: LocalRun) -> dict[str, str]:
    """Returns the folder of each artifact that the Evaluator of a run was given."""
    store = open_store(run)
    context = store.get_context_by_type_and_name("pipeline_run", run.latest)
    (execution,) = (
        execution
        for execution in store.get_executions_by_context(context.id)
        if execution.type.endswith("Evaluator")
    )
    inputs = {
        event.path.steps[0].key: event.artifact_id
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == event.INPUT
    }
    return {key: store.get_artifacts_by_id([number])[0].uri for key, number in inputs.items()}
