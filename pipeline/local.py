"""A run on this machine: TFX's LocalDagRunner with a name, a clock and an account."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from absl import logging
from ml_metadata.proto.metadata_store_pb2 import Artifact
from rich.console import Console
from tfx import v1 as tfx
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration.pipeline_pb2 import Pipeline

from components.label_auditor.files import FILMS_FILE
from components.radiograph_example_gen.report import IGNORED_FILE, QUARANTINE_FILE
from pipeline.config import PipelineConfig
from pipeline.lineage import finished_components, run_outputs
from pipeline.locations import PACKAGED_SCHEMA, WorkDirectory
from pipeline.pipeline import create_pipeline
from pipeline.progress import ComponentLines
from pipeline.report import show, write_slices
from pipeline.run_report import report_of, write_page
from pipeline.runs import Run, write_json, write_text
from pipeline.summary import Summary, summarise
from radiographs.phantoms import write_phantoms

# Output of a component, and its files that list films or what is none.
_LISTS = {
    "RadiographExampleGen": ("report", (QUARANTINE_FILE, IGNORED_FILE)),
    "LabelAuditor": ("label_audit", (FILMS_FILE,)),
}
_RUN_ID_PARAMETER = "pipeline-run-id"


class NamedDagRunner(tfx.orchestration.LocalDagRunner):
    """LocalDagRunner whose run has the id that it is told and whose components are watched.

    Attributes:
        started: Whether components have begun; TFX's command line registers a
            pipeline by a call of `run` that starts nothing.
    """

    def __init__(
        self,
        run_id: str,
        prepare: Callable[[], object],
        watch: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ):
        """Remembers what to do with a run.

        Args:
            run_id: Its name in the metadata store.
            prepare: Called before the first component.
            watch: Makes the context in which a component runs, of its id.
        """
        super().__init__()
        self.started = False
        self._run_id = run_id
        self._prepare = prepare
        self._watch = watch

    def run_with_ir(self, pipeline: Pipeline, run_options: Any = None) -> None:
        """Runs the components of the compiled pipeline one by one, under the id."""
        self.started = True
        self._prepare()
        # Transform puts absl's level back to what its flag says, so the flag has to say it.
        logging.set_verbosity(logging.INFO)
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {_RUN_ID_PARAMETER: self._run_id}
        )
        # TFX tells of a component in its log alone; a pipeline of one is watched from outside.
        for node in pipeline.nodes:
            alone = Pipeline()
            alone.CopyFrom(pipeline)
            del alone.nodes[:]
            alone.nodes.append(node)
            with self._watch(node.pipeline_node.node_info.id):
                super().run_with_ir(alone, run_options)


def execute(
    config: PipelineConfig,
    work: WorkDirectory,
    run: Run,
    data_root: Path | None,
    console: Console,
    lines: ComponentLines,
) -> Summary | None:
    """Runs all components in this process, then writes and shows the account.

    Args:
        config: Every setting.
        work: Where artifacts, metadata and the model go.
        run: The folder of this run.
        data_root: Films, or None for phantoms.
        console: Of the terminal.
        lines: Told of the components.

    Returns:
        What came of the run, or None if TFX's command line only registered it.
    """
    films = (data_root or work.phantoms).resolve()

    def prepare() -> None:
        _keep_schema(work)
        if data_root is None:
            _draw_phantoms(config, work, console)

    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(work.metadata))
    runner = NamedDagRunner(run.run_id, prepare, partial(_shown, lines, work, run))
    runner.run(create_pipeline(config, work.locations(films), connection))
    if not runner.started:
        return None
    _restore_pushed(run_outputs(work.metadata, run.run_id).get(("Pusher", "pushed_model")))
    report = report_of(work, run, str(films))
    summary = summarise(report, films)
    write_slices(summary.slices, run.report_folder)
    page = write_page(report, run.report_folder)
    write_json(run.summary_file, summary.to_json())  # last: where it is, all else is as well
    show(summary, console, work.serving_root, page)
    return summary


@contextmanager
def _shown(lines: ComponentLines, work: WorkDirectory, run: Run, component: str) -> Iterator[None]:
    """Shows a component while it runs, and how long the metadata store says that it took."""
    lines.start(component)
    yield
    finished = finished_components(work.metadata, run.run_id).get(component)
    if finished is None:  # TFX logs what is wrong with an input and goes on without the component
        raise RuntimeError("its inputs could not be resolved")
    if component in _LISTS:
        _keep_lists(work, run, component)
    lines.finish(finished.seconds, finished.cached)


def _draw_phantoms(config: PipelineConfig, work: WorkDirectory, console: Console) -> None:
    phantoms = config.phantoms
    console.print(f"no --data-root: {phantoms.films} synthetic radiographs stand in")
    write_phantoms(
        work.phantoms,
        films=phantoms.films,
        size_px=phantoms.size_px,
        seed=phantoms.seed,
        console=console,
    )


def _keep_schema(work: WorkDirectory) -> None:
    work.schema_file.parent.mkdir(parents=True, exist_ok=True)
    write_text(work.schema_file, PACKAGED_SCHEMA.read_text(encoding="utf-8"))


def _keep_lists(work: WorkDirectory, run: Run, component: str) -> None:
    """Copies lists of files to where a user looks, whatever stops the run later."""
    output, names = _LISTS[component]
    folder = Path(run_outputs(work.metadata, run.run_id)[component, output].uri)
    for name in names:
        shutil.copyfile(folder / name, run.folder / name)


def _restore_pushed(pushed_model: Artifact | None) -> None:
    """Puts a version back that the cache takes for pushed but somebody has removed."""
    if pushed_model is None or not pushed_model.custom_properties["pushed"].int_value:
        return
    destination = Path(pushed_model.custom_properties["pushed_destination"].string_value)
    if not destination.exists():
        beside = destination.with_name(f".{destination.name}")
        shutil.copytree(pushed_model.uri, beside, dirs_exist_ok=True)
        beside.rename(destination)
