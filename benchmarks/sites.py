"""What a pushed model gains from films of another site, and what several sites give each other.

python -m benchmarks.sites --start-from work --data-root NEW_SITE
python -m benchmarks.sites --start-from work --data-root SITE --prevalences 0.1 0.5
python -m benchmarks.sites --start-from work --calibrate-on SITE OTHER_SITE
python -m benchmarks.sites --leave-one-out SITE OTHER_SITE
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.quality_runs import BenchmarkError, Variant
from pipeline.config import ConfigError, PipelineConfig, load_config
from pipeline.flags import add_config_flags, positive, share
from pipeline.runs import write_text
from radiographs.errors import DataError

_FAILED, _USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints the table and returns the exit status."""
    flags = _parse(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        report = _measure(flags, console)
    except (ConfigError, DataError, ValueError) as error:
        print(f"sites: {error}", file=sys.stderr)
        return _USAGE
    except BenchmarkError as error:
        print(f"sites: {error}", file=sys.stderr)
        return _FAILED
    if flags.out:
        write_text(flags.out, report + "\n")
    print(report)
    return 0


def _measure(flags: argparse.Namespace, console: Console) -> str:
    if flags.leave_one_out:
        return _leave_one_out(flags, console)
    if flags.start_from is None or not (flags.data_root or flags.calibrate_on):
        raise ConfigError(
            "give --start-from with --data-root, for --prevalences too, or with --calibrate-on; or "
            "else --leave-one-out"
        )
    if flags.calibrate_on:
        return _calibrate_on(flags)
    return _prevalences(flags) if flags.prevalences else _learning_curve(flags, console)


def _named(roots: Sequence[Path], flag: str) -> dict[str, Path]:
    sites = {root.resolve().name: root for root in roots}
    if len(sites) < 2 or len(sites) < len(roots):
        raise ConfigError(f"{flag} takes two folders or more, each of another name")
    return sites


def _calibrate_on(flags: argparse.Namespace) -> str:
    from benchmarks.site_calibration import calibrations  # late, as TensorFlow is
    from benchmarks.site_curve import Curve
    from benchmarks.site_tables import calibration_table

    config = _config(flags)
    sites = {}
    for name, root in _named(flags.calibrate_on, "--calibrate-on").items():
        curve = Curve(config.network.weights, config, str(root))
        sites[name] = (curve.site, curve.logits())
    return calibration_table(
        [one for seed in range(flags.seeds) for one in calibrations(sites, config.train, seed)]
    )


def _prevalences(flags: argparse.Namespace) -> str:
    from benchmarks.site_curve import Curve  # late, as TensorFlow is
    from benchmarks.site_prevalence import prevalences
    from benchmarks.site_tables import prevalence_table

    config = _config(flags)
    curve = Curve(config.network.weights, config, str(flags.data_root))
    logits = curve.logits()
    return prevalence_table(
        [
            one
            for seed in range(flags.seeds)
            for one in prevalences(curve.site, logits, *curve.answers, flags.prevalences, seed)
        ]
    )


def _config(flags: argparse.Namespace) -> PipelineConfig:
    from pipeline.start import settings_to_start_from  # late, as TensorFlow is

    start = settings_to_start_from(flags.start_from)
    return load_config(flags.preset or "standard", flags.config, flags.set, start)


def _leave_one_out(flags: argparse.Namespace, console: Console) -> str:
    from benchmarks.joined_sites import leave_one_out  # late, as TensorFlow is
    from benchmarks.site_tables import sites_table

    sites = _named(flags.leave_one_out, "--leave-one-out")
    variant = Variant("sites", flags.preset or "standard", flags.config, tuple(flags.set))
    variant.config(seed=0)  # a bad setting is refused before films are copied
    trainings = leave_one_out(sites, variant, range(flags.seeds), flags.workdir, console)
    return sites_table(trainings)


def _learning_curve(flags: argparse.Namespace, console: Console) -> str:
    from benchmarks.site_curve import Curve  # late, as TensorFlow is
    from benchmarks.site_tables import curve_table

    config = _config(flags)
    curve = Curve(config.network.weights, config, str(flags.data_root))
    console.print(f"{len(curve.site.classes)} films of {flags.data_root} are judged")
    points = []
    for seed in range(flags.seeds):
        for point in curve.points(flags.films, seed):
            points.append(point)
            auc = point.metrics["auc"]
            console.print(f"seed {seed}, {point.films} films, {point.way}: AUC {auc:.3f}")
        if flags.out:  # a long measurement that is stopped leaves what it has found
            write_text(flags.out, curve_table(points) + "\n")
    return curve_table(points)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sites",
        description="Adapts a pushed model to a few films of another site, scored on the others; "
        "or trains on several sites.",
    )
    add = parser.add_argument
    add("--start-from", metavar="MODEL", help="pushed model, or its work directory")
    add("--data-root", type=Path, help="films of the other site")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--calibrate-on", type=Path, nargs="+", metavar="FOLDER",
        help="instead: compare train.calibrate_on over films of these sites, new to the model",
    )  # fmt: skip
    instead.add_argument(
        "--leave-one-out", type=Path, nargs="+", metavar="FOLDER",
        help="instead: train on these sites together, and on all but each of them",
    )  # fmt: skip
    instead.add_argument(
        "--prevalences", type=share, nargs="+", metavar="SHARE",
        help="instead: films of --data-root drawn so that these shares are pneumonia",
    )  # fmt: skip
    add("--films", type=positive, nargs="+", default=[25, 50, 100, 200], help="labelled films")
    add("--seeds", type=positive, default=3, help="draws of films, and trainings (3)")
    add(
        "--workdir", type=Path, default=Path("work/sites"),
        help="joined films, runs and results of --leave-one-out (work/sites)",
    )  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="write the table there too, as Markdown")
    add_config_flags(parser, "standard")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
