"""Ctrl-C ends a training cleanly, and the same command takes it up again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EPOCHS_BEFORE_INTERRUPT
from tests.support import ROOT, LocalRun, execution_states, run_local, write_films

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


def test_ctrl_c_while_beam_works_is_no_other_error(
    tmp_path: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for label, seed in (("NORMAL", 0), ("PNEUMONIA", 10)):
        write_films(tmp_path / "films", label, 4, first_seed=seed)
    monkeypatch.setattr("components.radiograph_example_gen.executor.to_example", stop)
    run = run_local(workdir, "--preset", "demo", "--data-root", str(tmp_path / "films"))
    assert run.status == 1
    assert "stopped; the same command goes on from what has finished" in run.text
    assert run.summary["status"] == "interrupted"
    assert set(run.summary["durations_seconds"]) == {"ImportSchemaGen"}


def test_a_stop_by_a_scheduler_ends_as_ctrl_c_does(tmp_path: Path, workdir: Path) -> None:
    for label, seed in (("NORMAL", 0), ("PNEUMONIA", 10)):
        write_films(tmp_path / "films", label, 4, first_seed=seed)
    command = [sys.executable, "local_runner.py", "--preset", "demo", "--workdir", str(workdir)]
    with subprocess.Popen(
        [*command, "--data-root", str(tmp_path / "films")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("run ")
        process.terminate()
        try:
            shown, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "stopped; the same command goes on from what has finished" in " ".join(shown.split())
    summary = (workdir / "runs" / "latest" / "summary.json").read_text(encoding="utf-8")
    assert json.loads(summary)["status"] == "interrupted"


def test_settings_that_do_nothing_are_said_and_kept_with_the_run(interrupted: LocalRun) -> None:
    # The number of trials is set for the runs before, which search.
    note = "tuner.trials has no effect: it needs tuner.enabled=true"
    assert note in interrupted.text
    assert note in interrupted.log


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
