"""Scored films by the dozen, as `score_examples` returns them."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pandas as pd

from components.explanation_gen.strata import with_outcomes

THRESHOLD = 0.3


def scored_film(number: int, probability: float, **known: Any) -> dict[str, Any]:
    """Returns a row; NaN is a film that was not judged."""
    judged = not math.isnan(probability)
    called = "PNEUMONIA" if probability >= THRESHOLD else "NORMAL"
    return {
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "patient_id": f"p{number}",
        "label": "NORMAL",
        "subtype": "none",
        "view": "PA",
        "sex": "F",
        "age_band": "5-17",
        "site": "here",
        "style": "1",
        "probability": probability,
        "reason": "ok" if judged else "blank",
        "predicted_label": called if judged else "",
        "answer": called if judged else "",
        "out_of_distribution": 0.5 if judged else math.nan,
        **known,
    }


def scored(*rows: dict[str, Any]) -> pd.DataFrame:
    """Returns rows as a table with outcomes."""
    return with_outcomes(pd.DataFrame(list(rows)))
