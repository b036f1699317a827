"""Runs the pipeline on this machine: flags, configuration, LocalDagRunner.

Exit status: 0 the model was pushed; 2 a flag or setting is wrong; 3 the data stopped
the run; 4 the model was not blessed and nothing was pushed; 1 anything else.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.config import NOTHING, ConfigError, PipelineConfig, accepting, load_config
from pipeline.effects import settings_without_effect
from pipeline.external_site import refuse_data_root
from pipeline.failures import Failure, explain, was_interrupted
from pipeline.flags import add_config_flags
from pipeline.locations import WorkDirectory
from pipeline.places import places_of
from pipeline.preflight import (
    check_data_root,
    check_engine,
    check_machine,
    check_named_paths,
    check_work,
)
from pipeline.progress import component_lines, quiet_terminal
from pipeline.runs import Run, only_run, open_run

EXIT_PUSHED, EXIT_FAILED, EXIT_USAGE, EXIT_DATA, EXIT_NOT_BLESSED = 0, 1, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the pipeline as the flags say and returns the exit status."""
    flags = _parse(arguments)
    work = WorkDirectory(flags.workdir.resolve())
    try:
        start = _start(flags.start_from)
        given = (_preset(flags), flags.config, flags.set)
        config = accepting(load_config(*given, start), flags.accept_data)
        notes = settings_without_effect(*given, flags.data_root is not None, start)
        check_machine(os.environ)
        check_work(work)
        check_data_root(flags.data_root, work)
        check_named_paths(config)
        check_engine(config.beam)
        refuse_data_root(
            config.evaluation.external_data_root, str(flags.data_root or work.phantoms)
        )
        with only_run(work):
            run = open_run(work, config)
            return _run(config, work, run, flags.data_root, flags.verbose, notes)
    except ConfigError as error:
        print(f"local_runner: {error}", file=sys.stderr)
        return EXIT_USAGE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="local_runner.py",
        description="Trains, evaluates and pushes a chest X-ray model. Research software, "
        "not a medical device.",
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        help="folder with NORMAL/ and PNEUMONIA/, or with manifest.csv; without it synthetic "
        "radiographs are drawn",
    )
    parser.add_argument(
        "--workdir", type=Path, default=Path("work"), help="everything a run writes (work)"
    )
    add_config_flags(parser, "standard, or demo without --data-root")
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="pushed model, or work directory of one, that is trained further on these films: its "
        "preparation, network and weights, and a gentle training; the gates stay",
    )
    parser.add_argument(
        "--accept-data",
        metavar="REASON",
        type=_reason,
        help="why films are used although they have drifted from those accepted before; leaks and "
        "a broken contract are never let pass",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show the libraries' logs and stack traces too"
    )
    return parser.parse_args(arguments)


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a reason is needed, which is kept with the run")
    return text.strip()


def _preset(flags: argparse.Namespace) -> str:
    return flags.preset or ("standard" if flags.data_root else "demo")


def _start(model: str | None) -> Mapping[str, Any]:
    """Returns the settings of a model to start from; none without one."""
    if model is None:
        return NOTHING
    from pipeline.start import settings_to_start_from  # late, as TensorFlow is

    return settings_to_start_from(model)


def _run(
    config: PipelineConfig,
    work: WorkDirectory,
    run: Run,
    data_root: Path | None,
    verbose: bool,
    notes: Sequence[str],
) -> int:
    with quiet_terminal(run.log_file, verbose) as console, component_lines(console) as lines:
        try:
            console.print(f"run {run.run_id}, log in {run.log_file}")
            for note in notes:
                logging.getLogger("pipeline.effects").warning(note)
            with lines.waiting("loading TFX"):
                # Late, so that --help and a wrong flag are answered before TFX is imported.
                from pipeline.local import execute
            summary = execute(config, work, run, data_root, console, lines)
        except (KeyboardInterrupt, Exception) as error:
            return _account_for(error, work, run, data_root, console, lines.running)
    if summary is None:  # registered by TFX's command line; nothing ran
        run.discard()
        return EXIT_PUSHED
    return EXIT_PUSHED if summary.pushed else EXIT_NOT_BLESSED


def _account_for(
    error: BaseException,
    work: WorkDirectory,
    run: Run,
    data_root: Path | None,
    console: Console,
    component: str,
) -> int:
    """Writes and says why a run stopped early, and returns the exit status."""
    durations, version = _finished(work, run)
    if version:
        console.print(f"before that, version {version} was pushed")
    if was_interrupted(error):
        reason = "stopped by Ctrl-C or SIGTERM"
        run.write_failure("interrupted", reason, durations, pushed_version=version)
        console.print("stopped; the same command goes on from what has finished")
        return EXIT_FAILED
    logging.getLogger(__name__).error("the run failed", exc_info=error)
    failure = explain(error, places_of(work.path), component)
    run.write_failure("failed", failure.sentence, durations, failure.files, version)
    console.print(f"local_runner: {failure.sentence}", markup=False)
    for name in failure.files:
        console.print(f"all of it: {run.folder / name}", markup=False)
    page = _failed_page(work, run, data_root, failure)
    if page is not None:
        console.print(f"report {page}", markup=False)
    return EXIT_DATA if failure.of_data else EXIT_FAILED


def _failed_page(
    work: WorkDirectory, run: Run, data_root: Path | None, failure: Failure
) -> Path | None:
    """Writes the page of a run that stopped early, where TFX could be loaded at all."""
    try:
        from pipeline.run_report import write_failed_page  # late, as TFX is
    except ImportError:
        return None
    root = str((data_root or work.phantoms).resolve())
    return write_failed_page(work, run, root, failure.sentence, failure.files)


def _finished(work: WorkDirectory, run: Run) -> tuple[dict[str, float], str]:
    """Returns what finished components took and what was pushed, as far as the store is read."""
    try:
        from pipeline import lineage  # late, as TFX is

        outputs = lineage.run_outputs(work.metadata, run.run_id)
        finished = lineage.finished_components(work.metadata, run.run_id)
        return lineage.durations(finished), lineage.pushed_version(outputs)
    except Exception:
        logging.getLogger(__name__).error("the metadata store cannot be read", exc_info=True)
        return {}, ""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is as Ctrl-C
    sys.exit(main())
