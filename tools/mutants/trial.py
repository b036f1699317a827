"""Runs tests against a changed module, in a fork of this process.

The parent imports the libraries and nothing of the project, so a child starts at once and
imports the changed module as if it had always been so. Nothing on disk changes.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal

import pytest

Outcome = Literal["killed", "timed out", "survived"]

_SLOW_IMPORTS = (
    "tensorflow", "tensorflow_transform", "tensorflow_data_validation",
    "tensorflow_model_analysis", "apache_beam", "keras_tuner", "tfx.v1", "sklearn.metrics",
    "scipy.stats", "cv2",
)  # fmt: skip


def prepare() -> None:
    """Imports what every child needs; no op may run here, as TensorFlow's threads do not fork."""
    for name in _SLOW_IMPORTS:
        importlib.import_module(name)


def attempt(
    module: str, file: Path, source: str, tests: Sequence[str], limit_seconds: float
) -> Outcome:
    """Runs tests against a module whose source is replaced.

    Args:
        module: Its name.
        file: Where it lies; said in tracebacks.
        source: What is imported instead.
        tests: Paths for pytest, which stops at the first failure.
        limit_seconds: After so long the tests are stopped.

    Returns:
        "survived" if all tests pass.
    """
    child = multiprocessing.get_context("fork").Process(
        target=_run, args=(module, file, source, tuple(tests))
    )
    child.start()
    child.join(limit_seconds)
    if child.exitcode is None:
        child.kill()
        child.join()
        return "timed out"
    return "killed" if child.exitcode else "survived"


def _run(module: str, file: Path, source: str, tests: Sequence[str]) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    sys.meta_path.insert(0, _Replacing(module, _Loader(module, file, source)))
    # os._exit, because what other exits wait for did not come along into the fork.
    os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests]))


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
