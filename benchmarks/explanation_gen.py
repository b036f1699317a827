"""What a sample of explained films costs: `python -m benchmarks.explanation_gen --workdir DIR`.

The work of ExplanationGen is done on the test films and the model of the last run of a work
directory, in a folder that is taken away again.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tfx.utils import path_utils

from components.explanation_gen.explained_model import ExplainedModel
from components.explanation_gen.explaining import explain_films
from components.explanation_gen.index import write_index
from models.explanation_settings import ExplanationSettings
from models.features import TEST
from pipeline.lineage import run_outputs
from pipeline.locations import WorkDirectory

_KB, _MB = 1e3, 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explanation_gen", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--workdir", type=Path, default=Path("work"), help="of the run (work)")
    parser.add_argument("--films", type=int, default=200, help="films at most (200)")
    given = parser.parse_args(arguments)
    work = WorkDirectory(given.workdir.resolve())
    outputs = run_outputs(work.metadata, os.readlink(work.runs / "latest"))
    print(
        measure(
            path_utils.serving_model_path(outputs["Trainer", "model"].uri),
            outputs["Trainer", "model_run"].uri,
            f"{outputs['RadiographExampleGen', 'examples'].uri}/Split-{TEST}",
            given.films,
        )
    )


def measure(saved_model: str, model_run: str, test_uri: str, films: int) -> str:
    """Explains films and returns what that took, as a Markdown table.

    Args:
        saved_model: Folder of the SavedModel.
        model_run: Folder of the training record.
        test_uri: Folder of the raw test split.
        films: Films at most.
    """
    start = time.perf_counter()
    model = ExplainedModel.open(saved_model, model_run)
    opened = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        explained = explain_films(model, [test_uri], ExplanationSettings(films=films), folder)
        write_index(explained, folder)
        done = time.perf_counter()
        sizes = [file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cells = [
        len(explained),
        f"{opened - start:.1f}",
        f"{done - opened:.1f}",
        len(sizes),
        f"{sum(sizes) / _MB:.2f}",
        f"{max(sizes) / _KB:.0f}",
        f"{peak / _MB:.0f}",
    ]
    return "\n".join(
        [
            "| films | s to open the model | s to score, explain and draw | files | MB "
            "| largest, kB | most memory of the process, MB |",
            f"|{'---:|' * len(cells)}",
            f"| {' | '.join(map(str, cells))} |",
        ]
    )


if __name__ == "__main__":
    main()
