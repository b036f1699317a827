"""Which films belong to a slice, by what is known of each."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from models import features

OVERALL = "overall"


def slices_of(
    films: Mapping[str, Any], dimensions: Sequence[str] = features.SLICES
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields name and mask of each slice: all films, then every value of each dimension.

    Args:
        films: `[films]` values by dimension: a mapping of arrays, or a data frame.
        dimensions: At least one.

    Yields:
        `overall` or a name such as `view=PA`, and a mask `[films]`.
    """
    columns = {name: np.asarray(films[name]) for name in dimensions}
    yield OVERALL, np.ones(len(next(iter(columns.values()))), dtype=bool)
    for name, values in columns.items():
        for value in sorted(set(values.tolist())):
            yield f"{name}={value}", values == value


def age_band(age_years: int) -> str:
    """Returns the slice of an age, one of `features.AGE_BANDS`.

    Args:
        age_years: In whole years; below 0 is unknown.
    """
    if age_years < 0:
        return features.UNKNOWN
    return features.AGE_BANDS[bisect.bisect_right(features.AGE_BAND_STARTS_YEARS, age_years)]
