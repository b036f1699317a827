"""Runs of the pipeline for `model_quality`: each in a process of its own, none of them twice.

All runs share a work directory, so TFX's cache answers for what a variant does not change.
What came of each is kept in a results file, under the variant, the seed and a digest of
settings, films and code; an interrupted benchmark goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from models.source import digest, source_fingerprint
from pipeline.config import PipelineConfig, load_config
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory
from pipeline.runs import SUMMARY_FILE, write_json
from radiographs.errors import DataError
from radiographs.options import IngestOptions

RUNNER = Path(__file__).parents[1] / "local_runner.py"
RESULTS_FILE = "results.json"

_PUSHED, _NOT_BLESSED = 0, 4  # both have trained and evaluated
_STOP_SECONDS = 60  # that a run may take to end cleanly
_BOOTSTRAP_SAMPLES = 100  # the least there is: the tables show the spread over seeds instead


class BenchmarkError(Exception):
    """The benchmark cannot go on; the text says why."""


@dataclass(frozen=True)
class Films:
    """What models are trained on and scored with.

    Attributes:
        data_root: Films that the pipeline splits.
        external: Folders of other sites, by the name that tables show.
    """

    data_root: Path
    external: Mapping[str, Path]


@dataclass(frozen=True)
class Variant:
    """Settings under a name.

    Attributes:
        name: In tables and progress.
        preset: Settings to start from.
        file: Of further settings, or None.
        overrides: `part.setting=value` strings laid over both.
    """

    name: str
    preset: str
    file: Path | None = None
    overrides: tuple[str, ...] = ()

    def changed(self, name: str, settings: Mapping[str, Any]) -> Variant:
        """Returns a variant with settings, by dotted name, laid over those of this one."""
        added = (f"{setting}={value}" for setting, value in settings.items())
        return replace(self, name=name, overrides=(*self.overrides, *added))

    def config(self, seed: int) -> PipelineConfig:
        """Returns the checked settings of a run; raises ConfigError."""
        return load_config(self.preset, self.file, self._with_seed(seed))

    def flags(self, seed: int) -> list[str]:
        """Returns what tells the local runner of the settings."""
        file = ["--config", str(self.file)] if self.file else []
        overrides = [word for one in self._with_seed(seed) for word in ("--set", one)]
        return ["--preset", self.preset, *file, *overrides]

    def _with_seed(self, seed: int) -> tuple[str, ...]:
        return (*self.overrides, f"train.seed={seed}")


@dataclass(frozen=True)
class Record:
    """What came of a run.

    Attributes:
        variant: Name of the variant.
        seed: `train.seed`.
        seconds: Wall time of the whole command; None where the training, or a part of it,
            was there already from a run that was interrupted.
        summary: Its `summary.json`.
        external: By name of another site: `fingerprint`, `films`, `rejected`, `metrics`.
    """

    variant: str
    seed: int
    seconds: float | None
    summary: dict[str, Any]
    external: dict[str, dict[str, Any]]


class Bench:
    """Measures variants over seeds in one work directory."""

    def __init__(self, films: Films, workdir: Path, console: Console):
        """Opens the work directory; what a benchmark left there is taken up.

        Args:
            films: To train on and to score.
            workdir: Made if need be.
            console: For progress.

        Raises:
            BenchmarkError: If the work directory cannot be written or read.
        """
        self._films = films
        self._console = console
        self._folder = workdir.resolve()
        self._work = WorkDirectory(self._folder / "pipeline")
        self._results_file = self._folder / RESULTS_FILE
        self._logs = self._folder / "logs"
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchmarkError(
                f"the work directory {workdir} cannot be written: {error.strerror}; choose another "
                "with --workdir"
            ) from None
        self._results = _read_results(self._results_file)
        self._films_digest = folder_digest(films.data_root)
        self._external_digests = {
            name: folder_digest(root) for name, root in films.external.items()
        }

    def measure(self, variant: Variant, seeds: Sequence[int]) -> list[Record]:
        """Runs a variant with every seed that is not in the results file.

        Args:
            variant: Settings.
            seeds: Of training.

        Returns:
            A record for each seed.

        Raises:
            BenchmarkError: If a run fails or another site cannot be scored.
            ConfigError: For a bad setting.
        """
        records = []
        for number, seed in enumerate(seeds, start=1):
            title = f"seed {number} of {len(seeds)}, variant {variant.name}"
            with self._console.status(f"{title} ..."):
                record, is_new = self._measure_one(variant, seed)
            self._console.print(f"{title}: {_outcome(record, is_new)}")
            records.append(record)
        return records

    def _measure_one(self, variant: Variant, seed: int) -> tuple[Record, bool]:
        key = f"{variant.name}, seed {seed}, {self._digest(variant.config(seed))}"
        known = self._results.get(key)
        record = known or self._run(variant, seed)
        if not known:  # kept at once: a site that fails should not cost the training
            self._keep(key, record)
        missing = {
            name: self._films.external[name]
            for name, found in self._external_digests.items()
            if record.external.get(name, {}).get("fingerprint") != found
        }
        if missing:
            scores = self._score_external(variant, record, missing)
            record = replace(record, external={**record.external, **scores})
            self._keep(key, record)
        wanted = {name: record.external[name] for name in self._films.external}
        return replace(record, external=wanted), known is None  # others are of earlier calls

    def _digest(self, config: PipelineConfig) -> str:
        settings = config.model_dump(mode="json")
        root = str(self._films.data_root.resolve())
        code, imported = source_fingerprint(), digest(config.imported_files)
        identity = [settings, root, self._films_digest, code, imported]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    def _run(self, variant: Variant, seed: int) -> Record:
        command = [sys.executable, str(RUNNER), "--data-root", str(self._films.data_root)]
        command += ["--workdir", str(self._work.path), *variant.flags(seed)]
        log = self._log_file(variant, seed)
        half_done = self._checkpoints()
        status, seconds = run_logged(command, log)
        if status not in (_PUSHED, _NOT_BLESSED):
            raise BenchmarkError(
                f"the run of variant {variant.name} with seed {seed} ended with exit status "
                f"{status}; see its log {log}"
            )
        latest = self._work.runs / "latest"
        summary = json.loads((latest / SUMMARY_FILE).read_text(encoding="utf-8"))
        # A training removes its checkpoints once it has used them.
        whole = "Trainer" not in summary["cached"] and self._checkpoints() >= half_done
        return Record(variant.name, seed, seconds if whole else None, summary, {})

    def _score_external(
        self, variant: Variant, record: Record, roots: Mapping[str, Path]
    ) -> dict[str, dict[str, Any]]:
        run_id = record.summary["run_id"]
        model = run_outputs(self._work.metadata, run_id).get(("Trainer", "model"))
        if model is None or not Path(model.uri).is_dir():
            raise BenchmarkError(
                f"the model of run {run_id} is no longer in {self._work.path}, so external films "
                "cannot be scored; choose another --workdir to train anew"
            )
        options = variant.config(record.seed).data
        log = self._log_file(variant, record.seed)
        scores = score_in_own_process(model.uri, roots, options, log)
        return {
            name: {"fingerprint": self._external_digests[name], **score}
            for name, score in scores.items()
        }

    def _keep(self, key: str, record: Record) -> None:
        self._results[key] = record
        write_json(self._results_file, {name: asdict(one) for name, one in self._results.items()})

    def _checkpoints(self) -> set[Path]:
        return set(Path(self._work.locations(self._films.data_root).checkpoint_root).glob("*"))

    def _log_file(self, variant: Variant, seed: int) -> Path:
        name = re.sub(r"[^a-z0-9]+", "-", variant.name.lower()).strip("-")
        return self._logs / f"{name}-seed-{seed}.txt"


def run_logged(command: Sequence[str], log: Path) -> tuple[int, float]:
    """Runs a command to its end.

    Args:
        command: Program and arguments.
        log: Gets all that it prints; written anew.

    Returns:
        Its exit status and its wall time in seconds.
    """
    started = time.monotonic()
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches this process alone, which stops the other once.
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait()
        finally:
            process.terminate()  # of no effect, unless this process was interrupted
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return process.returncode, time.monotonic() - started


def folder_digest(root: Path) -> str:
    """Returns 16 hexadecimal digits that change with names, sizes and times below a folder."""
    facts = []
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            inside = os.path.relpath(os.path.join(folder, name), root)
            facts.append((inside, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(sorted(facts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def check_sites(roots: Iterable[Path], data_root: Path, options: IngestOptions) -> None:
    """Finds a site that cannot be scored before the trainings, not after them.

    Args:
        roots: Folders of other sites.
        data_root: The films to train on.
        options: How all of them are read.

    Raises:
        BenchmarkError: If one holds no films of both classes, or films to train on.
    """
    from components.auditor.external import refuse_shared_files

    for root in roots:
        try:
            refuse_shared_files(str(root), str(data_root), options)
        except DataError as error:
            raise BenchmarkError(f"external films cannot be scored: {error}") from None


def score_in_own_process(
    model_uri: str, roots: Mapping[str, Path], options: IngestOptions, log: Path
) -> dict[str, dict[str, Any]]:
    """Calls `score_sites` where its memory goes back and its talk goes to a log.

    Raises:
        BenchmarkError: If the films of a site cannot be used.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_talk_to, initargs=(log,)) as pool:
        try:
            return pool.submit(score_sites, model_uri, roots, options).result()
        except DataError as error:
            raise BenchmarkError(f"external films cannot be scored: {error}") from None


def score_sites(
    model_uri: str, roots: Mapping[str, Path], options: IngestOptions
) -> dict[str, dict[str, Any]]:
    """Scores the films of other sites as the Auditor does.

    Args:
        model_uri: Folder of the Trainer's `model` artifact.
        roots: Folders of films by name.
        options: How they are read.

    Returns:
        `films`, `rejected` and `metrics` by name; an undefined metric is None.

    Raises:
        DataError: If the films of a site cannot be used.
    """
    import tensorflow as tf
    from tfx.utils import path_utils

    from components.auditor.external import audit_external_site

    served = tf.saved_model.load(path_utils.serving_model_path(model_uri))
    scores = {}
    for name, root in roots.items():
        site = audit_external_site(served, str(root), options, _BOOTSTRAP_SAMPLES)
        reached = site.estimate
        scores[name] = {
            "films": reached.films,
            "rejected": site.rejected,
            "metrics": {
                metric: None if math.isnan(value) else value
                for metric, value in reached.metrics.items()
            },
        }
    return scores


def _talk_to(log: Path) -> None:
    with log.open("ab") as output:
        for descriptor in (1, 2):  # not sys.stdout: native code writes too
            os.dup2(output.fileno(), descriptor)


def _read_results(file: Path) -> dict[str, Record]:
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {key: Record(**record) for key, record in content.items()}
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise BenchmarkError(
            f"the results file {file} cannot be read ({error}); remove it or choose another "
            "--workdir"
        ) from None


def _outcome(record: Record, is_new: bool) -> str:
    auc = record.summary["metrics"]["overall"]["auc"]
    shown = "AUC undefined" if auc is None else f"AUC {auc:.3f}"
    if not is_new:
        return f"{shown}, from the results file"
    if record.seconds is None:
        return f"{shown}, gone on from an interrupted run"
    return f"{shown} in {record.seconds:.0f} s"
