"""Slices cover the films; ages fall into the bands that the contract names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metrics.slices import age_band, slices_of
from models import features

FILMS = {
    "subtype": ["none", "virus", "none"], "view": ["PA", "AP", "AP"], "sex": ["F", "F", "F"],
    "age_band": ["0-4", "65+", "0-4"], "site": ["b", "a", "b"],
    "style": ["1", "1", "1"],
}  # fmt: skip


@pytest.mark.parametrize("films", [FILMS, pd.DataFrame(FILMS, index=[7, 8, 9])])
def test_each_value_of_each_dimension_is_a_slice(films: pd.DataFrame) -> None:
    masks = {name: mask.tolist() for name, mask in slices_of(films)}
    yes, no = True, False
    assert list(masks.items()) == [
        ("overall", [yes, yes, yes]),
        ("subtype=none", [yes, no, yes]),
        ("subtype=virus", [no, yes, no]),
        ("view=AP", [no, yes, yes]),
        ("view=PA", [yes, no, no]),
        ("sex=F", [yes, yes, yes]),
        ("age_band=0-4", [yes, no, yes]),
        ("age_band=65+", [no, yes, no]),
        ("site=a", [no, yes, no]),
        ("site=b", [yes, no, yes]),
        ("style=1", [yes, yes, yes]),
    ]


def test_dimensions_may_be_chosen() -> None:
    names = [name for name, _ in slices_of({"view": np.array(["PA", "AP"])}, ["view"])]
    assert names == ["overall", "view=AP", "view=PA"]


@pytest.mark.parametrize(
    ("age_years", "band"),
    [
        (-1, "unknown"), (0, "0-4"), (4, "0-4"), (5, "5-17"), (17, "5-17"), (18, "18-39"),
        (39, "18-39"), (40, "40-64"), (64, "40-64"), (65, "65+"), (120, "65+"),
    ],
)  # fmt: skip
def test_age_bands(age_years: int, band: str) -> None:
    assert age_band(age_years) == band
    assert band in features.AGE_BANDS
