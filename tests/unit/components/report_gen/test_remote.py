"""Artifacts and report at addresses that are no paths of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import tensorflow as tf

from components.report_gen.collect import collect
from components.report_gen.executor import NUMBERS_FILE, PAGE_FILE, write_report
from components.report_gen.report import Report
from components.report_gen.sources import Source
from tests.ram import object_store, upload
from tests.unit.components.report_gen.small_run import GATES


def test_a_report_is_read_from_and_written_to_an_object_store(
    sources: dict[str, Source], report: Report
) -> None:
    with object_store():
        remote = {
            name: Source(upload(Path(one.uri), f"ram://report/{name}"), one.properties)
            for name, one in sources.items()
        }
        found = collect(remote, GATES)
        assert found.absent == ()
        uri = "ram://report/out"
        tf.io.gfile.makedirs(uri)
        write_report(found, uri)
        with tf.io.gfile.GFile(f"{uri}/{NUMBERS_FILE}") as file:
            told = json.load(file)
        with tf.io.gfile.GFile(f"{uri}/{PAGE_FILE}") as file:
            assert file.read().rstrip().endswith("</html>")
    local = json.loads(json.dumps(report.to_json()))
    assert all(one.startswith("ram://") for one in told["artifacts"].values())
    assert {**told, "artifacts": {}} == {**local, "artifacts": {}}
