"""Draws phantoms from the command line: python -m radiographs.phantoms --output DIR."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from radiographs.errors import DataError
from radiographs.phantoms.folder import PNEUMONIA_FRACTION, write_phantoms


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m radiographs.phantoms",
        description="Draw synthetic chest radiographs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to fill")
    parser.add_argument("--films", type=int, default=900, help="number of films")
    parser.add_argument("--size-px", type=int, default=256, help="height and width of a film")
    parser.add_argument("--seed", type=int, default=0, help="of the drawings")
    parser.add_argument(
        "--pneumonia-fraction", type=float, default=PNEUMONIA_FRACTION, help="share of the films"
    )
    parser.add_argument("--workers", type=int, help="processes; one a processor, if not given")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws phantoms.

    Args:
        arguments: Flags; None takes those of the process.

    Returns:
        The exit status: 0, or 1 after a sentence on the standard error stream.
    """
    flags = vars(_parse(arguments))
    try:
        root = write_phantoms(flags.pop("output"), **flags)
    except (DataError, OSError) as error:
        print(f"no phantoms were drawn: {error}", file=sys.stderr)
        return 1
    print(f"{flags['films']} phantoms are in {root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
