"""Changes the modules that guard, one place at a time: `make mutants`, some hours for all.

Prints what survived and, for each module, how many changes the tests noticed. Results are kept
in WORKDIR, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.flags import positive
from tools.mutants import trial
from tools.mutants.mutations import Mutation, mutations
from tools.mutants.targets import ROOT, SOURCES, Target, targets

_SPARE_SECONDS, _SLOWER = 10, 3  # before the tests of a change count as hanging


class UselessTests(Exception):
    """Tests that notice nothing, as they fail anyway or there are none; the text says which."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries changes as the flags say; 1 if tests fail without any change, or there are none."""
    flags = _parse(arguments)
    flags.workdir.mkdir(parents=True, exist_ok=True)
    trial.prepare()
    print("| module | changes | noticed | hung | survived | % |\n|---|---:|---:|---:|---:|---:|")
    survivors: list[str] = []
    for target in targets(flags.sources):
        results = Results(flags.workdir / f"{target.module}-{target.fingerprint}.jsonl")
        try:
            try_all(target, flags, results)
        except UselessTests as error:
            print(f"mutants: {error}", file=sys.stderr)
            return 1
        counts = Counter(row["outcome"] for row in results.rows)
        print(_row(target, counts), flush=True)
        survivors += results.survivors(target)
    print("\nSurvived:\n", *survivors, sep="\n")
    return 0


def try_all(target: Target, flags: argparse.Namespace, results: Results) -> None:
    """Tries the changes of a module that have no result yet.

    Raises:
        UselessTests: If they fail without any change, or the module has none.
    """
    if not target.tests:  # by which pytest would run all there are
        raise UselessTests(
            f"{target.source} has no tests of its name in tests/unit; write some, or name others "
            "in tools/mutants/targets.py"
        )
    file = ROOT / target.source
    source = file.read_text(encoding="utf-8")
    changes = list(mutations(source, flags.seed))
    if flags.sample and len(changes) > flags.sample:
        changes = sorted(random.Random(flags.seed).sample(changes, flags.sample), key=_line)
    left = [change for change in changes if not results.has(change)]
    if not left:
        return
    before = _children_seconds()
    if trial.attempt(target.module, file, source, target.tests, 3600) != "survived":
        raise UselessTests(
            f"{' '.join(target.tests)}, the tests of {target.source}, fail without a change; mend "
            "them first"
        )
    limit = _SPARE_SECONDS + _SLOWER * (_children_seconds() - before)
    for change in left:
        outcome = trial.attempt(target.module, file, change.source, target.tests, limit)
        results.add(change, outcome)


def _children_seconds() -> float:
    """Returns the processor's time that children have taken, which no busy machine changes."""
    times = os.times()
    return times.children_user + times.children_system


def _line(change: Mutation) -> int:
    return change.line


class Results:
    """Outcomes of a module, one JSON object a line."""

    def __init__(self, file: Path):
        """Reads what there is already."""
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.rows = [json.loads(line) for line in lines]

    def has(self, change: Mutation) -> bool:
        """Tells whether a change has been tried."""
        return any(_key(row) == _key(asdict(change)) for row in self.rows)

    def add(self, change: Mutation, outcome: trial.Outcome) -> None:
        """Keeps what became of a change, on disk as well."""
        row = {name: value for name, value in asdict(change).items() if name != "source"}
        self.rows.append({**row, "outcome": outcome})
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")

    def survivors(self, target: Target) -> list[str]:
        """Returns a line for each change that no test has noticed."""
        return [
            f"{target.source}:{row['line']} {row['operator']}: {row['before']}  ->  {row['after']}"
            for row in self.rows
            if row["outcome"] == "survived"
        ]


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return row["before"], row["after"], row["line"]


def _row(target: Target, counts: Counter[str]) -> str:
    noticed, hung, survived = (counts[name] for name in ("killed", "timed out", "survived"))
    whole = noticed + hung + survived
    share = f"{100 * (noticed + hung) / whole:.0f}" if whole else "-"
    return f"| {target.source} | {whole} | {noticed} | {hung} | {survived} | {share} |"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("sources", nargs="*", default=SOURCES, help="modules, from the checkout")
    parser.add_argument("--sample", type=positive, help="at most so many changes a module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and the changes")
    parser.add_argument("--workdir", type=Path, default=ROOT / "work" / "mutants")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
