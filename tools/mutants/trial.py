"""Runs tests against a changed module, in a fork of this process.

The parent imports the libraries, so a child starts at once; it forgets what the parent has imported
of the project, and imports the changed module as if it had always been so. Nothing on disk changes.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import math
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Literal

import pytest

Outcome = Literal["killed", "timed out", "survived"]

_SLOW_IMPORTS = (
    "tensorflow", "tensorflow_transform", "tensorflow_data_validation",
    "tensorflow_model_analysis", "apache_beam", "keras_tuner", "tfx.v1", "sklearn.metrics",
    "scipy.stats", "scipy.ndimage", "sklearn.linear_model", "sklearn.preprocessing", "cv2",
    "pydicom", "pydantic", "rich.console",
)  # fmt: skip

_CLOCK = 10  # seconds that may pass for one of the processor's


def prepare() -> None:
    """Imports what every child needs; no op may run here, as TensorFlow's threads do not fork."""
    for name in _SLOW_IMPORTS:
        importlib.import_module(name)
    gc.freeze()  # pytest collects garbage as it ends, and there is none in these libraries


def attempt(
    module: str, file: Path, source: str, tests: Sequence[str], limit_seconds: float
) -> Outcome:
    """Runs tests against a module whose source is replaced.

    Args:
        module: Its name.
        file: Where it lies; said in tracebacks.
        source: What is imported instead.
        tests: Paths for pytest, which stops at the first failure.
        limit_seconds: After so much of the processor's time the tests are stopped, as a busy
            machine makes them slow; after ten times that on the clock, in case they wait for
            nothing.

    Returns:
        "survived" if all tests pass.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _outcome((module, file, source, tuple(tests), limit_seconds, folder), limit_seconds)


def _outcome(arguments: tuple[Any, ...], limit_seconds: float) -> Outcome:
    child = multiprocessing.get_context("fork").Process(target=_run, args=arguments)
    child.start()
    child.join(_CLOCK * limit_seconds)
    if child.exitcode is None:
        child.kill()
        child.join()
        return "timed out"
    if child.exitcode == -signal.SIGXCPU:
        return "timed out"
    return "killed" if child.exitcode else "survived"


def _run(
    module: str, file: Path, source: str, tests: Sequence[str], cpu_seconds: float, folder: str
) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(cpu_seconds), resource.RLIM_INFINITY))
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    _forget_project()
    # AutoGraph reads a function anew from its file, so the changed module has to lie in one.
    changed = Path(tempfile.mkdtemp(dir=folder)) / file.name
    changed.write_text(source, encoding="utf-8")
    sys.meta_path.insert(0, _Replacing(module, _Loader(module, changed, source)))
    # os._exit, because what other exits wait for did not come along into the fork.
    os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests]))


def _forget_project() -> None:
    """Forgets the modules of the working directory, which hold the unchanged one or names of it."""
    project, libraries = Path.cwd(), Path(sys.prefix)
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "/")
        is_of_project = file.is_relative_to(project) and not file.is_relative_to(libraries)
        if is_of_project and name != "__main__":
            del sys.modules[name]


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a source of its own as if it stood in the file."""

    def __init__(self, name: str, file: Path, source: str):
        super().__init__(name, str(file))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Replacing(importlib.abc.MetaPathFinder):
    """Finds one module; all others are found as ever."""

    def __init__(self, name: str, loader: _Loader):
        self._name, self._loader = name, loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._loader.path, loader=self._loader
        )
