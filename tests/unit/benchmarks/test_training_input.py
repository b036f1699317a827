"""training_input: what is written is read, and the table shows what was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import training_input


def test_every_film_that_was_written_is_read(tmp_path: Path) -> None:
    training_input.write_transformed(tmp_path, 40, 32)
    found = training_input.read_epoch(tmp_path, 32)
    assert found.films == 40
    assert 0 < found.start_mb <= found.peak_mb
    assert found.open_seconds > 0 and found.epoch_seconds > 0


def test_the_table_has_a_row_for_each_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = training_input.Reading(1_000, 600.0, 651.4, 2.0, 3.0)
    monkeypatch.setattr(training_input, "measure", lambda films, size_px: found)
    assert training_input.main(["--films", "1000", "--size-px", "64"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "| 1,000 | 600 | 651 | 51 | 2.0 | 3.0 |"
