"""Tools for the data contract: a change of it as a diff, and statistics of what was served.

`python -m pipeline.schema update` proposes what would let the films of a run keep the contract;
a person decides. `python -m pipeline.schema statistics` makes the file that
`data_gate.serving_statistics` names.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import PipelineOptions
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from models.features import PATIENT_ID
from models.remote_files import written_beside
from pipeline.beam import beam_arguments
from pipeline.config import Beam
from pipeline.lineage import run_outputs
from pipeline.locations import PACKAGED_SCHEMA, WorkDirectory
from pipeline.runs import write_text
from pipeline.schema_text import updated_text

EXIT_DONE, EXIT_USAGE = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command says and returns 0, or 2 where something it needs is not there."""
    flags = _parse(arguments)
    try:
        return _update(flags) if flags.command == "update" else _statistics(flags)
    except (ValueError, OSError, tf.errors.OpError) as error:
        print(f"pipeline.schema: {error}", file=sys.stderr)
        return EXIT_USAGE


def proposal(text: str, statistics: Iterable[statistics_pb2.DatasetFeatureStatisticsList]) -> str:
    """Brings a schema up to date with films.

    Args:
        text: Of the schema.
        statistics: Of each split; those without films are left out.

    Returns:
        Text of a schema in which TFDV finds no anomaly; the same where there was none.
    """
    schema = text_format.Parse(text, schema_pb2.Schema())
    for of_split in statistics:
        if of_split.datasets[0].num_examples:
            schema = tfdv.update_schema(schema, of_split)
    return updated_text(text, schema)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.schema")
    commands = parser.add_subparsers(dest="command", required=True)
    update = commands.add_parser("update", help="propose a change of schema.pbtxt as a diff")
    update.add_argument("--workdir", type=Path, default=Path("work"))
    update.add_argument("--run", default="latest", metavar="ID", help="run id (latest)")
    update.add_argument(
        "--write", type=Path, metavar="FILE", help="write the new schema there; without it nothing"
    )
    statistics = commands.add_parser(
        "statistics", help="statistics of served films, for data_gate.serving_statistics"
    )
    statistics.add_argument(
        "examples", help="pattern of TFRecord files of tf.Example, with the features of the schema"
    )
    statistics.add_argument("--to", required=True, metavar="FILE", help="file or URI to write")
    return parser.parse_args(arguments)


def _update(flags: argparse.Namespace) -> int:
    work = WorkDirectory(flags.workdir.resolve())
    run_id = work.run(flags.run).resolve().name  # `latest` is a link
    artifact = run_outputs(work.metadata, run_id).get(("StatisticsGen", "statistics"))
    if artifact is None:
        raise ValueError(
            f"{work.path} has no run '{flags.run}' with statistics; look into {work.runs}"
        )
    files = sorted(Path(artifact.uri).glob("Split-*/FeatureStats.pb"))
    old = PACKAGED_SCHEMA.read_text(encoding="utf-8")
    new = proposal(old, [tfdv.load_stats_binary(str(file)) for file in files])
    if flags.write:
        write_text(flags.write, new)
    if new == old:
        print(f"the films of run {run_id} keep the schema; there is nothing to propose")
        return EXIT_DONE
    lines = (old.splitlines(keepends=True), new.splitlines(keepends=True))
    name = f"{PACKAGED_SCHEMA.parent.name}/{PACKAGED_SCHEMA.name}"
    sys.stdout.writelines(difflib.unified_diff(*lines, f"a/{name}", f"b/{name}"))
    return EXIT_DONE


def _statistics(flags: argparse.Namespace) -> int:
    if not tf.io.gfile.glob(flags.examples):
        raise ValueError(f"no file matches {flags.examples}; name TFRecord files of tf.Example")
    schema = tfdv.load_schema_text(str(PACKAGED_SCHEMA))
    names = [one.name for one in schema.feature if one.HasField("skew_comparator")]
    options = tfdv.StatsOptions(schema=schema, feature_allowlist=[*names, PATIENT_ID])
    beam = PipelineOptions(beam_arguments(Beam()))
    with tempfile.TemporaryDirectory() as folder:  # TFDV's file is a record, not what TFX reads
        served = tfdv.generate_statistics_from_tfrecord(
            flags.examples, f"{folder}/statistics", options, beam
        )
    with written_beside(flags.to) as path, open(path, "wb") as file:
        file.write(served.SerializeToString())
    print(f"wrote {flags.to}; name it in data_gate.serving_statistics")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
