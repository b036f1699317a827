"""What a user sees while the pipeline runs: a line a component, the rest in a file.

TFX, TensorFlow and Beam talk a great deal, some of it past Python straight to the
terminal. Inside `quiet_terminal` all of that goes to the log file, and only what
our own loggers say, and the start and end of components, reaches the terminal.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

OUR_LOGGERS = ("components", "models", "pipeline", "radiographs")
PLAIN_WIDTH = 160  # characters, where the output is no terminal


@contextmanager
def quiet_terminal(log_file: Path, verbose: bool) -> Iterator[Console]:
    """Sends all output to a log file, but for what the console yielded is told.

    Args:
        log_file: Grows; its folder has to exist.
        verbose: Leaves the terminal as noisy as it was, beside the file.

    Yields:
        A console on the terminal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    width = None if terminal.isatty() else PLAIN_WIDTH
    console = Console(file=terminal, highlight=False, width=width)
    saved = os.dup(1), os.dup(2)
    log = open(log_file, "a", encoding="utf-8")  # noqa: SIM115, closed below
    handlers: list[logging.Handler] = [logging.StreamHandler(log)]
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    else:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with _root_handlers(handlers):
        try:
            yield console
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # on a full disk, too, the terminal has to come back
                    stream.flush()
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            with suppress(OSError):
                log.close()
            terminal.close()


class ComponentLines(logging.Handler):
    """Shows components as they start and end, and what our loggers say meanwhile.

    Attributes:
        running: The component that runs, or an empty string.
    """

    def __init__(self, console: Console):
        """Writes to a console."""
        super().__init__(logging.INFO)
        self.running = ""
        self._console = console
        self._live: Progress | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Turns a log record into a line, or into nothing."""
        if record.name.split(".")[0] in OUR_LOGGERS:
            self._console.print(f"    {record.getMessage()}", markup=False)

    def start(self, component: str) -> None:
        """Says that a component runs."""
        self.running = component
        self._show(component)

    def finish(self, seconds: float, cached: bool) -> None:
        """Says how long the running component took.

        Args:
            seconds: Its duration.
            cached: Whether the cache answered for it.
        """
        self.stop()
        note = "  from the cache" if cached else ""
        self._console.print(f"  {self.running:<24} {seconds:7.1f} s{note}")
        self.running = ""

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Shows a live line for something that is no component."""
        self._show(what)
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Takes the live line away, whatever is running."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self, what: str) -> None:
        if self._console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._live = Progress(*columns, console=self._console, transient=True)
            self._live.add_task(what)
            self._live.start()


@contextmanager
def component_lines(console: Console) -> Iterator[ComponentLines]:
    """Listens to all loggers for as long as the context lasts."""
    lines = ComponentLines(console)
    with _root_handlers([*logging.getLogger().handlers, lines]):
        try:
            yield lines
        finally:
            lines.stop()


@contextmanager
def _root_handlers(handlers: list[logging.Handler]) -> Iterator[None]:
    root = logging.getLogger()
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setFormatter(formatter)
    before, level = root.handlers[:], root.level
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
