"""What a served model says of itself: a file beside its graph.

A reader finds the calibration and the operating point there; what comes after the model, a
correction for another prevalence or a training that starts from it, the settings as well.
"""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from pydantic import TypeAdapter

from models.calibration import Calibration, OperatingPoint
from models.hyperparameters import Hyperparameters
from models.remote_files import write_text

FACTS_FILE = "assets.extra/operating_point.json"

_POINT = TypeAdapter(OperatingPoint)
_NOT_WRITTEN_HERE = "{uri} is no model pushed by this version, {what}; train and push it anew"


@dataclass(frozen=True)
class ServedFacts:
    """Facts of a served model.

    Attributes:
        content: Of the file.
        settings: What it was trained with.
        calibration: From logit to probability.
        operating_point: From probability to label.
    """

    content: dict[str, Any]
    settings: Hyperparameters
    calibration: Calibration
    operating_point: OperatingPoint


def write_facts(saved_model: str, content: Mapping[str, Any]) -> None:
    """Writes the file beside a graph, whole or not at all.

    Args:
        saved_model: Folder of the SavedModel.
        content: `calibration`, `operating_point`, `hyperparameters` and what else there is.
    """
    point = content["operating_point"]
    known = {
        name: None if value is not None and math.isnan(value) else value
        for name, value in point.items()
    }
    text = json.dumps({**content, "operating_point": known}, indent=2, allow_nan=False)
    write_text(posixpath.join(saved_model, FACTS_FILE), text)


def read_facts(saved_model: str) -> ServedFacts:
    """Reads the file beside a graph.

    Args:
        saved_model: Folder of the SavedModel, local or remote.

    Returns:
        What it says.

    Raises:
        ValueError: Saying that there is no such file, or that it is of another version.
    """
    try:
        with tf.io.gfile.GFile(posixpath.join(saved_model, FACTS_FILE)) as file:
            content = json.loads(file.read())
        return ServedFacts(
            content,
            Hyperparameters.model_validate(content["hyperparameters"]),
            Calibration.of_record(content["calibration"]),
            _POINT.validate_python(_numbers(content["operating_point"])),
        )
    except tf.errors.OpError:
        what = f"it has no {FACTS_FILE}"
    except (AttributeError, KeyError, TypeError, ValueError):  # pydantic's error is a ValueError
        what = f"its {FACTS_FILE} lacks the settings or has others"
    raise ValueError(_NOT_WRITTEN_HERE.format(uri=saved_model, what=what)) from None


def _numbers(point: Mapping[str, float | None]) -> dict[str, Any]:
    """Reads NaN where a share was not measured; the edges of a band may be missing."""
    measured = ("sensitivity", "specificity")
    return {
        name: math.nan if value is None and name in measured else value
        for name, value in point.items()
    }
