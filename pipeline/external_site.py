"""Refuses another site that is the data root itself, before anything is imported or read."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from pipeline.config import ConfigError


def refuse_data_root(external_root: str, data_root: str) -> None:
    """Refuses a folder of external films that overlaps with the films to train on.

    Args:
        external_root: `evaluation.external_data_root`; empty for none.
        data_root: Folder or URI of the films to train on.

    Raises:
        ConfigError: If one is the other, or lies inside it.
    """
    if not external_root:
        return
    external, own = _parts(external_root), _parts(data_root)
    shorter = min(len(external), len(own))
    if external[:shorter] == own[:shorter]:
        relation = "is" if external == own else "lies inside" if external > own else "contains"
        raise ConfigError(
            f"the external data root {external_root} {relation} the data root {data_root}, so its "
            "films would be no other site's; choose another evaluation.external_data_root"
        )


def _parts(root: str) -> tuple[str, ...]:
    if "://" not in root:
        return Path(os.path.realpath(root)).parts
    scheme, _, path = root.partition("://")
    return scheme.lower(), *(part for part in posixpath.normpath(path).split("/") if part)
