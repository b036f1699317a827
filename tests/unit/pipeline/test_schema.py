"""A schema change as a diff: it says what TFDV would change, and leaves the rest as written."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline import schema as command
from pipeline.locations import PACKAGED_SCHEMA
from pipeline.schema import main, proposal
from tests.unit.components.test_data_gate import statistics

TEXT = PACKAGED_SCHEMA.read_text(encoding="utf-8")


def parsed(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def lines_apart(new: str) -> tuple[list[str], list[str]]:
    old = TEXT.splitlines()
    return [one for one in old if one not in new.splitlines()], [
        one for one in new.splitlines() if one not in old
    ]


def test_films_that_keep_the_schema_change_nothing() -> None:
    assert proposal(TEXT, [statistics({}, {"view": "AP"})]) == TEXT


@pytest.mark.parametrize(
    ("film", "gone", "new"),
    [
        (
            {"view": "LATERAL"},
            ['string_domain { name: "view" value: "PA" value: "AP" value: "unknown" }'],
            ['string_domain { name: "view" value: "PA" value: "AP" value: "unknown" '
             'value: "LATERAL" }'],
        ),
        (
            {"age_years": 130},
            ["  int_domain { min: -1 max: 120 }  # -1 is unknown"],
            ["  int_domain { min: -1 max: 130 }"],
        ),
        ({"style": "11"}, [], ['  value: "11"']),
    ],
)  # fmt: skip
def test_only_what_changes_is_written_anew(
    film: dict[str, object], gone: list[str], new: list[str]
) -> None:
    assert lines_apart(proposal(TEXT, [statistics({}, film)])) == (gone, new)


def test_it_is_the_schema_of_tfdv_over_all_splits() -> None:
    splits = [
        statistics({}, {"label": "COVID", "diagnosis": "x"}),
        statistics({"sex": None}, {"mean_intensity": 1.5}),
    ]
    expected = parsed(TEXT)
    for of_split in splits:
        expected = tfdv.update_schema(expected, of_split)
    new = proposal(TEXT, splits)
    assert parsed(new) == expected != parsed(TEXT)
    for of_split in splits:
        assert not tfdv.validate_statistics(of_split, parsed(new)).anomaly_info
    comments = [line for line in TEXT.splitlines() if line.startswith("#")]
    assert comments and [line for line in new.splitlines() if line.startswith("#")] == comments


@pytest.fixture(name="work")
def make_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work directory whose latest run has a film of a view that the schema does not know."""
    split = tmp_path / "statistics" / "Split-train"
    split.mkdir(parents=True)
    film = statistics({}, {"view": "LATERAL"})
    (split / "FeatureStats.pb").write_bytes(film.SerializeToString())
    (tmp_path / "runs" / "r1").mkdir(parents=True)
    (tmp_path / "runs" / "latest").symlink_to("r1")
    known = {"r1": {("StatisticsGen", "statistics"): SimpleNamespace(uri=str(split.parent))}}
    monkeypatch.setattr(command, "run_outputs", lambda _, run_id: known.get(run_id, {}))
    return tmp_path


def test_the_diff_can_be_applied(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "--workdir", str(work)]) == 0
    diff = capsys.readouterr().out
    assert diff.startswith("--- a/schema/schema.pbtxt\n+++ b/schema/schema.pbtxt\n@@ ")
    (work / "schema").mkdir()
    (work / "schema" / "schema.pbtxt").write_text(TEXT, encoding="utf-8")
    subprocess.run(["git", "apply", "-"], cwd=work, input=diff, text=True, check=True)
    new = (work / "schema" / "schema.pbtxt").read_text(encoding="utf-8")
    assert new == proposal(TEXT, [statistics({}, {"view": "LATERAL"})])
    assert PACKAGED_SCHEMA.read_text(encoding="utf-8") == TEXT


def test_it_is_written_where_it_is_told(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path for path in work.rglob("*")}
    assert main(["update", "--workdir", str(work), "--run", "r1"]) == 0
    assert {path for path in work.rglob("*")} == before
    assert main(["update", "--workdir", str(work), "--write", str(work / "new.pbtxt")]) == 0
    assert {path for path in work.rglob("*")} == before | {work / "new.pbtxt"}
    assert "LATERAL" in (work / "new.pbtxt").read_text(encoding="utf-8")


def test_a_run_without_statistics_is_named(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "--workdir", str(work), "--run", "r2"]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"pipeline.schema: {work} has no run 'r2' with statistics; look into {work}/runs\n"
    )


def test_statistics_of_served_films_hold_no_picture_and_no_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "served-0.tfrecord")) as file:
        for number in range(4):
            example = tf.train.Example()
            values = {"image": b"pixels", "view": b"PA", "patient_id": b"p%d" % number}
            for name, value in values.items():
                example.features.feature[name].bytes_list.value.append(value)
            example.features.feature["width_px"].int64_list.value.append(100 + number)
            file.write(example.SerializeToString())
    served = tmp_path / "served.pb"
    assert main(["statistics", f"{tmp_path}/*.tfrecord", "--to", str(served)]) == 0
    (found,) = tfdv.load_stats_binary(str(served)).datasets
    assert found.num_examples == 4
    assert {one.path.step[0] for one in found.features} == {"view", "patient_id", "width_px"}
    assert main(["statistics", f"{tmp_path}/*.none", "--to", str(served)]) == 2
    assert "no file matches" in capsys.readouterr().err
