"""The state of a training: whole or not there, whatever happened to its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.checkpoints import Checkpoints, TrainingState
from tests.unit.models.drawn_films import damage

FILES = ("after_epoch_1.npz", "after_epoch_2.npz")


def state_after(epochs: int) -> TrainingState:
    """Returns a state whose every number says after which epoch it is from."""
    return TrainingState(
        weights=[np.full((3, 2), epochs, np.float32), np.full(5, epochs, np.float32)],
        optimiser=[np.array(epochs, np.int64), np.full((3, 2), epochs, np.float32)],
        best_weights=[np.full((3, 2), epochs, np.float32), np.full(5, epochs, np.float32)],
        history=tuple({"epoch": epoch, "loss": 0.5} for epoch in range(epochs)),
    )


def assert_whole(state: TrainingState | None, epochs: int) -> None:
    assert state is not None
    expected = state_after(epochs)
    assert state.history == expected.history
    for part in ("weights", "optimiser", "best_weights"):
        for found, wanted in zip(getattr(state, part), getattr(expected, part), strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture(name="folder")
def keep_three(tmp_path: Path) -> Path:
    """What is left after two epochs."""
    checkpoints = Checkpoints(str(tmp_path))
    for epochs in (1, 2):
        checkpoints.save(state_after(epochs))
    return tmp_path


@pytest.mark.parametrize("root", ["local", "ram://bucket/checkpoints"])
def test_the_newest_state_comes_back(root: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path) if root == "local" else root)
    assert checkpoints.latest() is None
    for epochs in (1, 9, 10, 11):  # by number, not by name
        checkpoints.save(state_after(epochs))
    assert_whole(checkpoints.latest(), 11)


def test_the_order_of_many_arrays_is_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.save(
        TrainingState([np.array(number) for number in range(1200)], history=({"epoch": 0},))
    )
    state = checkpoints.latest()
    assert state is not None
    assert [int(array) for array in state.weights] == list(range(1200))


def test_the_one_before_stays(folder: Path) -> None:
    assert names(folder) == list(FILES)
    Checkpoints(str(folder)).save(state_after(3))
    assert names(folder) == [FILES[1], "after_epoch_3.npz"]


@pytest.mark.parametrize("damaged", [FILES[:1], FILES[1:], FILES])
@pytest.mark.parametrize("how", ["removed", "emptied", "truncated", "overwritten"])
def test_what_is_damaged_counts_as_absent_and_is_said(
    folder: Path, damaged: tuple[str, ...], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in damaged:
        damage(folder / name, how)
    state = Checkpoints(str(folder)).latest()
    whole = [name for name in FILES if name not in damaged]
    if whole:
        assert_whole(state, FILES.index(whole[-1]) + 1)
    else:
        assert state is None
    # The older file is looked at only where the newer one cannot be used.
    newer = [name for name in damaged if name >= max(whole, default="")]
    said = [line for line in caplog.messages if "is left aside" in line]
    assert len(said) == (0 if how == "removed" else len(newer))
    assert all(any(str(folder / name) in line for line in said) for name in newer if said)


def test_a_training_begun_anew_is_kept_beside_what_is_damaged(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path))
    for epochs in (6, 7):
        checkpoints.save(state_after(epochs))
    for file in tmp_path.iterdir():
        damage(file, "truncated")
    checkpoints.save(state_after(1))
    assert_whole(checkpoints.latest(), 1)


def test_no_flipped_byte_gets_through(folder: Path) -> None:
    file = folder / FILES[1]
    content = file.read_bytes()
    (folder / FILES[0]).unlink()
    for position in range(0, len(content), 11):
        flipped = bytes([content[position] ^ 0xFF])
        file.write_bytes(content[:position] + flipped + content[position + 1 :])
        assert Checkpoints(str(folder)).latest() is None


def test_a_kill_at_any_operation_leaves_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each copy, rename and removal in turn is the last, not done or half done."""
    operations = ("copy", "rename", "remove")
    real = {name: getattr(tf.io.gfile, name) for name in operations}

    def killed(name: str, remaining: Iterator[int]) -> Any:
        def operate(*args: Any, **kwargs: Any) -> None:
            if next(remaining, None) is not None:
                return real[name](*args, **kwargs)
            if name == "copy":
                content = Path(args[0]).read_bytes()
                Path(args[1]).write_bytes(content[: len(content) // 3])
            raise SystemExit

        return operate

    for kill_at in range(100):
        folder = tmp_path / str(kill_at)
        checkpoints = Checkpoints(str(folder))
        reached = 0
        with monkeypatch.context() as patch:
            remaining = iter(range(kill_at))
            for name in operations:
                patch.setattr(tf.io.gfile, name, killed(name, remaining))
            try:
                for epochs in (1, 2, 3):
                    checkpoints.save(state_after(epochs))
                    reached = epochs
                break
            except SystemExit:
                pass
        state = checkpoints.latest()
        found = state.next_epoch if state else 0
        assert found in (reached, reached + 1)
        if state:
            assert_whole(state, found)
        for epochs in range(found + 1, 5):
            checkpoints.save(state_after(epochs))
        assert names(folder) == ["after_epoch_3.npz", "after_epoch_4.npz"]
    assert kill_at == 3 * 2 + 1  # three are written beside and renamed, and one is removed
