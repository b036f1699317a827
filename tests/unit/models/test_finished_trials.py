"""Finished trials of a search come back whole, or are repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.finished_trials import FinishedTrials
from tests.unit.models.drawn_films import damage

VALUES = {"network.width": 4, "train.learning_rate": 1e-3, "tuner/trial_id": "0001"}
REACHED = [{"calibrated_log_loss": 0.1 + 0.2}]


@pytest.fixture(name="trial")
def make_trial(tmp_path: Path) -> Path:
    """Folder of a trial with its weights."""
    folder = tmp_path / "trial_0"
    folder.mkdir()
    (folder / "checkpoint.weights.h5").write_bytes(b"weights" * 100)
    return folder


@pytest.mark.parametrize("root", ["local", "ram://bucket/trials"])
def test_a_finished_trial_comes_back(root: str, trial: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "kept") if root == "local" else root
    FinishedTrials(folder).keep(VALUES, REACHED, str(trial))
    again = tmp_path / "again"
    finished = FinishedTrials(folder)
    assert finished.take({**VALUES, "network.width": 8}, str(again)) is None
    assert finished.take(dict(reversed(VALUES.items())), str(again)) == REACHED
    assert (again / "checkpoint.weights.h5").read_bytes() == b"weights" * 100
    finished.forget()
    assert FinishedTrials(folder).take(VALUES, str(again)) is None


@pytest.mark.parametrize("how", ["removed", "emptied", "truncated", "overwritten"])
def test_a_damaged_one_counts_as_not_finished(
    how: str, trial: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finished = FinishedTrials(str(tmp_path / "kept"))
    finished.keep(VALUES, REACHED, str(trial))
    (file,) = (tmp_path / "kept").iterdir()
    damage(file, how)
    again = tmp_path / "again"
    assert finished.take(VALUES, str(again)) is None
    assert not again.exists()
    said = [line for line in caplog.messages if file.name in line and "repeated" in line]
    assert len(said) == (how != "removed")
