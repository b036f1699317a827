"""Compiles the pipeline for Kubeflow Pipelines or Vertex AI: flags, configuration, compiler."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import (
    SHIPPED_HYPERPARAMETERS,
    ConfigError,
    PipelineConfig,
    load_config,
)
from pipeline.effects import settings_without_effect
from pipeline.external_site import refuse_data_root
from pipeline.flags import add_config_flags
from pipeline.preflight import check_machine, check_no_pattern
from pipeline.progress import quiet_terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Compiles as the flags say; returns 0, or 2 for a wrong flag or setting."""
    flags = _parse(arguments)
    try:
        given = (flags.preset or "standard", flags.config, flags.set)
        config = load_config(*given)
        check_machine(os.environ)
        _check(flags, config)
        _check_output(flags.output)
        _replace(flags.output, _compile(flags, config))
    except ConfigError as error:
        print(f"kubeflow_runner: {error}", file=sys.stderr)
        return 2
    for note in settings_without_effect(*given, films_given=True):
        print(f"kubeflow_runner: {note}", file=sys.stderr)
    print(f"wrote {flags.output}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kubeflow_runner.py",
        description="Compiles the pipeline for open-source Kubeflow Pipelines or for Vertex AI.",
    )
    parser.add_argument(
        "--target",
        choices=("kfp", "vertex"),
        required=True,
        help="kfp: a PipelineSpec as YAML; vertex: a PipelineJob as JSON",
    )
    parser.add_argument("--image", required=True, help="container image of the Dockerfile")
    parser.add_argument("--pipeline-root", required=True, help="remote folder of artifacts")
    parser.add_argument("--data-root", required=True, help="remote folder of films")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    add_config_flags(parser, "standard")
    return parser.parse_args(arguments)


def _check(flags: argparse.Namespace, config: PipelineConfig) -> None:
    _check_remote("--pipeline-root", flags.pipeline_root)
    _check_remote("--data-root", flags.data_root)
    check_no_pattern("--pipeline-root", flags.pipeline_root)
    if flags.target == "vertex":  # TFX's own driver, which runs there, matches names by pattern
        check_no_pattern("--data-root", flags.data_root)
    if config.tuner.hyperparameters not in ("", SHIPPED_HYPERPARAMETERS):
        _check_remote("tuner.hyperparameters", config.tuner.hyperparameters)
    if config.evaluation.external_data_root:
        _check_remote("evaluation.external_data_root", config.evaluation.external_data_root)
        refuse_data_root(config.evaluation.external_data_root, flags.data_root)
    if config.data_gate.serving_statistics:
        _check_remote("data_gate.serving_statistics", config.data_gate.serving_statistics)
    if config.network.weights not in ("none", "imagenet"):
        _check_remote("network.weights", config.network.weights)
    if config.own_lung_weights:
        _check_remote("preprocessing.lung_fields_weights", config.own_lung_weights)
    if not flags.image.strip():
        raise ConfigError("--image is empty; name the image that was built from the Dockerfile")
    if importlib.util.find_spec("kfp") is None:
        raise ConfigError("the compiler is not installed; run: pip install -e '.[kubeflow]'")


def _check_remote(name: str, value: str) -> None:
    """Refuses a relative path, which a container would look for in its own file system."""
    if "://" not in value and not value.startswith("/"):
        raise ConfigError(
            f"{name} '{value}' means nothing inside a container; give a URI such as "
            "gs://bucket/folder, or the absolute path of a mounted volume"
        )


def _check_output(output: Path) -> None:
    """Makes the folder of the output; compiling takes a while, so what is wrong is said before."""
    if output.is_dir():
        raise ConfigError(f"--output {output} is a folder; name a file in it")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(output, error.strerror) from None
    if not os.access(output.parent, os.W_OK):
        raise _unwritable(output, f"its folder {output.parent} is not writable")


def _compile(flags: argparse.Namespace, config: PipelineConfig) -> str:
    # TFX and what it imports talk a great deal; an exception comes through all the same.
    with tempfile.NamedTemporaryFile() as log, quiet_terminal(Path(log.name), verbose=False):
        # Late, so that --help and a wrong flag are answered before TFX is imported.
        from pipeline.kubeflow import compile_pipeline

        return compile_pipeline(
            config,
            flags.target,
            flags.image,
            flags.pipeline_root.rstrip("/"),
            flags.data_root.rstrip("/"),
        )


def _replace(output: Path, text: str) -> None:
    """Writes beside, then renames: a file that was there stays whole until the new one is."""
    beside = output.with_name(f"{output.name}.partial")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, output)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(output, error.strerror) from None


def _unwritable(output: Path, why: str | None) -> ConfigError:
    return ConfigError(f"{output} cannot be written: {why}; choose another place with --output")


if __name__ == "__main__":
    sys.exit(main())
