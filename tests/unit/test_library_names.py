"""Every column of versions has every name of TFX and its family that the code uses.

An environment holds one column, so the names were looked up in the wheels of all of them, by
`make names`; here the code is held against what was found, and that against what is installed.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import pytest

from tests.unit.test_packaging import PYTHON_VERSIONS, read_lock
from tools.library_names import golden
from tools.library_names.used import Use, find_uses
from tools.library_names.wheels import LIBRARIES

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module", name="found")
def read_golden() -> dict[str, Any]:
    return golden.read()


def test_every_used_name_is_in_every_column(found: dict[str, Any]) -> None:
    assert list(golden.faults(find_uses(golden.CHECKOUT, LIBRARIES), found)) == []


def test_the_names_were_looked_up_in_the_locked_versions(found: dict[str, Any]) -> None:
    locked = {version: read_lock(version) for version in PYTHON_VERSIONS}
    for version, pins in found["versions"].items():
        assert pins == {name: locked[version][name] for name in pins}, "run make names"
    assert list(found["versions"]) == list(PYTHON_VERSIONS)


def test_a_name_that_the_newer_column_lacks_is_named_with_file_and_line(
    found: dict[str, Any],
) -> None:
    planted = Use(golden.CONTROL, "pipeline/evaluation.py", 54)
    assert list(golden.faults([planted], found)) == [
        "pipeline/evaluation.py:54: the libraries of Python 3.12, 3.13 have no "
        "tensorflow_model_analysis.PerSliceMetricThreshold"
    ]


def test_a_name_that_was_not_looked_up_is_named_with_the_command(found: dict[str, Any]) -> None:
    planted = Use("tfx.Unheard", "pipeline/pipeline.py", 7)
    assert list(golden.faults([planted], found)) == [
        "pipeline/pipeline.py:7: tfx.Unheard was not looked up yet; run make names"
    ]


def test_what_was_found_agrees_with_what_is_installed(found: dict[str, Any]) -> None:
    absent = {name for name, pythons in found["absent"].items() if HERE in pythons}
    looked_up = [*found["present"], *found["absent"]]
    assert [name for name in looked_up if is_installed(name) == (name in absent)] == []


def is_installed(dotted: str) -> bool:
    """Imports as far as there are modules, then goes on by attributes."""
    root, *rest = dotted.split(".")
    path, owner = root, importlib.import_module(root)
    for name in rest:
        path = f"{path}.{name}"
        if not hasattr(owner, name):
            # What only an instance has, a class does not show.
            return inspect.isclass(owner) or (inspect.ismodule(owner) and _is_module(path))
        owner = getattr(owner, name)
    return True


def _is_module(path: str) -> bool:
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        return False
    return True
