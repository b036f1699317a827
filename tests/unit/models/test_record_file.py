"""RecordFile: bytes come back as written, from any place, and the folder that is full is named."""

from __future__ import annotations

import errno
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.record_file import RecordFile

# Empty, ending in nulls, holding a line break: what a careless reader changes.
RECORDS = [b"", b"one", b"two\0\0", b"\n", b"\0", bytes(range(256)) * 50]


def test_each_record_comes_back_byte_for_byte_in_any_order() -> None:
    records = RecordFile(iter(RECORDS))
    assert len(records) == len(RECORDS)
    assert records.read(np.arange(6)).tolist() == RECORDS
    assert records.read([5, 2, 2, 0]).tolist() == [RECORDS[5], RECORDS[2], RECORDS[2], b""]


@pytest.mark.parametrize("place", [-1, 6])
def test_a_place_that_is_not_there_is_refused(place: int) -> None:
    with pytest.raises(IndexError, match=f"no record {place} among 6"):
        RecordFile(RECORDS).read([0, place])


def test_threads_read_at_once() -> None:
    contents = [str(number).encode() * (number % 7) for number in range(500)]
    records = RecordFile(contents)
    orders = [np.random.default_rng(seed).permutation(500) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for order, read in zip(orders, pool.map(records.read, orders), strict=True):
            assert read.tolist() == [contents[place] for place in order]


def test_nothing_is_left_in_the_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    records = RecordFile(RECORDS)
    assert not list(tmp_path.iterdir())  # even while it is open, so a kill leaves nothing
    assert records.read([1]).tolist() == [b"one"]


def test_a_full_disk_is_named_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: open("/dev/full", "w+b"))  # noqa: SIM115
    with pytest.raises(OSError) as raised:
        RecordFile(RECORDS)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path))


def test_a_copy_that_was_cut_off_is_no_short_record(monkeypatch: pytest.MonkeyPatch) -> None:
    records = RecordFile(RECORDS)
    os.truncate(records._file.fileno(), 4)
    assert records.read([1]).tolist() == [b"one"]
    with pytest.raises(OSError, match="cut off"):
        records.read([2])
