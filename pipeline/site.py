"""Takes a pushed model to another place.

python -m pipeline.site prior MODEL --prevalence 0.1 --to DIR
python -m pipeline.site prior MODEL --films FOLDER --to DIR

Where films of another place hold another share of pneumonia, `prior` writes a version whose
probabilities and operating point are those for that share. Where they look otherwise, that is
not enough: `local_runner.py --start-from` trains on films of that place.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import ConfigError
from radiographs.errors import DataError

_EXIT_WRITTEN, _EXIT_REFUSED = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the flags say and returns the exit status: 0, or 2 where it is refused."""
    flags = _parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from pipeline import prior_shift  # late, as TensorFlow is

    try:
        if flags.films is None:
            corrected = prior_shift.correct_by_share(flags.model, flags.prevalence, flags.to)
        else:
            corrected = prior_shift.correct_by_films(flags.model, flags.films, flags.to, _say)
    except (ConfigError, DataError) as error:
        _say(str(error))
        return _EXIT_REFUSED
    for line in _account(corrected.correction):
        print(line)
    print(f"wrote {corrected.folder}")
    return _EXIT_WRITTEN


def _say(sentence: str) -> None:
    print(f"site: {sentence}", file=sys.stderr)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.site", description="Takes a pushed model to another place."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    prior = commands.add_parser(
        "prior", help="writes a version for films of which another share is pneumonia"
    )
    prior.add_argument("model", help="folder of a pushed version, or of versions")
    share = prior.add_mutually_exclusive_group(required=True)
    share.add_argument(
        "--prevalence", type=float, metavar="SHARE", help="share of films that are pneumonia there"
    )
    share.add_argument(
        "--films", metavar="FOLDER", help="films of that place, unlabelled, that tell the share"
    )
    prior.add_argument("--to", required=True, metavar="DIR", help="folder that gets the version")
    return parser.parse_args(arguments)


def _account(correction: Mapping[str, Any]) -> list[str]:
    before, after = correction["prevalence_before"], correction["prevalence"]
    lines = []
    if "films" in correction:
        low, high = correction["interval"]
        lines.append(
            f"{correction['films']} films look as if a share of {after:.4f} were pneumonia "
            f"({low:.4f}-{high:.4f}), if films of a class look as those that the model was "
            f"calibrated on; left out: {correction['out_of_distribution']} out of distribution, "
            f"{correction['left_out']} not judged or no films. Nothing here shows that the model "
            "tells films of this place: score some whose labels are known, as "
            "evaluation.external_data_root of a run does"
        )
    lines.append(
        f"prevalence {before:.4f} -> {after:.4f}, "
        f"threshold {correction['threshold_before']:.4f} -> {correction['threshold']:.4f}"
    )
    return lines


if __name__ == "__main__":
    sys.exit(main())
