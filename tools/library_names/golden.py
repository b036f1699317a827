"""The file of looked-up names: what stands in it, and what is wrong with code held against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.library_names.resolve import Packages
from tools.library_names.used import Use, find_uses
from tools.library_names.wheels import LIBRARIES, read_pins, unpack

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "tests" / "golden" / "library_names.json"
COMMAND = "make names"
# In TFMA 0.47 and gone from 0.52, so that the file shows that the wheels were read. Put together,
# or it would be a use itself.
CONTROL = ".".join(("tensorflow_model_analysis", "PerSliceMetricThreshold"))


def survey(checkout: Path, cache: Path) -> dict[str, Any]:
    """Looks every used name up in the wheels of every lock.

    Args:
        checkout: Root of the project.
        cache: Folder for the wheels.

    Returns:
        `versions`, by Python and distribution; `present`, the names that all have; `absent`,
        by name the Python versions whose lock has it not.
    """
    pins = read_pins(checkout / "requirements")
    packages = {python: Packages(unpack(python, pins[python], cache)) for python in pins}
    names = {use.name for use in find_uses(checkout, LIBRARIES)} | {CONTROL}
    lacking = {
        name: [python for python, unpacked in packages.items() if not unpacked.have(name)]
        for name in sorted(names)
    }
    return {
        "written_by": COMMAND,
        "versions": pins,
        "absent": {name: pythons for name, pythons in lacking.items() if pythons},
        "present": [name for name, pythons in lacking.items() if not pythons],
    }


def read() -> dict[str, Any]:
    """Reads the file."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def write(found: dict[str, Any]) -> None:
    """Writes the file; `found` is of `survey`."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def faults(uses: Iterable[Use], found: dict[str, Any]) -> Iterator[str]:
    """Yields a sentence for every use that not all columns have, or that was not looked up.

    Args:
        uses: Of our code.
        found: Of `survey`.
    """
    present = set(found["present"])
    for use in uses:
        if use.name in found["absent"]:
            pythons = ", ".join(found["absent"][use.name])
            yield f"{use.file}:{use.line}: the libraries of Python {pythons} have no {use.name}"
        elif use.name not in present:
            yield f"{use.file}:{use.line}: {use.name} was not looked up yet; run {COMMAND}"
