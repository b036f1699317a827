"""How good the models are that the pipeline makes: several seeds, other sites, ablations.

Every number comes from a run of the real pipeline, `local_runner.py` in a process of its
own. An interrupted benchmark goes on where it stopped; what is done is not run again.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.ablations import LEAN_SETTINGS, ablations, why_left_out
from benchmarks.comparison import describe_machine
from benchmarks.quality_runs import Bench, BenchmarkError, Films, Record, Variant, check_sites
from benchmarks.quality_tables import Ablation, ablation_report, heading, quality_report
from models.hyperparameters import Hyperparameters
from models.source import source_fingerprint
from pipeline.config import ConfigError, PipelineConfig
from pipeline.external_site import refuse_data_root
from pipeline.flags import add_config_flags, positive
from pipeline.runs import write_text

_DEFAULT_PRESET = "standard"
_PROGRAM = "benchmarks.model_quality"
_STANDARD = "standard"  # the variant that the flags describe, whatever its preset
_FAILED, _USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints the tables and returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    flags = _parse(words)
    console = Console(stderr=True, highlight=False)
    try:
        films = _find_films(flags.data_root, flags.external_data_root)
        _check_flags(flags)
        report = measure(flags, films, f"python -m {_PROGRAM} {shlex.join(words)}", console)
    except ConfigError as error:
        print(f"model_quality: {error}", file=sys.stderr)
        return _USAGE
    except BenchmarkError as error:
        print(f"model_quality: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("model_quality: stopped; the same command goes on from here", file=sys.stderr)
        return _FAILED
    if flags.out:
        write_text(flags.out, report + "\n")
    if sys.stdout.isatty():
        Console().print(Markdown(report))
    else:
        print(report)
    return 0


def measure(flags: argparse.Namespace, films: Films, command: str, console: Console) -> str:
    """Makes every run that is missing and returns the tables as Markdown.

    Args:
        flags: Of the command line.
        films: To train on and to score.
        command: As typed.
        console: For progress.

    Raises:
        BenchmarkError: If a run fails.
        ConfigError: For a bad setting.
    """
    standard = Variant(_STANDARD, flags.preset or _DEFAULT_PRESET, flags.config, tuple(flags.set))
    config = standard.config(seed=0)  # a bad setting is refused before anything is written
    check_sites(films.external.values(), films.data_root, config.data)
    bench = Bench(films, flags.workdir, console)
    records = bench.measure(standard, range(flags.seeds))
    parts = [
        heading(command, records, describe_machine(), source_fingerprint()),
        quality_report(records),
    ]
    if flags.ablations:
        parts.append(_measure_ablations(bench, standard, flags))
    return "\n\n".join(parts)


def _measure_ablations(bench: Bench, standard: Variant, flags: argparse.Namespace) -> str:
    seeds = range(flags.ablation_seeds or flags.seeds)
    epochs = {"train.epochs": flags.ablation_epochs} if flags.ablation_epochs else {}
    lean = standard.changed("standard of the ablations", {**LEAN_SETTINGS, **epochs})
    # Its runs are there already, unless the ablations train in another way.
    reference = standard if _training(lean) == _training(standard) else lean
    records = bench.measure(reference, seeds)
    base = _trained_with(records[0])
    rows, left_out = [], {}
    for name, settings in ablations(base).items():
        if flags.only and name not in flags.only:
            continue
        changed = lean.changed(name, settings)
        if reason := why_left_out(base, settings) or _refusal(changed):
            left_out[name] = reason
        else:
            rows.append(Ablation(name, settings, bench.measure(changed, seeds)))
    return ablation_report(records, rows, left_out)


def _refusal(variant: Variant) -> str:
    """Returns why the pipeline does not take a combination of settings; empty if it does."""
    try:
        variant.config(seed=0)
    except ConfigError as error:
        return str(error)
    return ""


def _training(variant: Variant) -> PipelineConfig:
    """Returns the settings but for what only judges a model."""
    config = variant.config(seed=0)
    return config.model_copy(update={"evaluation": type(config.evaluation)()})


def _trained_with(record: Record) -> Hyperparameters:
    """Returns what a run used in the end, imported values included."""
    return Hyperparameters.model_validate(record.summary["hyperparameters"])


def _find_films(data_root: Path, roots: Sequence[Path]) -> Films:
    for flag, folder in (("--data-root", data_root), *(("--external-data-root", r) for r in roots)):
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not a folder; check {flag}")
    external: dict[str, Path] = {}
    for root in roots:
        name = root.resolve().name
        if name in external:
            raise ConfigError(
                f"{external[name]} and {root} would both be called {name} in the tables; rename one"
            )
        external[name] = root
    for root in roots:
        refuse_data_root(str(root), str(data_root))
    return Films(data_root, external)


def _check_flags(flags: argparse.Namespace) -> None:
    for root in (flags.data_root, *flags.external_data_root):
        if flags.workdir.resolve().is_relative_to(root.resolve()):
            raise ConfigError(
                f"the work directory {flags.workdir} lies inside {root}, which a run would then "
                "change; choose another with --workdir"
            )
    if flags.out is not None and not flags.out.parent.is_dir():
        raise ConfigError(f"there is no folder {flags.out.parent} to write --out to; make it first")
    known = list(ablations(Hyperparameters()))
    unknown = [name for name in flags.only if name not in known]
    if unknown:
        raise ConfigError(f"there is no ablation '{unknown[0]}'; there are: {', '.join(known)}")
    if not flags.ablations and (flags.only or flags.ablation_seeds or flags.ablation_epochs):
        raise ConfigError(
            "--only, --ablation-seeds and --ablation-epochs speak of ablations; add --ablations"
        )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {_PROGRAM}",
        description="Train with several seeds, score on held-out films and other sites, compare "
        "settings.",
    )
    add = parser.add_argument
    add("--data-root", type=Path, required=True, help="films, as for local_runner")
    add("--seeds", type=positive, default=5, help="trainings of each setting (5)")
    add(
        "--external-data-root", type=Path, action="append", default=[], metavar="DIR",
        help="films of another site, scored by every model; repeatable",
    )  # fmt: skip
    add("--ablations", action="store_true", help="change one choice at a time, too")
    add("--ablation-seeds", type=positive, metavar="N", help="trainings of each (as --seeds)")
    add("--ablation-epochs", type=positive, metavar="N", help="epochs of each (as the standard)")
    add("--only", nargs="+", default=[], metavar="NAME", help="these ablations, by name")
    add(
        "--workdir", type=Path, default=Path("work/model_quality"),
        help="runs, logs and results, also of earlier calls (work/model_quality)",
    )  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="write the tables there too, as Markdown")
    add_config_flags(parser, _DEFAULT_PRESET)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is as Ctrl-C
    sys.exit(main())
