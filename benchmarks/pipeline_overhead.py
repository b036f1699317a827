"""What the pipeline costs beyond training: its time and memory against a bare Keras script.

Both run as processes of their own, one after the other, with the same settings over the
same films in the same splits. README.md beside this file says what is compared and how.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.comparison import Comparison, Work, describe_machine, pipeline_parts, whole
from benchmarks.processes import Measured, Span, run_measured
from pipeline.config import PRESETS, ConfigError, load_config
from pipeline.lineage import finished_components, run_outputs
from pipeline.locations import WorkDirectory
from pipeline.runs import SUMMARY_FILE, write_json

ROOT = Path(__file__).parents[1]

# Both sides have to do the same work: run all epochs, without what the bare script has not.
FIXED_SETTINGS = (
    "task=binary",
    "train.early_stopping_patience=1000",
    *(f"train.{name}=0" for name in ("weight_average", "weight_decay", "mixup", "label_smoothing")),
    *(
        f"augmentation.{name}=0"
        for name in ("aspect", "shift", "contrast", "gamma", "sharpness", "erase")
    ),
    "preprocessing.border_crop=0",
    "preprocessing.contrast=none",
    "preprocessing.normalisation=unit",
    "network.weights=none",
    "network.frozen_epochs=0",
    "network.flip_average=false",
    "tuner.enabled=false",
    "preprocessing.lungs=none",
    "evaluation.swap_audit=false",
    "evaluation.min_swap_auc=0",
    "evaluation.shift_audit=false",
    "evaluation.shortcut_audit=false",
)

_BARE_RESULT_FILE = "result.json"  # as in bare_keras, which is not imported here: it is heavy
_PUSHED, _NOT_BLESSED = 0, 4  # both have trained and evaluated


class BenchmarkError(Exception):
    """There is nothing to compare; the text says why."""


@dataclass(frozen=True)
class PipelineRun:
    """The pipeline's side.

    Attributes:
        measured: Time and memory.
        components: When each of them ran.
        summary: Its `summary.json`.
        examples_uri: Where its films are.
    """

    measured: Measured
    components: Sequence[Span]
    summary: dict[str, Any]
    examples_uri: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints the table and returns the exit status."""
    flags = _parse(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        settings = comparable_settings(flags.preset, flags.set)
        _check_json_folder(flags.json)
        with _work_folder(flags.workdir) as folder:
            comparison = compare(flags.data_root, flags.preset, settings, folder, console)
    except (BenchmarkError, ConfigError) as error:
        print(f"pipeline_overhead: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pipeline_overhead: stopped", file=sys.stderr)
        return 1
    print(comparison.to_markdown())
    if flags.json:
        write_json(flags.json, comparison.to_json())
    return 0


def comparable_settings(preset: str, overrides: Sequence[str]) -> tuple[str, ...]:
    """Returns the overrides with those that the comparison needs laid over them.

    Args:
        preset: Settings to start from.
        overrides: `part.setting=value` strings.

    Raises:
        ConfigError: For a bad setting, or one that the bare script has no answer to.
    """
    settings = (*overrides, *FIXED_SETTINGS)
    train = load_config(preset, None, settings).train
    if train.imbalance not in ("class_weights", "none"):
        raise ConfigError(
            f"train.imbalance={train.imbalance} cannot be compared, as the bare script does not "
            "resample; use class_weights or none"
        )
    if train.max_steps_per_epoch:
        raise ConfigError(
            "train.max_steps_per_epoch cannot be compared, as the bare script runs whole epochs; "
            "leave it at 0"
        )
    return settings


def compare(
    data_root: Path, preset: str, settings: Sequence[str], folder: Path, console: Console
) -> Comparison:
    """Runs the pipeline, then the bare script over the films that the pipeline used.

    Args:
        data_root: Films.
        preset: Settings to start from.
        settings: Overrides of `comparable_settings`.
        folder: Empty; gets both sides' files.
        console: For progress.

    Returns:
        What each side took.

    Raises:
        BenchmarkError: If one of them fails.
    """
    console.rule("1 of 3: the pipeline")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # TensorFlow's notes would bury the progress
    ours = _run_pipeline(data_root, preset, settings, WorkDirectory(folder / "pipeline"))
    console.rule("2 of 3: the same films as files")
    with console.status("writing films ..."):
        # Late: TensorFlow takes seconds to import, which --help and a wrong flag need not wait for.
        from benchmarks.films import export_films

        films = export_films(ours.examples_uri, folder / "films")
    console.print(", ".join(f"{count} {split}" for split, count in films.items()))
    console.rule("3 of 3: the bare Keras script")
    hyperparameters = ours.summary["hyperparameters"]
    bare, result = _run_bare(hyperparameters, folder)
    return Comparison(
        parts=pipeline_parts(ours.measured, ours.components),
        pipeline=whole(ours.measured),
        bare=whole(bare),
        work=Work(
            films=films,
            image_size_px=hyperparameters["preprocessing"]["image_size_px"],
            epochs=int(result["epochs"]),
            batch_size=hyperparameters["train"]["batch_size"],
            pipeline_test_auc=ours.summary["metrics"]["overall"]["auc"],
            bare_test_auc=result["test_auc"],
            fixed_settings=FIXED_SETTINGS,
        ),
        machine=describe_machine(),
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline_overhead",
        description="Compare the time and memory of the pipeline with a bare Keras script.",
        epilog=f"Always set, so that both sides do the same: {', '.join(FIXED_SETTINGS)}.",
    )
    parser.add_argument("--data-root", type=Path, required=True, help="films, as for local_runner")
    parser.add_argument("--preset", choices=PRESETS, default="standard", help="(standard)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; repeatable"
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        help="new or empty folder that keeps what both sides write; without it nothing is kept",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser.parse_args(arguments)


def _check_json_folder(file: Path | None) -> None:
    if file is not None and not file.parent.is_dir():
        raise BenchmarkError(f"there is no folder {file.parent} to write --json to; make it first")


@contextmanager
def _work_folder(workdir: Path | None) -> Iterator[Path]:
    if workdir is None:
        with tempfile.TemporaryDirectory(prefix="pipeline_overhead_") as folder:
            yield Path(folder)
        return
    if workdir.exists() and not (workdir.is_dir() and not any(workdir.iterdir())):
        # A pipeline that had run there would be answered by its cache.
        raise BenchmarkError(f"{workdir} is not an empty folder; choose another with --workdir")
    workdir.mkdir(parents=True, exist_ok=True)
    yield workdir.resolve()


def _run_pipeline(
    data_root: Path, preset: str, settings: Sequence[str], work: WorkDirectory
) -> PipelineRun:
    command = [sys.executable, "local_runner.py", "--data-root", str(data_root.resolve())]
    command += ["--workdir", str(work.path), "--preset", preset]
    for setting in settings:
        command += ["--set", setting]
    measured = run_measured("pipeline", command, ROOT)
    if measured.status not in (_PUSHED, _NOT_BLESSED):
        raise BenchmarkError(
            f"the pipeline ended with exit status {measured.status}; see what it said above"
        )
    folder = (work.runs / "latest").resolve()
    finished = finished_components(work.metadata, folder.name)
    examples = run_outputs(work.metadata, folder.name)[("RadiographExampleGen", "examples")]
    return PipelineRun(
        measured,
        [Span(name, one.started, one.ended) for name, one in finished.items()],
        json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8")),
        examples.uri,
    )


def _run_bare(hyperparameters: dict[str, Any], folder: Path) -> tuple[Measured, dict[str, float]]:
    settings, output = folder / "settings.json", folder / "bare"
    write_json(settings, hyperparameters)
    command = [sys.executable, "-m", "benchmarks.bare_keras", "--films", str(folder / "films")]
    command += ["--settings", str(settings), "--output", str(output)]
    measured = run_measured("bare Keras script", command, ROOT)
    if measured.status != 0:
        raise BenchmarkError(
            f"the bare script ended with exit status {measured.status}; see what it said above"
        )
    return measured, json.loads((output / _BARE_RESULT_FILE).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
