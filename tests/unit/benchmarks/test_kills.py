from __future__ import annotations

import collections
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks import killing
from benchmarks.killing import ACCOUNT, START, WatchedRun
from benchmarks.kills import SETTINGS, Kill, choose_moments, open_gates, to_markdown
from pipeline.config import load_config
from pipeline.locations import WorkDirectory

SECONDS = {START: 10.0, "Trainer": 30.0, "Pusher": 0.1, ACCOUNT: 1.0}


def stand_in(arguments: Sequence[str]) -> int:
    """Logs what the local runner does, and does nothing else."""
    _, workdir, seconds = arguments
    folder = Path(workdir) / "runs" / "second"
    folder.mkdir(parents=True)
    with (folder / "log.txt").open("w", buffering=1) as log:
        for name in ("Trainer", "Pusher"):
            log.write(f"now INFO absl: Component {name} is running.\nhalf a li")
            log.flush()
            time.sleep(float(seconds))
            log.write(f"ne\nnow INFO absl: Component {name} is finished.\n")
    return 4


def start(work: WorkDirectory, seconds: float) -> WatchedRun:
    return WatchedRun(work, [str(seconds)], stand_in)


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    earlier = tmp_path / "work" / "runs" / "first"
    earlier.mkdir(parents=True)
    (earlier / "log.txt").write_text("Component Transform is running.\n")
    (earlier.parent / "latest").symlink_to("first")
    return WorkDirectory(tmp_path / "work")


def test_stages_are_those_of_this_run(work: WorkDirectory) -> None:
    run = start(work, 0.05)
    assert list(run.stages()) == [
        ("Trainer", True), ("Trainer", False), ("Pusher", True), ("Pusher", False),
    ]  # fmt: skip
    assert run.finish() == 4


def test_a_kill_ends_the_run_in_its_stage(work: WorkDirectory) -> None:
    run = start(work, 30)
    run.wait_for("Trainer")
    assert run.kill()
    log = (work.run("second") / "log.txt").read_text()
    assert "Trainer is running" in log and "finished" not in log


def test_a_run_that_had_ended_was_not_killed(work: WorkDirectory) -> None:
    run = start(work, 0)
    run.wait_for(ACCOUNT)
    run.finish()
    assert not run.kill()


def test_a_paused_run_stays_where_it_is(work: WorkDirectory) -> None:
    run = start(work, 0.2)
    run.wait_for("Trainer")
    run.pause()
    run._process.join(timeout=0.6)  # longer than all of it takes
    assert run._process.exitcode is None
    run.go_on()
    assert run.finish() == 4


def test_each_stage_is_hit_once_before_any_is_hit_twice() -> None:
    moments = choose_moments(SECONDS, len(SECONDS), seed=3)
    assert [moment.stage for moment in moments] == list(SECONDS)
    assert all(0 <= moment.seconds <= SECONDS[moment.stage] for moment in moments)


def test_further_moments_are_of_the_whole_run() -> None:
    moments = choose_moments(SECONDS, 2000, seed=3)[len(SECONDS) :]
    count = collections.Counter(moment.stage for moment in moments)
    assert count["Trainer"] / len(moments) == pytest.approx(30 / 41.1, abs=0.05)
    assert max(m.seconds for m in moments if m.stage == "Trainer") == pytest.approx(30, abs=1)


def test_a_seed_draws_the_same_moments_for_more_kills() -> None:
    assert choose_moments(SECONDS, 12, seed=3)[:7] == choose_moments(SECONDS, 7, seed=3)
    assert choose_moments(SECONDS, 7, seed=3) != choose_moments(SECONDS, 7, seed=4)


def test_the_table_counts_kills_that_did_harm() -> None:
    kills = [
        Kill("Trainer", 1.0, 0, ()),
        Kill("Pusher", 0.1, 0, ("version 1 is not what a Trainer wrote", "another")),
        Kill("Trainer", 2.0, 1, ("the run after it ended with 1: no summary",)),
    ]
    lines = to_markdown(kills, seed=3).splitlines()
    assert lines[0] == "Seed 3."
    assert lines[4:] == ["| Trainer | 2 | 1 |", "| Pusher | 1 | 1 |", "| **all** | **3** | **2** |"]


def test_records_are_those_that_tensorflow_reads(tmp_path: Path) -> None:
    file = tmp_path / "films.gz"
    contents = [b"one", b"", b"x" * 70_000]
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for content in contents:
            writer.write(content)
    assert list(killing._records(file)) == contents


def test_gates_are_open_and_stay_so_where_one_is_added() -> None:
    evaluation = load_config("demo", None, (*SETTINGS, *open_gates())).evaluation
    defaults = type(evaluation)()
    assert {"evaluation.min_auc=0", "evaluation.max_auc_drop=1"} <= set(open_gates())
    for name in (one.partition("=")[0].partition(".")[2] for one in open_gates()):
        assert getattr(evaluation, name) == (1 if name.endswith("_drop") else 0)
        assert getattr(defaults, name) not in (0, 1)
