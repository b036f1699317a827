"""What the terminal says of drift."""

from __future__ import annotations

from typing import Any

from components.report_gen.drift_words import drift_lines


def distance(feature: str, value: float, threshold: float = 0.1) -> dict[str, Any]:
    return {
        "split": "train", "feature": feature, "value": value, "threshold": threshold,
        "measure": "L-infinity distance", "shown": "PA 90.0%, was 50.0%",
        "exceeded": value > threshold,
    }  # fmt: skip


def test_of_an_earlier_run_without_the_file_nothing_is_said() -> None:
    assert drift_lines({"accepted": ""}) == []


def test_why_nothing_was_compared_is_said() -> None:
    assert drift_lines({"notes": ["no other data"], "distances": []}) == ["drift: no other data"]


def test_the_nearest_to_its_threshold_is_shown() -> None:
    found = drift_lines(
        {"notes": [], "distances": [distance("view", 0.05), distance("sex", 0.06, 0.5)]}
    )
    assert found == [
        "drift: none in 2 distances; nearest to it is train view, 0.050 of 0.100 "
        "(L-infinity distance; PA 90.0%, was 50.0%)"
    ]


def test_what_was_overruled_is_shown_with_the_reason() -> None:
    measured = [distance("view", 0.4), distance("sex", 0.06)]
    assert drift_lines({"notes": [], "distances": measured, "accepted": "new ward"}) == [
        "drift overruled: train view, 0.400 of 0.100 (L-infinity distance; PA 90.0%, was 50.0%); "
        "new ward"
    ]
