"""Gives a served model another calibration and operating point; all else stays as it is.

Both are variables of the served graph, so a model that was pushed can be moved without the code
and the films that it came from, and every signature answers by the same numbers.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import tensorflow as tf

from models import features
from models.calibration import Calibration, OperatingPoint
from models.served_facts import FACTS_FILE, read_facts, write_facts

CORRECTIONS = "corrections"  # in the facts: what was done to a model after its training


def write_recalibrated(
    saved_model: str,
    calibration: Calibration,
    operating_point: OperatingPoint,
    correction: Mapping[str, Any],
    directory: str,
) -> None:
    """Writes a served model anew with another calibration and operating point.

    Args:
        saved_model: Folder of a SavedModel of `models.signatures`; only read.
        calibration: From logit to probability.
        operating_point: From probability to label.
        correction: What was done and why, for the record; JSON.
        directory: Where to; must not hold a model yet.

    Raises:
        ValueError: If the model is of a version whose calibration is part of its graph.
    """
    content = read_facts(saved_model).content
    served = tf.saved_model.load(saved_model)
    served.calibration_weights.assign(calibration.weights)
    served.thresholds.assign(operating_point.thresholds)
    signatures = {name: served.signatures[name] for name in features.SIGNATURES}
    tf.saved_model.save(served, directory, signatures=signatures)
    extra = posixpath.dirname(FACTS_FILE)
    _copy_files(posixpath.join(saved_model, extra), posixpath.join(directory, extra))
    write_facts(
        directory,
        {
            **content,
            "calibration": asdict(calibration),
            "operating_point": asdict(operating_point),
            CORRECTIONS: [*content.get(CORRECTIONS, []), dict(correction)],
        },
    )


def _copy_files(folder: str, to: str) -> None:
    tf.io.gfile.makedirs(to)
    for name in tf.io.gfile.listdir(folder):
        if not name.endswith("/"):
            tf.io.gfile.copy(posixpath.join(folder, name), posixpath.join(to, name), overwrite=True)
