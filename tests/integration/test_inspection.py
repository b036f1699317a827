"""What an inspection says is what RadiographExampleGen does, on the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.radiograph_example_gen.component import RadiographExampleGen
from models.hyperparameters import Preprocessing
from radiographs.inspect import __main__ as command
from radiographs.options import IngestOptions
from tests.support import run_components
from tests.unit.radiographs import test_inspect

write_bad = test_inspect.write_bad  # the fixture

TAKEN = {"max_quarantine_fraction": 1.0, "split": "given"}


@pytest.fixture(name="both", scope="module")
def run_both(
    bad: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """What the inspection found, the report of the ingest, and its folder."""
    folder = tmp_path_factory.mktemp("both")
    flags = [word for name, value in TAKEN.items() for word in ("--set", f"data.{name}={value}")]
    command.main([str(bad), "--json", str(folder / "found.json"), *flags])
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    options = IngestOptions.model_validate(TAKEN)
    gen = RadiographExampleGen(str(bad), options, preprocessing=Preprocessing(lungs="none"))
    outputs = run_components(folder, gen)
    report = Path(outputs["RadiographExampleGen", "report"].uri)
    return found, json.loads((report / "ingest.json").read_text(encoding="utf-8")), report


def test_every_number_and_sentence_is_the_same(
    both: tuple[dict[str, Any], dict[str, Any], Path],
) -> None:
    found, ingest, _ = both
    for name in ("styles", "style_agreement"):
        ingest.pop(name)  # found around the lungs, which an inspection does not look for
    ingest.pop("licence")  # for the card of a model, which an inspection does not write
    assert {name: found[name] for name in ingest} == ingest
    assert ingest["rejected"] == 6
    assert ingest["near_duplicates"]["across_labels"] == 1


def test_quarantine_and_ignored_files_are_the_same(
    both: tuple[dict[str, Any], dict[str, Any], Path],
) -> None:
    found, _, report = both
    for key, name in (("quarantine", "quarantine.csv"), ("ignored_files", "ignored.csv")):
        text = (report / name).read_text(encoding="utf-8")
        for row in found[key]:
            assert row["reason"] in text
    assert not list(report.glob("*.jsonl"))  # the workers' lines are taken up
