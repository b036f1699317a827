"""Shows what augmentation makes of real films, as a picture for somebody to judge.

Whether a changed film is still one that a clinic could have taken is for an eye to see;
no test can say it. Each row is a film: first as Transform prepares it, then
changed at random as in training, with the bounds of the settings given.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import ConfigError, load_config
from pipeline.flags import add_config_flags, positive
from radiographs.errors import DataError

_DEFAULT_PRESET = "standard"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws as the flags say and returns the exit status: 0, or 2 where they are wrong."""
    flags = _parse(arguments)
    try:
        config = load_config(flags.preset or _DEFAULT_PRESET, flags.config, flags.set)
        if not flags.out.parent.is_dir():
            raise ConfigError(f"there is no folder {flags.out.parent} for --out; make it first")
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow's notes would bury the result
        # Late: TensorFlow takes seconds to import, which --help and a wrong flag need not wait for.
        from benchmarks import montage

        films = montage.read_examples(str(flags.data_root), config.data, flags.films)
        picture = montage.draw_montage(
            montage.prepare(films, config.preprocessing),
            config.augmentation,
            flags.changes,
            config.train.seed,
        )
        montage.write_png(flags.out, picture)
    except (ConfigError, DataError) as error:
        print(f"augmentation_montage: {error}", file=sys.stderr)
        return 2
    print(f"{flags.out}: a film in each row, unchanged in the first column")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.augmentation_montage",
        description="Draw films beside what augmentation makes of them.",
    )
    parser.add_argument("--data-root", type=Path, required=True, help="films, as for local_runner")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="file to write")
    parser.add_argument("--films", type=positive, default=6, help="rows, of both classes (6)")
    parser.add_argument("--changes", type=positive, default=7, help="changes of each film (7)")
    add_config_flags(parser, _DEFAULT_PRESET)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
