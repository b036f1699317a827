"""The measurement of what looking for lungs costs."""

from __future__ import annotations

from benchmarks import lung_fields
from tests.unit.models.lung_fields.drawn_chests import chests, encode


def test_every_way_is_timed() -> None:
    best = lung_fields.milliseconds([encode(chests()[0].pixels)], size_px=64, rounds=3)
    assert tuple(best) == lung_fields.WAYS
    assert 0 < best["none"] < min(best["crop"], best["mask"])


def test_the_table_shows_what_is_added() -> None:
    rows = lung_fields.table({"none": 2.0, "crop": 5.25, "mask": 5.5}, films=7).splitlines()
    assert rows[2:5] == [
        "| none | 2.00 | 0.00 |",
        "| crop | 5.25 | 3.25 |",
        "| mask | 5.50 | 3.50 |",
    ]
    assert rows[-1] == "7 films, one core."
