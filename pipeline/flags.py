"""Flags that runners and benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.config import PRESETS


def add_config_flags(parser: argparse.ArgumentParser, default_preset: str) -> None:
    """Adds `--preset`, `--config` and `--set`.

    Args:
        parser: Of a runner.
        default_preset: What the help says is taken without `--preset`.
    """
    parser.add_argument(
        "--preset", choices=PRESETS, help=f"set of settings to start from ({default_preset})"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON of settings")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, such as train.epochs=3; may be repeated",
    )


def positive(text: str) -> int:
    """Reads a whole number of at least 1, as the `type` of a flag."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def share(text: str) -> float:
    """Reads a share above 0 and below 1, as the `type` of a flag."""
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{number:g} is not between 0 and 1 (10 % is 0.1)")
    return number
