"""The command line as a user types it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


def call(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.parametrize("runner", ["local_runner.py", "kubeflow_runner.py"])
def test_help_does_not_wait_for_tensorflow(tmp_path: Path, runner: str) -> None:
    done = call(sys.executable, "-X", "importtime", str(ROOT / runner), "--help", folder=tmp_path)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pydantic" in imported
    assert not imported & {"tensorflow", "tfx", "keras", "apache_beam"}


def test_help_says_what_it_is_not(tmp_path: Path) -> None:
    done = call(sys.executable, str(ROOT / "local_runner.py"), "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "not a medical device" in " ".join(done.stdout.split())
    for flag in ("--data-root", "--workdir", "--preset", "--set", "--config", "--verbose"):
        assert flag in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "huge"], "invalid choice: 'huge'"),
        (["--set", "train.epoch=3"], "there is no setting 'train.epoch'; 'train' has: epochs"),
        (["--config", "absent.yaml"], "the config file absent.yaml cannot be read"),
    ],
)
def test_a_wrong_flag_is_answered_before_anything_is_written(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = call(sys.executable, str(ROOT / "local_runner.py"), *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_tfx_registers_the_pipeline_without_running_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    tfx = Path(sys.executable).with_name("tfx")
    done = call(
        str(tfx), "pipeline", "create", "--engine=local",
        f"--pipeline_path={ROOT / 'local_runner.py'}", folder=tmp_path, HOME=str(home),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'Pipeline "cxr_pneumonia" created successfully.' in done.stdout
    (registered,) = home.rglob("pipeline_args.json")
    facts = json.loads(registered.read_text(encoding="utf-8"))
    assert facts["pipeline_dsl_path"] == str(ROOT / "local_runner.py")
    assert {path.name for path in (tmp_path / "work").iterdir()} == {".lock", "runs"}  # no films
