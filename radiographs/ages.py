"""How an age is written: `58`, and DICOM's age string `058Y`, `011M`."""

from __future__ import annotations

import math
import re

MAX_AGE_YEARS = 120

_AGE = re.compile(r"(\d+(?:\.\d*)?)([dwmy]?)", re.IGNORECASE)
_UNITS_PER_YEAR = {"": 1.0, "y": 1.0, "m": 12.0, "w": 52.18, "d": 365.25}


def age_in_years(written: str) -> int | None:
    """Reads an age.

    Args:
        written: A number of years, or of days, weeks, months or years by the letter behind it.

    Returns:
        Whole years from 0 to `MAX_AGE_YEARS`, or None for anything else.
    """
    match = _AGE.fullmatch(written)
    age = float(match[1]) / _UNITS_PER_YEAR[match[2].lower()] if match else math.inf
    return math.floor(age) if age <= MAX_AGE_YEARS else None
