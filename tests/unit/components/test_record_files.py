"""Record files are what TFX reads, and are not squeezed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.coders import BytesCoder
from apache_beam.io.tfrecordio import ReadFromTFRecord
from apache_beam.testing.util import assert_that, equal_to

from components.radiograph_example_gen.record_files import ReadRecords, WriteRecords
from pipeline.beam import LOCAL_RUNNER

RECORDS = [b"", b"film", os.urandom(100_000)]


def write(folder: Path, suffix: str) -> Path:
    with beam.Pipeline(runner=LOCAL_RUNNER) as pipeline:
        _ = pipeline | beam.Create(RECORDS) | WriteRecords(f"{folder}/films", BytesCoder(), suffix)
    (file,) = folder.iterdir()
    assert file.name == f"films-00000-of-00001{suffix}"
    return file


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_beam_reads_what_is_written(tmp_path: Path, suffix: str) -> None:
    file = write(tmp_path, suffix)
    with beam.Pipeline(runner=LOCAL_RUNNER) as pipeline:
        assert_that(pipeline | ReadFromTFRecord(str(file)), equal_to(RECORDS))


def test_gzip_holds_the_records_as_they_are(tmp_path: Path) -> None:
    content = write(tmp_path, ".gz").read_bytes()
    assert RECORDS[-1][:30_000] in content
    assert RECORDS[-1] in gzip.decompress(content)


def test_plain_files_are_read_record_by_record(tmp_path: Path) -> None:
    assert list(ReadRecords(BytesCoder()).process(str(write(tmp_path, "")))) == RECORDS
