"""The folder of a run: configuration, log, account and report. Imports no TFX."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import ConfigError, PipelineConfig
from pipeline.locations import WorkDirectory

CONFIG_FILE = "config.json"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Run:
    """One call of the local runner.

    Attributes:
        run_id: Name of the folder and of the run in the metadata store.
        folder: `<workdir>/runs/<run id>`.
    """

    run_id: str
    folder: Path

    @property
    def log_file(self) -> Path:
        """Where the libraries' output goes."""
        return self.folder / "log.txt"

    @property
    def summary_file(self) -> Path:
        """What came of the run."""
        return self.folder / SUMMARY_FILE

    @property
    def report_folder(self) -> Path:
        """Pages and tables for people."""
        return self.folder / "report"

    def discard(self) -> None:
        """Takes the folder away again; `latest` goes back to the run before, if there is one."""
        shutil.rmtree(self.folder)
        latest = self.folder.parent / "latest"
        latest.unlink(missing_ok=True)
        earlier = sorted(folder for folder in self.folder.parent.iterdir() if folder.is_dir())
        if earlier:
            _point_latest_to(earlier[-1])

    def write_failure(
        self,
        status: str,
        reason: str,
        durations_seconds: Mapping[str, float],
        files: Mapping[str, str] | None = None,
        pushed_version: str = "",
    ) -> None:
        """Writes the account of a run that stopped early.

        Args:
            status: `failed` or `interrupted`.
            reason: A sentence.
            durations_seconds: Of the components that finished.
            files: What else to keep in the folder, text by file name.
            pushed_version: What was pushed before, or empty.
        """
        account = {
            "run_id": self.run_id,
            "status": status,
            "error": reason,
            "blessed": bool(pushed_version),
            "servable": bool(pushed_version),
            "pushed": bool(pushed_version),
            "pushed_version": pushed_version,
            "data": {},
            "metrics": {},
            "gates": [],
            "operating_point": {},
            "durations_seconds": dict(durations_seconds),
        }
        with suppress(OSError):  # where the disk is full, the reason has to get out still
            write_json(self.summary_file, account)
            for name, text in (files or {}).items():
                write_text(self.folder / name, text)


def open_run(work: WorkDirectory, config: PipelineConfig) -> Run:
    """Makes the folder of a new run, stores the configuration and turns `latest` to it.

    Args:
        work: Of the local runner; created if need be.
        config: Of the run.

    Returns:
        The run.

    Raises:
        ConfigError: If the work directory cannot be written.
    """
    with _named(work):
        return _open_run(work, config)


@contextmanager
def only_run(work: WorkDirectory) -> Iterator[None]:
    """Keeps other runs out of a work directory for as long as the context lasts.

    Args:
        work: Of the local runner.

    Raises:
        ConfigError: If another run is in it, or it cannot be written.
    """
    with _named(work):
        work.path.mkdir(parents=True, exist_ok=True)
        lock = (work.path / ".lock").open("w", encoding="utf-8")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another run uses the work directory {work.path}; wait for it or choose another "
                "with --workdir"
            ) from None
        yield


@contextmanager
def _named(work: WorkDirectory) -> Iterator[None]:
    """Says which work directory cannot be written."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"the work directory {work.path} cannot be written: {error.strerror}; choose another "
            "with --workdir"
        ) from None


def refuse_demo_over_films(work: WorkDirectory) -> None:
    """Keeps a demo on phantoms from replacing a served model of real films.

    Args:
        work: Of the local runner.

    Raises:
        ConfigError: If a model of real films was pushed from this work directory.
    """
    for file in work.runs.glob(f"*/{SUMMARY_FILE}"):
        account = json.loads(file.read_text(encoding="utf-8"))
        root = account["data"].get("root", "")
        if account["pushed"] and root != str(work.phantoms):
            raise ConfigError(
                f"{work.path} serves a model of the films in {root}, which a demo on synthetic "
                "radiographs would replace; give --data-root, or another --workdir"
            )


def _open_run(work: WorkDirectory, config: PipelineConfig) -> Run:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    run_id, again = stamp, 1
    while work.run(run_id).exists():
        again += 1
        run_id = f"{stamp}-{again}"
    run = Run(run_id, work.run(run_id))
    run.folder.mkdir(parents=True)
    write_json(run.folder / CONFIG_FILE, config.model_dump(mode="json"))
    _point_latest_to(run.folder)
    return run


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Writes JSON so that a reader never sees half a file."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(file, text + "\n")


def write_text(file: Path, text: str) -> None:
    """Writes beside, then renames, so that a reader never sees half a file."""
    beside = file.with_suffix(".partial")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, file)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _point_latest_to(folder: Path) -> None:
    beside = folder.parent / ".latest"
    beside.unlink(missing_ok=True)
    beside.symlink_to(folder.name)
    os.replace(beside, folder.parent / "latest")
