"""A run on this machine: TFX's LocalDagRunner with a name, a clock and an account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import logging
from rich.console import Console
from tfx import v1 as tfx
from tfx.orchestration.portable import runtime_parameter_utils

from pipeline.config import PipelineConfig
from pipeline.locations import WorkDirectory
from pipeline.pipeline import create_pipeline
from pipeline.progress import ComponentLines
from pipeline.report import show, write_report, write_slices
from pipeline.runs import Run, write_json
from pipeline.summary import Summary, summarise
from radiographs.phantoms import write_phantoms

_RUN_ID_PARAMETER = "pipeline-run-id"


class NamedDagRunner(tfx.orchestration.LocalDagRunner):
    """LocalDagRunner whose run has the id that it is told.

    Attributes:
        started: Whether components have begun; TFX's command line registers a
            pipeline by a call of `run` that starts nothing.
    """

    def __init__(self, run_id: str, prepare: Callable[[], object]):
        """Remembers the id, and what has to happen before the first component."""
        super().__init__()
        self.started = False
        self._run_id = run_id
        self._prepare = prepare

    def run_with_ir(self, pipeline: Any, run_options: Any = None) -> None:
        """Runs the compiled pipeline under the id."""
        self.started = True
        self._prepare()
        # Transform puts absl's level back to what its flag says, so the flag has to say it.
        logging.set_verbosity(logging.INFO)
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {_RUN_ID_PARAMETER: self._run_id}
        )
        super().run_with_ir(pipeline, run_options)


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
        lines: Listening to the components.

    Returns:
        What came of the run, or None if TFX's command line only registered it.
    """
    films = data_root or work.phantoms

    def prepare() -> None:
        if data_root is None:
            _draw_phantoms(config, work, console)

    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(work.metadata))
    runner = NamedDagRunner(run.run_id, prepare)
    runner.run(create_pipeline(config, work.locations(films), connection))
    if not runner.started:
        return None
    summary = summarise(work.metadata, run.run_id, config.evaluation, lines.seconds)
    write_json(run.summary_file, summary.to_json())
    write_slices(summary.slices, run.report_folder)
    page = write_report(summary, run.report_folder)
    show(summary, console, work.serving_root, page)
    return summary


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
