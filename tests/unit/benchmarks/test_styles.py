"""The tables of styles, on descriptions of which the styles are known."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from benchmarks.quality_runs import Record, Variant
from benchmarks.styles import Described, leave_one_out, stability_report
from models.features import NORMAL, PNEUMONIA
from pipeline.config import ConfigError
from radiographs.styles import DESCRIPTION_LENGTH

PER_STYLE = 80


def described() -> Described:
    """Two styles, the one with more detail half normal, the other with none."""
    rng = np.random.default_rng(0)
    shape = (PER_STYLE, DESCRIPTION_LENGTH)
    points = np.concatenate([rng.normal(level, 0.1, shape) for level in (2, 1)]).astype(np.float32)
    paths = [f"{number:03d}.png" for number in range(2 * PER_STYLE)]
    labels = [NORMAL] * (PER_STYLE // 2) + [PNEUMONIA] * (PER_STYLE + PER_STYLE // 2)
    return Described(dict(zip(paths, points, strict=True)), dict(zip(paths, labels, strict=True)))


def test_styles_are_listed_and_seeds_and_halves_agree() -> None:
    report = stability_report(described(), seeds=3)
    assert "| 1 | 80 | 50.0% |" in report and "| 2 | 80 | 100.0% |" in report
    assert re.search(r"between 3 seeds \| 1\.000 \| 1\.000", report)
    assert re.search(r"between halves of the films \(5 times\) \| 1\.000 \| 1\.000", report)
    assert "Styles found by seed: 2, 2, 2." in report


def test_each_style_of_both_classes_is_held_out_once() -> None:
    class Runs:
        """Notes the settings, and answers with a summary."""

        overrides: list[tuple[str, ...]] = []  # noqa: RUF012, of one test

        def measure(self, variant: Variant, seeds: list[int]) -> list[Record]:
            self.overrides.append(variant.overrides)
            overall = {
                "films": 80, "pneumonia_films": 40, "auc": 0.9, "recall": 0.8, "specificity": 0.7,
            }  # fmt: skip
            return [Record(variant.name, 0, None, {"metrics": {"overall": overall}}, {})]

    runs: Any = Runs()
    standard = Variant("standard", "standard")
    for only in ((), ("1",)):
        table = leave_one_out(described(), standard, runs, only)
        assert table.splitlines()[2:] == ["| 1 | 80 | 50.0% | 0.900 | 0.800 | 0.700 |"]
    one, other = (Variant("x", "standard", None, said).config(seed=0) for said in runs.overrides)
    assert one == other
    assert (one.data.split, one.data.test_styles) == ("style", (1,))
    # Or all runs but the first would be stopped, as their films are others.
    assert one.data_gate.accept_drift
    for missing in ("2", "9"):  # of one class; nowhere
        with pytest.raises(ConfigError, match=f"no style {missing} has films of both classes"):
            leave_one_out(described(), standard, runs, ("1", missing))
    assert len(runs.overrides) == 2
