"""Runs of the pipeline that tests share: each happens once, and none before it is asked for.

They follow one another in one work directory, as a user's would: pushed, repeated with
nothing changed, refused by its gate, interrupted, taken up again.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import LocalRun, mount, run_local, settings

# Small enough for a minute, and gates that any model passes.
SMALL = (
    "--preset", "demo",
    *settings(
        phantoms__films=160,
        phantoms__size_px=96,
        preprocessing__image_size_px=64,
        network__width=8,
        train__epochs=2,
        tuner__trials=1,
        tuner__epochs=1,
        evaluation__min_auc=0,
        evaluation__min_swap_auc=0,
        evaluation__min_shortcut_margin=0,
        evaluation__min_recall=0,
        evaluation__min_specificity=0,
        evaluation__min_slice_positives=1,
        evaluation__min_slice_negatives=1,
        evaluation__max_auc_drop=1,
        evaluation__max_recall_drop=1,
        evaluation__max_specificity_drop=1,
    ),
)  # fmt: skip

_FIRST_RUN = "pushed"  # the fixture that all other runs follow

FLOOR = 0.999
TUNED_DROPOUT = 0.125  # in a copy of what the Tuner found, so that an import shows
EPOCHS_BEFORE_INTERRUPT = 2


class _TogetherByFile(LoadScopeScheduling):
    """Divides files among processes, those that look at the shared runs as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        text = (self.config.rootpath / file).read_text(encoding="utf-8")
        return "runs" if f"{_FIRST_RUN}: LocalRun" in text else file


@pytest.hookimpl(optionalhook=True)  # -p no:xdist has no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Called where several processes divide the tests."""
    return _TogetherByFile(config, log)


@pytest.fixture(scope="session", name=_FIRST_RUN)
def push(tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """The first run in a new work directory; its model is pushed."""
    run = run_local(tmp_path_factory.mktemp("first") / "work", *SMALL)
    assert run.status == 0, run.terminal
    return run


@pytest.fixture(scope="session", name="repeated")
def repeat(pushed: LocalRun) -> LocalRun:
    """The same command once more."""
    return run_local(pushed.work.path, *SMALL)


@pytest.fixture(scope="session", name="refused")
def refuse(repeated: LocalRun, tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """One training step, imported hyperparameters and a floor that is out of reach."""
    found = repeated.uri("Tuner", "best_hyperparameters") / "best_hyperparameters.txt"
    text = found.read_text(encoding="utf-8")
    imported = tmp_path_factory.mktemp("imported")
    (imported / found.name).write_text(
        text.replace('"network.dropout": 0.3', f'"network.dropout": {TUNED_DROPOUT}'),
        encoding="utf-8",
    )
    changes = settings(
        tuner__enabled="false",
        tuner__hyperparameters=imported,
        train__epochs=1,
        train__max_steps_per_epoch=1,
        evaluation__min_auc=FLOOR,
    )
    return run_local(repeated.work.path, *SMALL, *changes)


LONGER = (*SMALL, *settings(tuner__enabled="false", train__epochs=4, train__seed=1))


@pytest.fixture(scope="session", name="interrupted")
def interrupt(refused: LocalRun) -> LocalRun:
    """A longer training, stopped by Ctrl-C as an epoch begins."""
    # TFX loads models.training anew, so a change there would be lost.
    from keras.callbacks import TensorBoard

    def stop(self: TensorBoard, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch == EPOCHS_BEFORE_INTERRUPT:
            signal.raise_signal(signal.SIGINT)

    # A shell starts what runs in its background with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TensorBoard, "on_epoch_begin", stop)
            return run_local(refused.work.path, *LONGER)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", name="resumed")
def resume(interrupted: LocalRun) -> LocalRun:
    """The interrupted command once more."""
    return run_local(interrupted.work.path, *LONGER)


@pytest.fixture(scope="session", name="served")
def load_pushed_model(pushed: LocalRun) -> Any:
    """The pushed model, loaded as a server would."""
    import tensorflow as tf

    return tf.saved_model.load(str(pushed.model))


@pytest.fixture(name="workdir")
def make_workdir(tmp_path: Path) -> Path:
    """A work directory of the test's own, not made yet."""
    return tmp_path / "work"


@pytest.fixture(name="disk")
def mount_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
