"""Compiles the pipeline for Kubeflow Pipelines or Vertex AI: flags, configuration, compiler."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import PRESETS, ConfigError, load_config


def main(arguments: Sequence[str] | None = None) -> int:
    """Compiles as the flags say; returns 0, or 2 for a wrong flag or setting."""
    flags = _parse(arguments)
    try:
        config = load_config(flags.preset, flags.config, flags.set)
        for name in ("pipeline_root", "data_root"):
            _check_remote(name, getattr(flags, name))
    except ConfigError as error:
        print(f"kubeflow_runner: {error}", file=sys.stderr)
        return 2
    # Late, so that --help and a wrong flag are answered before TFX is imported.
    from pipeline.kubeflow import compile_pipeline

    try:
        compile_pipeline(
            config, flags.target, flags.image, flags.pipeline_root.rstrip("/"),
            flags.data_root.rstrip("/"), flags.output,
        )  # fmt: skip
    except OSError as error:
        print(f"kubeflow_runner: {flags.output} cannot be written: {error}", file=sys.stderr)
        return 2
    print(f"wrote {flags.output}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kubeflow_runner.py", description="Compiles the pipeline for a cluster."
    )
    parser.add_argument("--target", choices=("kfp", "vertex"), required=True)
    parser.add_argument("--image", required=True, help="container image of the Dockerfile")
    parser.add_argument("--pipeline-root", required=True, help="remote folder of artifacts")
    parser.add_argument("--data-root", required=True, help="remote folder of films")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("--preset", choices=PRESETS, default="standard")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON of settings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args(arguments)


def _check_remote(flag: str, value: str) -> None:
    """Refuses a relative path, which a container would look for in its own file system."""
    if "://" not in value and not value.startswith("/"):
        raise ConfigError(
            f"--{flag.replace('_', '-')} {value} means nothing inside a container; give a URI "
            "such as gs://bucket/folder, or the absolute path of a mounted volume"
        )


if __name__ == "__main__":
    sys.exit(main())
