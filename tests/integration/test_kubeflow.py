"""The compiled files: what the services require of them, and tasks played from them.

`play` stands in for a service: it gives the containers of a compiled file the messages that
Kubeflow Pipelines and Vertex AI would, with `ram://` in place of the buckets.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import yaml
from google.protobuf import json_format
from kfp import components as kfp_components
from kfp.pipeline_spec import pipeline_spec_pb2 as pb
from rich.console import Console
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as container
from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver
from tfx.types import Artifact
from tfx.types.artifact import CUSTOM_PROPERTIES_PREFIX

import kubeflow_runner
from models import features
from models.source import source_fingerprint
from models.training import HYPERPARAMETERS
from pipeline import kubeflow
from pipeline.config import load_config
from pipeline.kubeflow import IMAGE_SCHEMA_FILE
from radiographs.phantoms import write_phantoms
from tests.ram import object_store, upload
from tests.support import shipped_hyperparameters, write_films

ROOT = Path(__file__).parents[2]
IMAGE = "images.example/cxr:1"
PIPELINE_ROOT, DATA_ROOT = "gs://bucket/runs", "gs://bucket/films"
FILMS = 40
FLAGS = {
    "--target": "kfp",
    "--image": IMAGE,
    "--pipeline-root": f"{PIPELINE_ROOT}/",
    "--data-root": DATA_ROOT,
}
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/*-])/(?:[\w.-]+/)*[\w.-]+")

TASKS = {
    "RadiographExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator", "DataGate",
    "Transform", "Trainer", "Evaluator", "Auditor", "AuditGate", "ModelValidator", "Pusher",
    "ExplanationGen", "LabelAuditor", "ReportGen",
}  # fmt: skip
RESOLVERS = {
    "LatestBlessedModel-model-blessing-resolver",
    "LatestBlessedModel-model-resolver",
}

Artifacts = dict[tuple[str, str], pb.RuntimeArtifact]


def run(output: Path, *further: str, **flags: str) -> int:
    changed = {f"--{name.replace('_', '-')}": value for name, value in flags.items()}
    named = [part for flag in (FLAGS | changed).items() for part in flag]
    return kubeflow_runner.main([*named, "--output", str(output), *further])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("compiled")
    outputs = {"kfp": folder / "kfp.yaml", "vertex": folder / "new" / "vertex.json"}
    for target, output in outputs.items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            assert run(output, target=target) == 0
        assert said.getvalue() == f"wrote {output}\n"
        assert [path.name for path in output.parent.glob("*.partial")] == []
    return outputs


def parse(target: str, text: str) -> pb.PipelineSpec:
    content = yaml.safe_load(text)
    spec = content if target == "kfp" else content["pipelineSpec"]
    return json_format.ParseDict(spec, pb.PipelineSpec())


@pytest.fixture(scope="module")
def specs(files: dict[str, Path]) -> dict[str, pb.PipelineSpec]:
    return {target: parse(target, file.read_text()) for target, file in files.items()}


@pytest.fixture(params=["kfp", "vertex"])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def spec(specs: dict[str, pb.PipelineSpec], target: str) -> pb.PipelineSpec:
    return specs[target]


def executors(spec: pb.PipelineSpec) -> dict[str, Any]:
    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec), pb.PipelineDeploymentConfig()
    )
    return dict(deployment.executors)


def executor_of(spec: pb.PipelineSpec, task: str) -> Any:
    component = spec.components[spec.root.dag.tasks[task].component_ref.name]
    return executors(spec)[component.executor_label]


def constant(spec: pb.PipelineSpec, task: str, parameter: str) -> str:
    value = spec.root.dag.tasks[task].inputs.parameters[parameter].runtime_value
    return value.constant.string_value or value.constant_value.string_value


def after(spec: pb.PipelineSpec, task: str) -> set[str]:
    """Returns every task that a task waits for, directly or not."""
    direct = set(spec.root.dag.tasks[task].dependent_tasks)
    return direct.union(*(after(spec, name) for name in direct))


def compiled(target: kubeflow.Target, *overrides: str) -> pb.PipelineSpec:
    config = load_config(overrides=overrides)
    text = kubeflow.compile_pipeline(config, target, IMAGE, PIPELINE_ROOT, DATA_ROOT)
    return parse(target, text)


# What PLATFORM and the services ask for.


def test_schema_versions(specs: dict[str, pb.PipelineSpec]) -> None:
    versions = {target: spec.schema_version for target, spec in specs.items()}
    assert versions == {"kfp": "2.1.0", "vertex": "2.0.0"}


def test_artifacts_go_below_the_pipeline_root(
    files: dict[str, Path], specs: dict[str, pb.PipelineSpec]
) -> None:
    job = json_format.ParseDict(json.loads(files["vertex"].read_text()), pb.PipelineJob())
    assert job.runtime_config.gcs_output_directory == PIPELINE_ROOT
    assert specs["kfp"].default_pipeline_root == PIPELINE_ROOT


def test_the_service_accepts_the_name(spec: pb.PipelineSpec) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", spec.pipeline_info.name)


def test_the_sdk_of_kubeflow_pipelines_loads_the_file(files: dict[str, Path]) -> None:
    component = kfp_components.load_component_from_file(str(files["kfp"]))
    assert set(component.pipeline_spec.root.dag.tasks) == TASKS


def test_tasks(specs: dict[str, pb.PipelineSpec]) -> None:
    assert set(specs["kfp"].root.dag.tasks) == TASKS
    assert set(specs["vertex"].root.dag.tasks) == TASKS | RESOLVERS


def test_only_vertex_has_resolvers(specs: dict[str, pb.PipelineSpec]) -> None:
    kinds = {
        target: [executor.WhichOneof("spec") for executor in executors(spec).values()]
        for target, spec in specs.items()
    }
    assert set(kinds["kfp"]) == {"container"}
    assert kinds["vertex"].count("resolver") == len(RESOLVERS)
    assert "baseline_model" not in specs["kfp"].root.dag.tasks["Evaluator"].inputs.artifacts
    baseline = specs["vertex"].root.dag.tasks["Evaluator"].inputs.artifacts["baseline_model"]
    assert baseline.task_output_artifact.producer_task in RESOLVERS


def test_every_task_has_a_component_and_every_component_an_executor(spec: pb.PipelineSpec) -> None:
    used = {task.component_ref.name for task in spec.root.dag.tasks.values()}
    assert used == set(spec.components)
    labels = {component.executor_label for component in spec.components.values()}
    assert labels == set(executors(spec))


def test_every_input_comes_from_a_task_that_makes_it(spec: pb.PipelineSpec) -> None:
    for name, task in spec.root.dag.tasks.items():
        for artifact in task.inputs.artifacts.values():
            source = artifact.task_output_artifact
            producer = spec.root.dag.tasks[source.producer_task].component_ref.name
            outputs = spec.components[producer].output_definitions.artifacts
            assert source.output_artifact_key in outputs
            assert source.producer_task in after(spec, name) or name in RESOLVERS


def test_no_path_of_this_machine(files: dict[str, Path], target: str) -> None:
    text = files[target].read_text()
    assert str(ROOT) not in text
    assert "site-packages" not in text
    assert set(ABSOLUTE_PATH.findall(text)) == {IMAGE_SCHEMA_FILE}


def test_the_image_holds_the_schema_where_the_file_says() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    folder = re.search(r"^WORKDIR (\S+)$", dockerfile, re.MULTILINE)
    assert folder is not None
    assert re.search(r"^COPY schema/ schema/$", dockerfile, re.MULTILINE)
    inside = Path(IMAGE_SCHEMA_FILE).relative_to(folder[1])
    assert (ROOT / inside).is_file()


def test_every_container_is_the_image_and_starts_a_class_that_exists(spec: pb.PipelineSpec) -> None:
    for executor in executors(spec).values():
        if executor.WhichOneof("spec") != "container":
            continue
        assert executor.container.image == IMAGE
        assert list(executor.container.command) == ["python", "-m", container.__name__]
        arguments = list(executor.container.args)
        path = arguments[arguments.index("--executor_class_path") + 1]
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name).Do)


def test_functions_that_components_call_exist(spec: pb.PipelineSpec) -> None:
    for task, parameter in (("Transform", "preprocessing_fn"), ("Trainer", "run_fn")):
        module, _, name = constant(spec, task, parameter).rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
    assert importlib.import_module(constant(spec, "Evaluator", "module_path"))


# What the pipeline wants of the services.


def test_data_is_judged_before_anything_is_made_of_it(spec: pb.PipelineSpec) -> None:
    assert "DataGate" in spec.root.dag.tasks["Transform"].dependent_tasks
    assert "DataGate" in after(spec, "Trainer")
    assert {"Evaluator", "Auditor", "AuditGate", "ModelValidator"} <= after(spec, "Pusher")


def test_no_push_waits_for_pictures(spec: pb.PipelineSpec) -> None:
    assert "ExplanationGen" not in after(spec, "Pusher")
    assert "Pusher" in after(spec, "ExplanationGen")


def test_films_come_from_the_data_root(spec: pb.PipelineSpec) -> None:
    assert constant(spec, "RadiographExampleGen", "input_base") == DATA_ROOT


def test_models_and_checkpoints_go_below_the_pipeline_root(spec: pb.PipelineSpec) -> None:
    destination = json.loads(constant(spec, "Pusher", "push_destination"))
    pushed = destination["filesystem"]["base_directory"]
    assert pushed == f"{PIPELINE_ROOT}/serving_model/{features.MODEL_NAME}"
    training = json.loads(constant(spec, "Trainer", "custom_config"))
    assert training["checkpoint_root"].startswith(f"{PIPELINE_ROOT}/")


def test_the_code_is_part_of_the_cache_key(spec: pb.PipelineSpec) -> None:
    for task in ("Transform", "Trainer"):
        config = json.loads(constant(spec, task, "custom_config"))
        assert config["source_fingerprint"] == source_fingerprint()
    for task in ("DataGate", "ModelValidator", "ExplanationGen", "LabelAuditor"):
        assert constant(spec, task, "source_fingerprint") == source_fingerprint()
    # Here the keys of pseudonyms are part of it as well.
    ingest = constant(spec, "RadiographExampleGen", "source_fingerprint")
    assert ingest.startswith(source_fingerprint())


def test_films_are_always_read_anew_and_the_rest_is_cached(spec: pb.PipelineSpec) -> None:
    tasks = spec.root.dag.tasks.items()
    cached = {name for name, task in tasks if task.caching_options.enable_cache}
    assert cached == TASKS - {"RadiographExampleGen"}


def test_artifact_types_of_our_own_are_found_by_their_names(spec: pb.PipelineSpec) -> None:
    for task, key, name in (
        ("RadiographExampleGen", "report", "components.IngestReport"),
        ("DataGate", "report", "components.DataGateReport"),
        ("ExplanationGen", "explanations", "components.FilmExplanations"),
        ("LabelAuditor", "label_audit", "components.FilmLabelAudit"),
    ):
        output = spec.components[task].output_definitions.artifacts[key]
        schema = yaml.safe_load(output.artifact_type.instance_schema)
        assert schema["title"] == name
        module, _, title = name.rpartition(".")
        found = getattr(importlib.import_module(module), title)
        assert issubclass(found, Artifact)


# Where hyperparameters come from.


def test_shipped_hyperparameters_travel_inside_the_file(
    spec: pb.PipelineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "hyperparameters" not in spec.root.dag.tasks["Trainer"].inputs.artifacts
    # Other values than the defaults, so that it shows where the file's come from.
    values = {"network.width": 24, "train.learning_rate": 0.00125}
    (tmp_path / "binary").mkdir()
    file = tmp_path / "binary" / "best_hyperparameters.txt"
    file.write_text(json.dumps({"values": values}))
    monkeypatch.setattr("pipeline.config.SHIPPED_FOLDER", tmp_path)
    config = json.loads(constant(compiled("kfp"), "Trainer", "custom_config"))
    settings = json.loads(config[HYPERPARAMETERS])
    assert (settings["network"]["width"], settings["train"]["learning_rate"]) == (24, 0.00125)


@pytest.mark.parametrize("task", ["binary", "subtype"])
def test_what_is_shipped_is_what_the_trainer_is_told(task: str) -> None:
    config = json.loads(constant(compiled("kfp", f"task={task}"), "Trainer", "custom_config"))
    told = json.loads(config[HYPERPARAMETERS])
    for name, value in shipped_hyperparameters(task)["values"].items():
        part, setting = name.split(".")
        assert told[part][setting] == value


def test_a_search_is_a_task_before_the_trainer(target: kubeflow.Target) -> None:
    spec = compiled(target, "tuner.enabled=true")
    hyperparameters = spec.root.dag.tasks["Trainer"].inputs.artifacts["hyperparameters"]
    assert hyperparameters.task_output_artifact.producer_task == "Tuner"
    assert constant(spec, "Tuner", "tuner_fn") == "models.tuning.tuner_fn"
    told = json.loads(json.loads(constant(spec, "Tuner", "custom_config"))[HYPERPARAMETERS])
    shipped = shipped_hyperparameters("binary")["values"]
    assert told["train"]["learning_rate"] == shipped["train.learning_rate"]


def test_hyperparameters_of_an_earlier_search_are_imported(target: kubeflow.Target) -> None:
    uri = "gs://bucket/best"
    spec = compiled(target, f"tuner.hyperparameters={uri}")
    hyperparameters = spec.root.dag.tasks["Trainer"].inputs.artifacts["hyperparameters"]
    source = hyperparameters.task_output_artifact.producer_task
    artifact_uri = executor_of(spec, source).importer.artifact_uri
    assert uri in (artifact_uri.constant.string_value, artifact_uri.constant_value.string_value)


# Tasks played as a service would.


def played_spec(target: str, file: Path, films: str) -> pb.PipelineSpec:
    schema = ROOT / "schema" / "schema.pbtxt"
    text = file.read_text().replace(DATA_ROOT, films).replace(IMAGE_SCHEMA_FILE, str(schema))
    return parse(target, text)


def executor_input(
    spec: pb.PipelineSpec, task: str, known: Artifacts, folder: str
) -> pb.ExecutorInput:
    message = pb.ExecutorInput()
    inputs = spec.root.dag.tasks[task].inputs
    for name, parameter in inputs.parameters.items():
        value = parameter.runtime_value
        if value.HasField("constant"):
            message.inputs.parameter_values[name].CopyFrom(value.constant)
        else:
            message.inputs.parameters[name].CopyFrom(value.constant_value)
    for name, artifact in inputs.artifacts.items():
        source = artifact.task_output_artifact
        found = known[source.producer_task, source.output_artifact_key]
        message.inputs.artifacts[name].artifacts.append(found)
    for name, output in spec.components[task].output_definitions.artifacts.items():
        uri = f"{folder}/{task}/{name}"
        message.outputs.artifacts[name].artifacts.add(uri=uri, type=output.artifact_type)
    message.outputs.output_file = f"{folder}/{task}/executor_output.json"
    return message


def filled_in(arguments: Iterable[str], message: pb.ExecutorInput) -> list[str]:
    text = json_format.MessageToJson(message)
    return ["program", *(argument.replace("{{$}}", text) for argument in arguments)]


def play(spec: pb.PipelineSpec, task: str, known: Artifacts, folder: str) -> None:
    """Runs the container of a task in this process and adds its outputs to the known ones."""
    message = executor_input(spec, task, known, folder)
    arguments = filled_in(executor_of(spec, task).container.args, message)
    container.main(container._parse_flags(arguments))
    written = read_text(message.outputs.output_file)
    output = json_format.Parse(written, pb.ExecutorOutput())
    for name, artifacts in output.artifacts.items():
        artifact = message.outputs.artifacts[name].artifacts[0]
        artifact.metadata.CopyFrom(artifacts.artifacts[0].metadata)
        artifact.name = str(len(known) + 1)  # the service's number, known only afterwards
        known[task, name] = artifact


def read_text(uri: str) -> str:
    with tf.io.gfile.GFile(uri) as file:
        return file.read()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data") / "films"
    console = Console(file=io.StringIO())
    drawn = write_phantoms(folder, films=FILMS, size_px=64, workers=1, console=console)
    return upload(drawn, "ram://kubeflow/films")


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder of the test's own, from which nothing leads to this machine."""
    with object_store():
        yield f"ram://kubeflow/{request.node.name}"


def films_in(examples: str, split: str) -> int:
    files = tf.io.gfile.glob(f"{examples}/Split-{split}/*.gz")
    return sum(1 for _ in tf.data.TFRecordDataset(files, compression_type="GZIP"))


def test_kubeflow_pipelines_ingests_and_judges_the_data(
    files: dict[str, Path], films: str, bucket: str
) -> None:
    spec = played_spec("kfp", files["kfp"], films)
    known: Artifacts = {}
    for task in ("RadiographExampleGen", "ImportSchemaGen", "StatisticsGen", "DataGate"):
        play(spec, task, known, bucket)

    examples = known["RadiographExampleGen", "examples"]
    assert json.loads(examples.metadata["split_names"]) == list(features.SPLITS)
    counted = {split: films_in(examples.uri, split) for split in features.SPLITS}
    assert sum(counted.values()) == FILMS
    report = read_text(f"{known['RadiographExampleGen', 'report'].uri}/ingest.json")
    assert json.loads(report)["images"] == counted
    assert json.loads(read_text(f"{known['DataGate', 'report'].uri}/anomalies.json")) == []
    drift = json.loads(read_text(f"{known['DataGate', 'report'].uri}/drift.json"))
    assert drift["notes"] == ["this runner does not find the data accepted before"]
    assert drift["distances"] == []


def test_vertex_ingests_a_folder_of_folders_behind_its_own_driver(
    files: dict[str, Path], films: str, bucket: str
) -> None:
    spec = played_spec("vertex", files["vertex"], films)
    hook = executor_of(spec, "RadiographExampleGen").container.lifecycle.pre_cache_check
    assert list(hook.command) == ["python", "-m", driver.__name__]
    message = executor_input(spec, "RadiographExampleGen", {}, f"{bucket}/driver")
    driver.main(driver._parse_flags(filled_in(hook.args, message)))
    driven = json.loads(read_text(message.outputs.output_file))
    assert driven["parameterValues"]["span"] == 0

    known: Artifacts = {}
    play(spec, "RadiographExampleGen", known, bucket)
    examples = known["RadiographExampleGen", "examples"].uri
    assert sum(films_in(examples, split) for split in features.SPLITS) == FILMS


def test_a_window_of_spans_with_sites_is_ingested(bucket: str, tmp_path: Path) -> None:
    for number in (1, 2):
        for place, site in enumerate(("city", "coast")):
            for kind, label in enumerate(features.LABELS):
                folder = tmp_path / "films" / f"span-{number}" / site
                write_films(folder, label, 8, first_seed=1000 * number + 500 * place + 100 * kind)
    settings = ("data.layout=sites", "data.spans=last:1", "preprocessing.lungs=none")
    config = load_config(overrides=settings)
    file = tmp_path / "compiled"
    file.write_text(kubeflow.compile_pipeline(config, "vertex", IMAGE, PIPELINE_ROOT, DATA_ROOT))
    spec = played_spec("vertex", file, upload(tmp_path / "films", f"{bucket}/films"))
    known: Artifacts = {}
    play(spec, "RadiographExampleGen", known, bucket)
    told = known["RadiographExampleGen", "examples"].metadata
    assert (told[f"{CUSTOM_PROPERTIES_PREFIX}span"], told["spans"]) == (2, "2")
    report = json.loads(read_text(f"{known['RadiographExampleGen', 'report'].uri}/ingest.json"))
    assert {site: sum(counts.values()) for site, counts in report["sites"].items()} == {
        "city": 16, "coast": 16,
    }  # fmt: skip


# Flags.


@pytest.mark.parametrize(
    ("flags", "further", "sentence"),
    [
        ({"pipeline_root": "runs"}, [], "--pipeline-root 'runs' means nothing inside a container"),
        ({"data_root": "../films"}, [], "--data-root '../films' means nothing inside a container"),
        ({"pipeline_root": "gs://bucket/r[1]"}, [], "--pipeline-root gs://bucket/r[1] has a '['"),
        (
            {"target": "vertex", "data_root": "gs://bucket/f*"},
            [],
            "--data-root gs://bucket/f* has a '*' in its name",
        ),
        ({"image": " "}, [], "--image is empty"),
        ({}, ["--set", "train.epoch=3"], "there is no setting 'train.epoch'"),
        ({}, ["--set", "evaluation.min_auc=2"], "evaluation.min_auc"),
        ({}, ["--set", "tuner.hyperparameters=best"], "tuner.hyperparameters 'best' means nothing"),
        ({}, ["--set", "data_gate.serving_statistics=s.pb"], "s.pb' means nothing inside"),
        ({}, ["--config", "no/such.yaml"], "no/such.yaml cannot be read"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_no_file(
    flags: dict[str, str],
    further: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(tmp_path / "out.yaml", *further, **flags) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("kubeflow_runner: ") and sentence in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_keras_that_is_set_otherwise_is_named_before_compiling(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert run(tmp_path / "out.yaml") == 2
    assert "kubeflow_runner: KERAS_BACKEND is 'jax'" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"--target": "k8s"}, {"--preset": "fast"}])
def test_a_wrong_choice_lists_the_right_ones(
    wrong: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [part for flag in (FLAGS | wrong).items() for part in flag]
    with pytest.raises(SystemExit, match="2"):
        kubeflow_runner.main([*named, "--output", str(tmp_path / "out.yaml")])
    allowed = {"--target": "kfp, vertex", "--preset": "demo, standard"}
    (flag,) = wrong
    # Newer Pythons leave the quotes out.
    assert allowed[flag] in capsys.readouterr().err.replace("'", "")


@pytest.mark.parametrize("output", ["a_file/out.yaml", "a_folder"])
def test_an_output_that_cannot_be_written_is_said_before_compiling(
    output: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "a_file").write_text("kept")
    (tmp_path / "a_folder").mkdir()
    monkeypatch.setattr(kubeflow, "compile_pipeline", pytest.fail)
    assert run(tmp_path / output) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / output) in said and said.count("\n") == 1
    assert (tmp_path / "a_file").read_text() == "kept"


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    output = tmp_path / "out.yaml"
    output.write_text("old")
    monkeypatch.setattr(kubeflow, "compile_pipeline", lambda *_: "new")
    monkeypatch.setattr(kubeflow_runner.os, "replace", full)
    assert run(output) == 2
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["out.yaml"]
    assert output.read_text() == "old"


def test_an_old_file_is_replaced_only_by_a_whole_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ValueError("of the compiler")

    output = tmp_path / "out.yaml"
    output.write_text("old")
    monkeypatch.setattr(kubeflow, "compile_pipeline", fail)
    with pytest.raises(ValueError, match="of the compiler"):
        run(output)
    assert output.read_text() == "old"
    monkeypatch.setattr(kubeflow, "compile_pipeline", lambda *_: "new")
    assert run(output) == 0
    assert output.read_text() == "new"
    assert list(tmp_path.iterdir()) == [output]


def test_help_answers_without_tfx() -> None:
    script = (
        "import atexit, sys, kubeflow_runner\n"
        "atexit.register(lambda: print(sorted({'tfx', 'tensorflow', 'kfp'} & set(sys.modules))))\n"
        "kubeflow_runner.main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--pipeline-root" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
