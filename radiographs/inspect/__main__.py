"""Tells what an ingest would do: python -m radiographs.inspect PATH.

Exit status: 0 a run would take the films in; 2 a flag or setting is wrong; 3 it would stop.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from radiographs.inspect.findings import findings
from radiographs.inspect.inspection import Inspection, inspect_films
from radiographs.inspect.page import page
from radiographs.inspect.text import show
from radiographs.inspect.thumbnails import film_thumbnails, group_thumbnails, rejected_thumbnails
from radiographs.local_roots import LocalRoot, check_folder
from radiographs.options import IngestOptions
from radiographs.overrides import ConfigError, explain, merged, parse_override
from radiographs.spread import Tell

EXIT_FINE, EXIT_USAGE, EXIT_DATA = 0, 2, 3
_PLAIN_WIDTH = 160  # characters, where the output is no terminal


class _Settings(BaseModel):
    """The settings that an inspection heeds, under the names that a run has for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: IngestOptions = IngestOptions()


def main(arguments: Sequence[str] | None = None) -> int:
    """Inspects a folder and returns the exit status."""
    flags = _parse(arguments)
    try:
        options = _options(flags.set)
        check_folder(flags.path)
        for file in filter(None, (flags.json, flags.html)):
            _check_output(file, flags.path)
        root = LocalRoot(str(flags.path))
        with _progress() as tell:
            found = inspect_films(root, options, tell)
    except ConfigError as error:
        print(f"radiographs.inspect: {error}", file=sys.stderr)
        return EXIT_USAGE
    _write(flags, found, root, options)
    return EXIT_DATA if found.stops else EXIT_FINE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m radiographs.inspect",
        description="Tells what a run would do with a folder of films. Nothing is written there.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="what --data-root of a run names")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of a run, such as data.split=by_patient; may be repeated",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything found, as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="the same as a page, with films")
    return parser.parse_args(arguments)


def _options(overrides: Sequence[str]) -> IngestOptions:
    values: dict[str, object] = {}
    for override in overrides:
        values = merged(values, parse_override(override))
    try:
        return _Settings.model_validate(values).data
    except ValidationError as error:
        raise explain(error.errors(), _Settings) from None


def _check_output(file: Path, root: Path) -> None:
    """Refuses to write below the films, by whatever link."""
    if file.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{file} lies in {root}, where nothing is written; choose another place")
    if file.is_dir() or not file.resolve().parent.is_dir():
        raise ConfigError(f"{file} cannot be written; name a file in a folder that is there")


@contextmanager
def _progress() -> Iterator[Tell]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:

        def tell(what: str, films: int) -> Callable[[int], None]:
            task = bar.add_task(what, total=films)
            return lambda done: bar.advance(task, done)

        yield tell


def _write(
    flags: argparse.Namespace, found: Inspection, root: LocalRoot, options: IngestOptions
) -> None:
    values = findings(found, str(flags.path), options)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks letters gets numbers
        sys.stdout.reconfigure(errors="backslashreplace")
    show(values, Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False))
    if flags.json:
        _replace(flags.json, json.dumps(values, indent=2))
    if flags.html:
        films = film_thumbnails(root, found, options)
        rejected = rejected_thumbnails(root, found.films.unusable)
        listed = values["near_duplicates"]["listed"] if "near_duplicates" in values else []
        alike = group_thumbnails(root, listed, options)
        _replace(flags.html, page(values, films, rejected, alike))


def _replace(file: Path, text: str) -> None:
    """Writes a file beside its place and renames it."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
