"""How far styles can be trusted, and how far a model holds in a style it has not seen.

The first table finds the styles of a folder with several seeds and in halves of the films. The
second trains once for each style that has films of both classes, with that style held out.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks.comparison import describe_machine
from benchmarks.quality_runs import Bench, BenchmarkError, Films, Record, Variant
from components.radiograph_example_gen.executor import film_files
from models.features import LABELS, PNEUMONIA
from models.source import source_fingerprint
from pipeline.config import ConfigError, PipelineConfig
from pipeline.flags import add_config_flags, positive
from radiographs.data_roots import read_layout
from radiographs.options import BY_STYLE
from radiographs.styles import Description, find_styles

_PROGRAM = "benchmarks.styles"
_DEFAULT_PRESET = "standard"
_HALVINGS = 5


@dataclass(frozen=True)
class Described:
    """The films of a folder, described.

    Attributes:
        descriptions: By path.
        labels: By path.
    """

    descriptions: Mapping[str, Description]
    labels: Mapping[str, str]

    def names(self, seed: int, paths: Sequence[str] = ()) -> list[str]:
        """Returns the style of every film, found among some, or among all."""
        some = {path: self.descriptions[path] for path in paths} or self.descriptions
        return find_styles(some, seed).nearest(list(self.descriptions.values()))[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures as the flags say, prints the tables and returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    flags = _parse(words)
    standard = Variant("standard", flags.preset or _DEFAULT_PRESET, flags.config, tuple(flags.set))
    try:
        config = standard.config(seed=0)
        described = describe(flags.data_root, config)
        print(f"`python -m {_PROGRAM} {shlex.join(words)}`\n\n{describe_machine()}")
        print(f"\n{source_fingerprint()[:12]}\n\n{stability_report(described, flags.seeds)}")
        if flags.leave_one_out is not None:
            bench = Bench(Films(flags.data_root, {}), flags.workdir, Console(stderr=True))
            print(f"\n{leave_one_out(described, standard, bench, flags.leave_one_out)}")
    except (ConfigError, BenchmarkError) as error:
        print(f"styles: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


def describe(data_root: Path, config: PipelineConfig) -> Described:
    """Describes the usable films of a folder, as the ingest does.

    Args:
        data_root: In a layout that the ingest reads.
        config: Of a run.
    """
    options = config.data.model_copy(update={"split": BY_STYLE})
    files = film_files(str(data_root), options, config.preprocessing.judging)
    films = read_layout(files.root, options).films
    paths = [film.path for film in films]
    files.measure(paths)
    return Described(files.descriptions(paths), {film.path: film.label for film in films})


def stability_report(films: Described, seeds: int) -> str:
    """Returns as Markdown what styles there are, and how far seeds and halves agree on them.

    Args:
        films: Of `describe`.
        seeds: How many clusterings to compare, at least 2.
    """
    found = [films.names(seed) for seed in range(seeds)]
    labels = np.array([films.labels[path] for path in films.descriptions])
    lines = ["| style | films | pneumonia |", "|---|---:|---:|"]
    for name in sorted(set(found[0])):
        of_style = labels[np.array(found[0]) == name]
        share = np.mean(of_style == PNEUMONIA)
        lines.append(f"| {name} | {len(of_style):,} | {share:.1%} |")
    of_seeds = [adjusted_rand_score(one, other) for one, other in combinations(found, 2)]
    of_halves = list(_agreements_of_halves(films))
    information = normalized_mutual_info_score(labels, found[0])
    return "\n".join(
        [
            *lines,
            "",
            "| adjusted Rand index | mean | least |",
            "|---|---:|---:|",
            f"| between {seeds} seeds | {np.mean(of_seeds):.3f} | {min(of_seeds):.3f} |",
            f"| between halves of the films ({_HALVINGS} times) | {np.mean(of_halves):.3f} "
            f"| {min(of_halves):.3f} |",
            "",
            f"Styles found by seed: {', '.join(str(len(set(one))) for one in found)}. Mutual "
            f"information of style and class, normalised: {information:.2f}.",
        ]
    )


def leave_one_out(
    films: Described, standard: Variant, bench: Bench, only: Sequence[str] = ()
) -> str:
    """Trains with each style held out that has films of both classes; returns Markdown.

    Args:
        films: Of `describe`.
        standard: Settings of every run.
        bench: Where they run.
        only: These styles; none given are all.

    Raises:
        BenchmarkError: If a run fails.
        ConfigError: If there is no such style that has films of both classes.
    """
    seed = standard.config(seed=0).data.seed
    classes: dict[str, set[str]] = {}
    for path, name in zip(films.descriptions, films.names(seed), strict=True):
        classes.setdefault(name, set()).add(films.labels[path])
    with_both = sorted(name for name, found in classes.items() if len(found) == len(LABELS))
    unknown = sorted(set(only) - set(with_both))
    if unknown:
        raise ConfigError(
            f"no style {unknown[0]} has films of both classes; --leave-one-out takes "
            f"{', '.join(with_both) or 'none here'}"
        )
    lines = [
        "| style held out | test films | pneumonia | AUC | recall | specificity |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for style in sorted(set(only)) or with_both:
        settings = {
            "data.split": "style",
            "data.test_styles": f"[{style}]",
            "data_gate.accept_drift": "each run of the benchmark holds out another style",
        }
        (record,) = bench.measure(standard.changed(f"without style {style}", settings), [0])
        lines.append(_row(style, record))
    return "\n".join(lines)


def _row(style: str, record: Record) -> str:
    reached: Mapping[str, Any] = record.summary["metrics"]["overall"]
    share = reached["pneumonia_films"] / reached["films"]
    rates = " | ".join(f"{reached[name]:.3f}" for name in ("auc", "recall", "specificity"))
    return f"| {style} | {reached['films']:,} | {share:.1%} | {rates} |"


def _agreements_of_halves(films: Described) -> Iterator[float]:
    paths = list(films.descriptions)
    for seed in range(_HALVINGS):
        order = np.random.default_rng(seed).permutation(len(paths))
        one, other = ([paths[place] for place in half] for half in (order[::2], order[1::2]))
        yield adjusted_rand_score(films.names(seed, one), films.names(seed, other))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {_PROGRAM}",
        description="Find styles of acquisition with several seeds, and train with each held out.",
    )
    add = parser.add_argument
    add("--data-root", type=Path, required=True, help="films, as for local_runner")
    add("--seeds", type=positive, default=5, help="clusterings to compare (5)")
    add(
        "--leave-one-out", nargs="*", metavar="STYLE",
        help="train with each style held out, too, or with each of these",
    )  # fmt: skip
    add(
        "--workdir", type=Path, default=Path("work/styles"),
        help="runs, logs and results, also of earlier calls (work/styles)",
    )  # fmt: skip
    add_config_flags(parser, _DEFAULT_PRESET)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
