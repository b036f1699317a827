"""Ctrl-C ends a training cleanly, and the same command takes it up again."""

from __future__ import annotations

import re

from tests.conftest import EPOCHS_BEFORE_INTERRUPT
from tests.support import LocalRun, execution_states

EPOCHS = 4


def epochs_shown(run: LocalRun) -> list[int]:
    return [int(number) for number in re.findall(rf"epoch (\d+)/{EPOCHS} ", run.terminal)]


def test_ctrl_c_ends_in_a_sentence(interrupted: LocalRun) -> None:
    assert interrupted.status == 1
    assert epochs_shown(interrupted) == list(range(1, EPOCHS_BEFORE_INTERRUPT + 1))
    assert "stopped; the same command goes on from what has finished" in interrupted.text
    assert "Traceback" not in interrupted.terminal
    assert interrupted.summary["status"] == "interrupted"


def test_ctrl_c_leaves_the_serving_directory_untouched(
    refused: LocalRun, interrupted: LocalRun
) -> None:
    assert interrupted.serving == refused.serving


def test_training_goes_on_from_its_last_epoch(resumed: LocalRun) -> None:
    assert epochs_shown(resumed) == list(range(EPOCHS_BEFORE_INTERRUPT + 1, EPOCHS + 1))


def test_the_resumed_run_is_pushed_beside_the_first(pushed: LocalRun, resumed: LocalRun) -> None:
    assert resumed.status == 0
    assert resumed.summary["status"] == "pushed"
    assert resumed.summary["hyperparameters"]["train"]["epochs"] == EPOCHS
    versions = {path.split("/")[0] for path in resumed.serving}
    assert versions == {pushed.summary["pushed_version"], resumed.summary["pushed_version"]}
    assert pushed.serving.items() <= resumed.serving.items()


def test_what_had_finished_comes_from_the_cache(resumed: LocalRun) -> None:
    states = execution_states(resumed)
    assert states["Transform"] == "CACHED"
    assert states["Trainer"] == states["Pusher"] == "COMPLETE"


def test_a_finished_training_leaves_no_checkpoints(resumed: LocalRun) -> None:
    checkpoints = resumed.work.path / "checkpoints"
    assert checkpoints.is_dir()
    assert list(checkpoints.iterdir()) == []
