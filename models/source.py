"""Tells TFX's cache when the code has changed.

The cache knows a function by its name and a component by its parameters, so a digest of
the code goes along as one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

SOURCE_FINGERPRINT = "source_fingerprint"  # parameter of a component, key of custom_config

_ENDINGS = (".py", ".npz", ".j2", ".css", ".js")
_PACKAGES = ("components", "metrics", "models", "radiographs")


def source_fingerprint() -> str:
    """Returns a digest of the code that runs inside components, its templates and weights."""
    root = Path(__file__).parent.parent
    files = (file for package in _PACKAGES for file in (root / package).rglob("*"))
    return digest(file for file in files if file.suffix in _ENDINGS)


def digest(files: Iterable[Path]) -> str:
    """Returns 16 hexadecimal digits that change with the content of any file."""
    content = hashlib.sha256()
    for file in sorted(files):
        content.update(file.read_bytes())
    return content.hexdigest()[:16]
