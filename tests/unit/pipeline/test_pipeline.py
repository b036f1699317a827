"""The wiring, and what decides what the cache may serve."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from google.protobuf import json_format
from tfx import v1 as tfx
from tfx.utils import dependency_utils

from components.auditor import external
from models import source, training
from models.audit_settings import AuditFloors, AuditMeasures, AuditSettings
from models.source import source_fingerprint
from pipeline.accepted import LatestAcceptedStatistics
from pipeline.baseline import LatestOtherBlessedModel
from pipeline.beam import LOCAL_RUNNER, NO_IMAGE, beam_arguments
from pipeline.config import Beam, load_config
from pipeline.locations import WorkDirectory
from pipeline.pipeline import create_components
from tests.support import write_films

LOCATIONS = WorkDirectory(Path("work")).locations(Path("films"))


def components(*overrides: str) -> dict[str, Any]:
    config = load_config("standard", None, overrides)
    return {node.id: node for node in create_components(config, LOCATIONS, LatestOtherBlessedModel)}


def component_ids(*overrides: str, with_baseline: bool = True) -> list[str]:
    strategy = LatestOtherBlessedModel if with_baseline else None
    config = load_config("standard", None, overrides)
    return [node.id for node in create_components(config, LOCATIONS, strategy)]


class TestComponents:
    def test_tuner_runs_or_its_result_is_imported(self) -> None:
        assert "ImportHyperparameters" in component_ids()
        searching = component_ids("tuner.enabled=true")
        assert "Tuner" in searching
        assert "ImportHyperparameters" not in searching
        plain = component_ids("tuner.hyperparameters=")
        assert {"Tuner", "ImportHyperparameters"}.isdisjoint(plain)

    @pytest.mark.parametrize("task", ["binary", "subtype"])
    def test_shipped_hyperparameters_are_those_of_the_task(self, task: str) -> None:
        config = load_config("standard", None, [f"task={task}"])
        nodes = {node.id: node for node in create_components(config, LOCATIONS, None)}
        folder = Path(nodes["ImportHyperparameters"].exec_properties["artifact_uri"])
        assert folder.parts[-2:] == ("tuned", task)
        assert [file.name for file in folder.iterdir()] == ["best_hyperparameters.txt"]

    def test_baseline_may_be_left_out(self) -> None:
        assert "LatestBlessedModel" in component_ids()
        assert "LatestBlessedModel" not in component_ids(with_baseline=False)

    def test_data_is_compared_where_the_runner_finds_what_was_accepted(self) -> None:
        config = load_config()
        for strategy in (LatestAcceptedStatistics, None):
            nodes = {node.id: node for node in create_components(config, LOCATIONS, None, strategy)}
            given = {"previous_statistics", "accepted"} & set(nodes["DataGate"].inputs)
            assert len(given) == (2 if strategy else 0)
            assert ("LatestAcceptedStatistics" in nodes) is bool(strategy)

    def test_transform_is_told_of_age_sex_and_view_where_the_network_takes_them_alone(self) -> None:
        plain, told, other = (
            json.loads(components(*changes)["Transform"].exec_properties["custom_config"])
            for changes in ([], ["network.clinical=true"], ["network.clinical_dropout=0.5"])
        )
        assert set(plain) == {"preprocessing", "ingest", "source_fingerprint"}
        assert told == {**plain, "clinical": True}
        assert other == plain

    def test_transform_prepares_masks_where_they_are_learnt_from_alone(self) -> None:
        plain, learns, other = (
            json.loads(components(*changes)["Transform"].exec_properties["custom_config"])
            for changes in ([], ["network.segmentation=true"], ["train.segmentation_steps=7"])
        )
        assert learns == {**plain, "segmentation": True}
        assert other == plain

    def test_the_data_gate_asks_for_masks_where_they_are_learnt_from_alone(self) -> None:
        for changes, asks in (([], 0), (["network.segmentation=true"], 1)):
            assert components(*changes)["DataGate"].exec_properties["learns_lesions"] == asks

    def test_transform_waits_for_the_data_gate(self) -> None:
        nodes = {node.id: node for node in create_components(load_config(), LOCATIONS, None)}
        assert nodes["DataGate"] in nodes["Transform"].upstream_nodes


class TestAuditCache:
    """What the cache keys of measuring and judging hold."""

    def properties(self, *overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
        config = load_config("standard", None, overrides)
        nodes = {node.id: node for node in create_components(config, LOCATIONS, None)}
        return nodes["Auditor"].exec_properties, nodes["AuditGate"].exec_properties

    @pytest.mark.parametrize("floor", sorted(set(AuditFloors.model_fields) - {"gate_on"}))
    def test_a_floor_is_judged_anew_and_measured_never_again(self, floor: str) -> None:
        value: object = 30 if floor.startswith("min_slice") else 0.5
        value = "why" if floor == "accept_blind_test" else value
        site = "evaluation.external_data_root=gs://bucket/site"
        measured, judged = self.properties(site)
        same, changed = self.properties(site, f"evaluation.{floor}={value}")
        assert measured == same
        assert judged != changed

    def test_neither_does_the_way_of_judging_measure_anew(self) -> None:
        measured, judged = self.properties()
        same, changed = self.properties("evaluation.gate_on=lower_bound")
        assert (measured == same, judged == changed) == (True, False)

    def test_the_evaluators_own_gates_reach_neither(self) -> None:
        assert self.properties() == self.properties("evaluation.max_auc_drop=0.3")

    @pytest.mark.parametrize(
        "setting",
        [
            "bootstrap_samples=200", "shift_audit=false", "audit_films=50", "shortcut_audit=false",
            "control_epochs=2", "control_films=500", "external_data_root=gs://bucket/site",
        ],
    )  # fmt: skip
    def test_what_is_measured_is_measured_anew_where_it_changes(self, setting: str) -> None:
        any_margin = "evaluation.min_shortcut_margin=0"  # it goes with the audit
        measured, judged = self.properties(any_margin)
        changed, same = self.properties(any_margin, f"evaluation.{setting}")
        assert measured != changed
        assert judged == same

    def test_every_setting_is_measured_or_demanded(self) -> None:
        measures, floors = set(AuditMeasures.model_fields), set(AuditFloors.model_fields)
        assert not measures & floors
        assert measures | floors == set(AuditSettings.model_fields)

    def test_the_pusher_waits_for_the_gate(self) -> None:
        nodes = {node.id: node for node in create_components(load_config(), LOCATIONS, None)}
        assert nodes["Pusher"].inputs["model_blessing"].producer_component_id == "AuditGate"
        gate = nodes["AuditGate"].inputs
        assert gate["evaluator_blessing"].producer_component_id == "Evaluator"
        assert gate["audit"].producer_component_id == "Auditor"


class TestExplanations:
    def settings(self, *overrides: str) -> str:
        return components(*overrides)["ExplanationGen"].exec_properties["settings"]

    @pytest.mark.parametrize("setting", ["films=10", "size_px=128", "feature_maps=0"])
    def test_a_setting_explains_anew(self, setting: str) -> None:
        assert self.settings() == self.settings("evaluation.min_auc=0.5") != ""
        assert self.settings() != self.settings(f"explanations.{setting}")

    def test_the_pusher_does_not_wait_and_the_audit_is_no_input(self) -> None:
        nodes = components()
        assert nodes["ExplanationGen"] not in nodes["Pusher"].upstream_nodes
        assert nodes["Pusher"] in nodes["ExplanationGen"].upstream_nodes
        inputs = nodes["ExplanationGen"].inputs
        assert {one.producer_component_id for one in inputs.values()} == {
            "RadiographExampleGen", "Trainer",
        }  # fmt: skip


class TestLabelAudit:
    def properties(self, *overrides: str) -> dict[str, Any]:
        return dict(components(*overrides)["LabelAuditor"].exec_properties)

    @pytest.mark.parametrize(
        "setting",
        ["label_audit.enabled=false", "label_audit.folds=3", "label_audit.films_shown=5",
         "task=subtype"],
    )  # fmt: skip
    def test_a_setting_audits_anew(self, setting: str) -> None:
        assert self.properties() != self.properties(setting)

    def test_another_training_leaves_it_as_it_is(self) -> None:
        assert self.properties() == self.properties("train.epochs=3", "evaluation.min_auc=0.5")
        inputs = components()["LabelAuditor"].inputs
        assert {one.producer_component_id for one in inputs.values()} == {
            "RadiographExampleGen", "Transform",
        }  # fmt: skip

    def test_the_pusher_does_not_wait_and_the_report_does(self) -> None:
        nodes = components()
        assert nodes["Pusher"] in nodes["LabelAuditor"].upstream_nodes
        assert nodes["ReportGen"].inputs["label_audit"].producer_component_id == "LabelAuditor"


class TestSplits:
    def test_transform_learns_from_train_alone(self) -> None:
        properties = components()["Transform"].exec_properties
        splits = json_format.Parse(properties["splits_config"], tfx.proto.SplitsConfig())
        assert list(splits.analyze) == ["train"]
        assert list(splits.transform) == ["train", "eval"]

    @pytest.mark.parametrize("component", ["Tuner", "Trainer"])
    def test_what_trains_learns_from_train_and_is_judged_by_eval(self, component: str) -> None:
        properties = components("tuner.enabled=true")[component].exec_properties
        for name, split in (("train_args", "train"), ("eval_args", "eval")):
            assert json.loads(properties[name]) == {"splits": [split]}

    def test_the_evaluator_looks_at_test_alone(self) -> None:
        properties = components()["Evaluator"].exec_properties
        assert json.loads(properties["example_splits"]) == ["test"]


class TestCacheKeys:
    """What TFX's cache cannot see for itself has to be in a component's parameters."""

    @pytest.fixture(name="site")
    def write_site(self, tmp_path: Path) -> Path:
        """Films of another site."""
        for label in ("NORMAL", "PNEUMONIA"):
            write_films(tmp_path / "site", label, 2)
        return tmp_path / "site"

    def external_fingerprint(self, root: Path | str) -> str:
        nodes = components(f"evaluation.external_data_root={root}")
        return nodes["Auditor"].exec_properties["external_fingerprint"]

    def test_films_of_the_other_site(self, site: Path) -> None:
        before = self.external_fingerprint(site)
        assert before == external.fingerprint(str(site)) != ""
        write_films(site, "NORMAL", 3)
        assert self.external_fingerprint(site) == external.fingerprint(str(site)) != before

    def test_another_site_that_only_a_service_sees_has_none(self) -> None:
        assert self.external_fingerprint("gs://bucket/films") == ""
        assert self.external_fingerprint("") == ""

    def imported(self, component: str, *overrides: str) -> str:
        properties = components(*overrides)[component].exec_properties
        return json.loads(properties["custom_config"])[training.IMPORTED]

    def test_imported_hyperparameters(self, tmp_path: Path) -> None:
        file = tmp_path / "best_hyperparameters.txt"
        found = set()
        for content in ("one", "another"):
            file.write_text(content)
            digest = self.imported("Trainer", f"tuner.hyperparameters={tmp_path}")
            assert digest == source.digest([file])
            found.add(digest)
        assert len(found) == 2

    @pytest.mark.parametrize("component", ["Tuner", "Trainer"])
    def test_imported_weights(self, tmp_path: Path, component: str) -> None:
        file = tmp_path / "model.weights.h5"
        found = set()
        for content in ("one", "another"):
            file.write_text(content)
            digest = self.imported(component, f"network.weights={file}", "tuner.enabled=true")
            assert digest == source.digest([file])
            found.add(digest)
        assert len(found) == 2

    def test_own_weights_by_which_an_audit_alone_finds_lungs(self, tmp_path: Path) -> None:
        file = tmp_path / "lungs.npz"
        given = f"preprocessing.lung_fields_weights={file}"
        found = set()
        for content in ("one", "another"):
            file.write_text(content)
            auditor, crops = (
                components(given, f"preprocessing.lungs={lungs}")["Auditor"].exec_properties
                for lungs in ("none", "crop")
            )
            assert auditor["source_fingerprint"].endswith(source.digest([file]))
            assert crops["source_fingerprint"] == source.source_fingerprint()  # as of its films
            found.add(auditor["source_fingerprint"])
        assert len(found) == 2

    def test_statistics_of_what_was_served(self, tmp_path: Path) -> None:
        file = tmp_path / "served.pb"
        found = set()
        for content in ("one", "another"):
            file.write_text(content)
            given = components(f"data_gate.serving_statistics={file}")
            found.add(given["DataGate"].exec_properties["source_fingerprint"])
            (tail,) = [one[-16:] for one in found if source.digest([file]) in one]
            assert tail == source.digest([file])
        assert len(found) == 2

    @pytest.mark.parametrize("address", ["gs://bucket/served.pb", "/mounted/served.pb"])
    def test_statistics_that_cannot_be_seen_from_here_are_read_each_time(
        self, address: str
    ) -> None:
        first, second = (
            components(f"data_gate.serving_statistics={address}")["DataGate"].exec_properties
            for _ in range(2)
        )
        assert first["source_fingerprint"] != second["source_fingerprint"]
        unset = [components()["DataGate"].exec_properties for _ in range(2)]
        assert unset[0] == unset[1]

    def test_a_reason_is_no_reason_to_read_the_films_again(self) -> None:
        plain, reasoned = components(), components("data_gate.accept_drift=new scanner")
        assert plain["DataGate"].exec_properties != reasoned["DataGate"].exec_properties
        for component in ("RadiographExampleGen", "StatisticsGen", "Transform", "Trainer"):
            assert plain[component].exec_properties == reasoned[component].exec_properties

    def test_the_ingest_runs_again_for_what_judges_films_alone(self) -> None:
        def judging(*overrides: str) -> str:
            properties = components(*overrides)["RadiographExampleGen"].exec_properties
            return properties["judging"]

        none = judging("preprocessing.lungs=none")
        assert none == judging(
            "preprocessing.lungs=none", "preprocessing.image_size_px=224",
            "preprocessing.contrast=clahe",
        )  # fmt: skip
        crop = judging("preprocessing.lungs=crop")
        assert crop == judging("preprocessing.lungs=crop", "preprocessing.contrast=clahe")
        assert len({none, crop, judging("preprocessing.lungs=mask")}) == 3

    def test_a_digest_is_of_content_alone_and_of_all_files(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.write_text("1")
        other.write_text("2")
        # `printf 12 | sha256sum`
        assert source.digest([other, one]) == source.digest([one, other]) == "6b51d431df5d7f14"
        assert source.digest([one]) != source.digest([other])

    @pytest.mark.parametrize(
        ("component", "key"),
        [
            ("RadiographExampleGen", "source_fingerprint"),
            ("DataGate", "source_fingerprint"),
            ("ModelValidator", "source_fingerprint"),
            ("Auditor", "source_fingerprint"),
            ("ExplanationGen", "source_fingerprint"),
            ("LabelAuditor", "source_fingerprint"),
            ("Transform", "custom_config"),
            ("Tuner", "custom_config"),
            ("Trainer", "custom_config"),
            ("Evaluator", "eval_config"),
        ],
    )
    def test_code_that_a_component_runs(self, component: str, key: str) -> None:
        value = components("tuner.enabled=true")[component].exec_properties[key]
        assert source_fingerprint() in value


class TestFingerprint:
    @pytest.fixture(name="code")
    def make_code(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A tree of code in place of ours."""
        for package in ("components", "metrics", "models", "pipeline", "radiographs"):
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text("")
        monkeypatch.setattr(source, "__file__", str(tmp_path / "models" / "source.py"))
        return tmp_path

    def test_stays_while_the_code_does(self, code: Path) -> None:
        before = source_fingerprint()
        (code / "models" / "notes.txt").write_text("not code")
        assert source_fingerprint() == before

    def test_moves_with_shipped_weights(self, code: Path) -> None:
        before = source_fingerprint()
        (code / "models" / "lungs.npz").write_bytes(b"weights")
        assert source_fingerprint() != before

    @pytest.mark.parametrize("package", ["components", "metrics", "models", "radiographs"])
    def test_moves_with_the_code_that_components_run(self, code: Path, package: str) -> None:
        before = source_fingerprint()
        (code / package / "part.py").write_text("x = 1")
        assert source_fingerprint() != before


class TestBeamArguments:
    def test_one_worker_is_the_runner_alone(self) -> None:
        assert beam_arguments(Beam()) == [f"--runner={LOCAL_RUNNER}", NO_IMAGE]

    @pytest.mark.parametrize("settings", [Beam(), Beam(workers=2)])
    def test_tfx_packs_nothing_for_workers_of_this_machine(
        self, settings: Beam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        arguments = beam_arguments(settings)
        assert dependency_utils.make_beam_dependency_flags(arguments) == arguments
        assert list(tmp_path.iterdir()) == []

    # What each engine has to be told, by the names of Beam's own options.
    ENGINES = (
        (
            {
                "engine": "prism", "address": "host:8073", "worker_pool": "pool:50000",
                "workers": 2,
            },
            {
                "runner": "PortableRunner", "job_endpoint": "host:8073",
                "job_server_timeout": 604800, "environment_type": "EXTERNAL",
                "environment_config": "pool:50000", "sdk_worker_parallelism": "2",
            },
        ),
        (
            {"engine": "flink", "address": "host:8081", "image": "r/cxr:1", "workers": 8},
            {
                "runner": "FlinkRunner", "flink_master": "host:8081", "parallelism": 8,
                "environment_type": "DOCKER", "sdk_container_image": "r/cxr:1",
            },
        ),
        (
            {"engine": "spark", "address": "spark://host:7077", "worker_pool": "pool:50000"},
            {
                "runner": "SparkRunner", "spark_master_url": "spark://host:7077",
                "environment_type": "EXTERNAL", "environment_config": "pool:50000",
            },
        ),
        (
            {
                "engine": "dataflow", "image": "r/cxr:1", "workers": 20,
                "extra_args": ("--project=p", "--region=r", "--temp_location=gs://b/t"),
            },
            {
                "runner": "DataflowRunner", "max_num_workers": 20, "project": "p", "region": "r",
                "temp_location": "gs://b/t", "sdk_container_image": "r/cxr:1",
            },
        ),
    )  # fmt: skip

    @pytest.mark.parametrize(("settings", "expected"), ENGINES)
    def test_beam_itself_understands_what_an_engine_is_told(
        self, settings: dict[str, Any], expected: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        arguments = beam_arguments(Beam(**settings))
        parsed = PipelineOptions(arguments).get_all_options()
        assert "unparseable" not in caplog.text
        assert {name: parsed[name] for name in expected} == expected
        assert dependency_utils.make_beam_dependency_flags(arguments) == arguments

    @pytest.mark.parametrize(
        ("settings", "needed"),
        [
            ({"engine": "prism"}, "beam.address"),
            ({"engine": "prism", "address": "h:1"}, "beam.worker_pool or beam.image"),
            ({"engine": "flink", "address": "h:1"}, "beam.worker_pool or beam.image"),
            ({"engine": "spark", "image": "i"}, "beam.address"),
            ({"engine": "dataflow"}, "beam.image"),
            (
                {"engine": "dataflow", "image": "i", "extra_args": ("--project=p",)},
                "--project, --region, --temp_location in beam.extra_args",
            ),
        ],
    )
    def test_an_engine_that_lacks_something_is_refused(
        self, settings: dict[str, Any], needed: str
    ) -> None:
        with pytest.raises(ValueError, match=f"beam.engine={settings['engine']} needs {needed}"):
            Beam(**settings)

    def test_workers_are_processes_and_further_arguments_come_last(self) -> None:
        settings = Beam(workers=3, extra_args=("--runner=FlinkRunner",))
        assert beam_arguments(settings)[1:] == [
            "--direct_running_mode=multi_processing",
            "--direct_num_workers=3",
            "--runner=FlinkRunner",
        ]
