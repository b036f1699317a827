"""Does a killed run do any harm? Kills runs at random moments, and runs the same command again.

README.md beside this file says what is killed and what is looked at afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.killing import (
    ACCOUNT,
    LAST_COMPONENT,
    START,
    WatchedRun,
    digests_of_splits,
    faults_of,
    latest_run,
)
from pipeline.config import Evaluation
from pipeline.locations import WorkDirectory
from pipeline.runs import SUMMARY_FILE, write_json

# Small, but every component has something to do.
SETTINGS = (
    "phantoms.films=80", "phantoms.size_px=64", "preprocessing.image_size_px=48",
    "network.width=4", "network.depth=3", "train.epochs=6", "tuner.trials=2", "tuner.epochs=1",
    "evaluation.bootstrap_samples=100", "evaluation.control_epochs=1",
)  # fmt: skip

_UNDISTURBED_FILE, _RESULTS_FILE = "undisturbed.json", "kills.json"
_PUSHED = 0


class BenchmarkError(Exception):
    """Nothing can be killed; the text says why."""


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after a stage has begun."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class Kill:
    """What became of a kill.

    Attributes:
        stage: In which the run was killed.
        seconds: After it had begun.
        status: Exit status of the same command again.
        faults: A sentence for each thing that is not as after an undisturbed run.
    """

    stage: str
    seconds: float
    status: int
    faults: tuple[str, ...]


class Bench:
    """An undisturbed run, kept as it was when each stage began, and kills from there on.

    The work directory always has the same address, as the metadata store knows its artifacts by
    theirs.
    """

    def __init__(self, folder: Path, flags: Sequence[str], console: Console):
        """Takes up what a benchmark left in the folder.

        Args:
            folder: Made if need be.
            flags: Of the local runner.
            console: For progress.
        """
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._work = WorkDirectory(self._folder / "work")
        self._flags = flags
        self._console = console

    def run_undisturbed(self) -> dict[str, Any]:
        """Runs the pipeline once, keeping the work directory as it was when each stage began.

        Returns:
            `seconds` by stage, in order, and `splits`, the digests of the examples.

        Raises:
            BenchmarkError: If the model is not pushed.
        """
        file = self._folder / _UNDISTURBED_FILE
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
        for stale in (self._work.path, self._folder / "before"):
            shutil.rmtree(stale, ignore_errors=True)
        self._console.print("an undisturbed run")
        run = WatchedRun(self._work, self._flags)
        seconds = {}
        stage, began = START, time.monotonic()
        for component, begins in run.stages():
            if not begins and component != LAST_COMPONENT:
                continue
            seconds[stage] = time.monotonic() - began
            stage = component if begins else ACCOUNT
            run.pause()
            shutil.copytree(self._work.path, self._before(stage), symlinks=True)
            run.go_on()
            began = time.monotonic()
        if run.finish() != _PUSHED:
            raise BenchmarkError(f"the undisturbed run was not pushed; see {self._work.runs}")
        seconds[stage] = time.monotonic() - began
        splits = digests_of_splits(self._work, latest_run(self._work))
        found = {"seconds": seconds, "splits": splits}
        write_json(file, found)
        return found

    def kill(self, moment: Moment, splits: dict[str, list[str]]) -> Kill | None:
        """Kills a run, runs the same command again and looks at what is there.

        Args:
            moment: When.
            splits: Digests of the examples of an undisturbed run.

        Returns:
            What became of it, or None if the run had ended before.
        """
        shutil.rmtree(self._work.path, ignore_errors=True)
        if moment.stage != START:
            shutil.copytree(self._before(moment.stage), self._work.path, symlinks=True)
        run = WatchedRun(self._work, self._flags)
        run.wait_for(moment.stage)
        time.sleep(moment.seconds)
        if not run.kill():
            return None
        status = WatchedRun(self._work, self._flags).finish()
        return Kill(moment.stage, moment.seconds, status, tuple(self._faults(status, splits)))

    def _faults(self, status: int, splits: dict[str, list[str]]) -> Iterator[str]:
        run_id = latest_run(self._work)
        if status != _PUSHED:
            summary = self._work.run(run_id) / SUMMARY_FILE
            said = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else {}
            yield f"the run after it ended with {status}: {said.get('error', 'no summary')}"
            return
        if digests_of_splits(self._work, run_id) != splits:
            yield "the splits are other ones"
        yield from faults_of(self._work, run_id)

    def _before(self, stage: str) -> Path:
        return self._folder / "before" / stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Kills as the flags say, prints the table; returns 0 if no kill did harm."""
    flags = _parse(arguments)
    console = Console(stderr=True, highlight=False)
    settings = (*SETTINGS, *open_gates(), *flags.set)
    overrides = [word for one in settings for word in ("--set", one)]
    bench = Bench(flags.workdir, ["--preset", "demo", *overrides], console)
    results = flags.workdir / _RESULTS_FILE
    try:
        undisturbed = bench.run_undisturbed()
        moments = choose_moments(undisturbed["seconds"], flags.kills, flags.seed)
        kills = _read(results, flags.seed)
        for number, moment in enumerate(moments[len(kills) :], start=len(kills) + 1):
            kill = _kill(bench, moment, undisturbed["splits"])
            kills.append(kill)
            write_json(results, {"seed": flags.seed, "kills": [asdict(one) for one in kills]})
            harm = "; ".join(kill.faults) or "pushed"
            console.print(f"{number}/{flags.kills} {kill.stage} +{kill.seconds:.2f} s: {harm}")
    except BenchmarkError as error:
        print(f"kills: {error}", file=sys.stderr)
        return 1
    print(to_markdown(kills, flags.seed))
    return int(any(kill.faults for kill in kills))


def _kill(bench: Bench, moment: Moment, splits: dict[str, list[str]]) -> Kill:
    """Kills earlier in the stage where a run was quicker than the undisturbed one."""
    while (kill := bench.kill(moment, splits)) is None:
        moment = Moment(moment.stage, moment.seconds / 2)
    return kill


def open_gates() -> list[str]:
    """Returns settings that let any model pass every gate that is on by default."""
    floors, drops = [], []
    for name, field in Evaluation.model_fields.items():
        if name.startswith("min_") and isinstance(field.default, float) and field.default > 0:
            floors.append(f"evaluation.{name}=0")
        elif name.endswith("_drop"):
            drops.append(f"evaluation.{name}=1")
    return [*floors, *drops]


def choose_moments(seconds: dict[str, float], kills: int, seed: int) -> list[Moment]:
    """Draws moments: one in each stage, then any of the whole run, as long as there are kills.

    Args:
        seconds: How long each stage of the undisturbed run took, in order.
        kills: How many moments.
        seed: The same one draws the same moments, and more of them for more kills.

    Returns:
        In the order in which to kill.
    """
    rng = random.Random(seed)
    moments = [Moment(stage, rng.random() * length) for stage, length in seconds.items()]
    while len(moments) < kills:
        (stage,) = rng.choices(list(seconds), weights=list(seconds.values()))
        moments.append(Moment(stage, rng.random() * seconds[stage]))
    return moments[:kills]


def to_markdown(kills: Sequence[Kill], seed: int) -> str:
    """Returns the table: kills and failures by stage."""
    lines = [f"Seed {seed}.", "", "| killed in | kills | failures |", "|---|---:|---:|"]
    for stage in dict.fromkeys(kill.stage for kill in kills):
        of_stage = [kill for kill in kills if kill.stage == stage]
        lines.append(f"| {stage} | {len(of_stage)} | {_failures(of_stage)} |")
    lines.append(f"| **all** | **{len(kills)}** | **{_failures(kills)}** |")
    return "\n".join(lines)


def _failures(kills: Sequence[Kill]) -> int:
    return sum(bool(kill.faults) for kill in kills)


def _read(results: Path, seed: int) -> list[Kill]:
    """Returns the kills that an earlier call with the same seed has done."""
    if not results.is_file():
        return []
    content = json.loads(results.read_text(encoding="utf-8"))
    if content["seed"] != seed:
        return []
    return [Kill(**{**kill, "faults": tuple(kill["faults"])}) for kill in content["kills"]]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="how many (30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument(
        "--workdir",
        type=Path,
        default=Path("work/kills"),
        help="runs and results; the same command goes on where it stopped (work/kills)",
    )
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
