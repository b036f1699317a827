"""memory: what is written is read, and the table shows what was measured."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks import memory, memory_work
from models import features


def test_films_are_written_as_transform_does(tmp_path: Path) -> None:
    memory_work.write_transformed(tmp_path, films=40, size_px=32)
    files = sorted(str(file) for file in tmp_path.iterdir())
    examples = [
        tf.train.Example.FromString(record)
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    ]
    labels = [one.features.feature[features.LABEL_XF].int64_list.value[0] for one in examples]
    assert (len(labels), sum(labels)) == (40, 30)
    (image,) = examples[0].features.feature[features.IMAGE_XF].bytes_list.value
    assert len(image) == 32 * 32
    memory_work.read_epoch(tmp_path, size_px=32)


def test_the_table_has_a_row_for_each_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peaks = {memory.WRITE: 0.0, memory.IMPORTS: 600.0, memory.EPOCH: 650.4, memory.AUDIT: 1200.0}

    def measured(what: str, folder: Path, films: int, flags: argparse.Namespace) -> float:
        if what == memory.WRITE:
            (folder / "films").write_bytes(bytes(2_000 * films))
        return peaks[what]

    monkeypatch.setattr(memory, "_in_own_process", measured)
    assert memory.main(["--films", "1000", "5000"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert rows == ["| 1,000 | 2 | 600 | 650 | 1,200 |", "| 5,000 | 10 | 600 | 650 | 1,200 |"]
