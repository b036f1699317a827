"""Fetches public data: python -m radiographs.fetch NAME --to DIR.

Exit status: 0 the data is there; 1 it could not be fetched; 2 a flag is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from radiographs.errors import DataError
from radiographs.fetch.archives import ARCHIVES
from radiographs.fetch.download import Tell
from radiographs.fetch.fetching import LICENCE_FILE, SOURCE_FILE, fetch, refuse_taken

EXIT_FETCHED, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetches a data set and returns the exit status."""
    flags = _parse(arguments)
    archive = ARCHIVES[flags.name]
    try:
        refuse_taken(flags.to)
    except DataError as error:
        return _fail(error, EXIT_USAGE)
    print(f"{archive.title}\n{archive.licence}", end="", flush=True)
    try:
        with _progress() as tell:
            came = fetch(replace(archive, sha256=flags.sha256 or archive.sha256), flags.to, tell)
    except (DataError, OSError) as error:
        return _fail(error, EXIT_FAILED)
    known = "as it should be" if flags.sha256 or archive.sha256 else "not known before"
    print(f"SHA-256 {came.sha256}, {known}; stored in {came.folder / SOURCE_FILE}")
    print(f"{came.files:,} files in {came.folder}, licence in {came.folder / LICENCE_FILE}")
    if archive.then:
        print(archive.then)
    return EXIT_FETCHED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m radiographs.fetch",
        description="Fetches public data from its publisher, with its licence.",
    )
    parser.add_argument("name", choices=ARCHIVES, help="what to fetch")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="new folder for it")
    parser.add_argument(
        "--sha256", type=_digest, metavar="HEX", help="what the archive's digest has to be"
    )
    return parser.parse_args(arguments)


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("a SHA-256 digest has 64 hexadecimal digits")
    return text.lower()


def _fail(error: Exception, status: int) -> int:
    print(f"radiographs.fetch: {error}", file=sys.stderr)
    return status


@contextmanager
def _progress() -> Iterator[Tell]:
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("download")
        yield lambda there, in_all: bar.update(task, completed=there, total=in_all or None)


if __name__ == "__main__":
    sys.exit(main())
